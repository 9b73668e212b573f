/** Composition root of the controller: puts its parts together and starts them. */

import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createApp } from "../api/app.js";
import type { AdminFile } from "../api/schemas.js";
import type { KeyAuthority } from "../controller/auc/authority.js";
import { readCredentials } from "../controller/auc/credentials.js";
import { createKeying } from "../controller/auc/keying.js";
import { keepLedger } from "../controller/auc/ledger.js";
import { RateLimit } from "../controller/auc/limits.js";
import { localAuthority } from "../controller/auc/local.js";
import { remoteAuthority } from "../controller/auc/remote.js";
import { AucService } from "../controller/auc/service.js";
import { openAuthority, serverIdentity } from "../controller/ca.js";
import { believe } from "../controller/claims.js";
import { type Delivery, openDelivery } from "../controller/delivery.js";
import {
	createDraining,
	type Draining,
	type DrainOptions,
} from "../controller/draining.js";
import { openEnrollment } from "../controller/enroll.js";
import { type EventLog, openEventLog } from "../controller/events.js";
import {
	createFleet,
	type Fleet,
	type FleetListener,
} from "../controller/fleet.js";
import { lead } from "../controller/leader.js";
import { createProgress } from "../controller/progress.js";
import { openReconciler, type Reconciler } from "../controller/reconcile.js";
import { createSilence } from "../controller/silence.js";
import { sqliteStore } from "../controller/store/sqlite.js";
import type { Store } from "../controller/store/store.js";
import { openTokens } from "../controller/tokens.js";
import {
	privateDirectory,
	readIfThere,
	writePrivate,
} from "../kernel/files.js";
import { packageVersion } from "../kernel/installation.js";

/** How long what is waited for. */
interface Waits extends DrainOptions {
	/** Wait so long for a node that went away in the middle of a change. */
	readonly reconnectMs: number;
	/** An instance must be up for so long before it gets flows again. */
	readonly holdDownMs: number;
}

export interface ControllerOptions extends Partial<Waits> {
	/** Keys, certificates, the store and admin.json; created with mode 0700. */
	readonly dataDir: string;
	/** Address to listen on (default 127.0.0.1). */
	readonly host?: string;
	/** 0: any free port (default 8443). */
	readonly port?: number;
	/** Further names and addresses in the server's certificate. */
	readonly names?: readonly string[];
	/** Where EFs get their keys: host (default `host`) and port (default: any). */
	readonly auc?: { readonly host?: string; readonly port?: number };
	/** Key-encryption key of the authentication centre; its own by default. */
	readonly kekFile?: string;
	/** controller.json of a centre in a process of its own, instead of one here. */
	readonly aucFile?: string;
	readonly logLevel?: "fatal" | "error" | "warn" | "info" | "debug" | "silent";
	/** Called when another controller took the store over. */
	readonly onLost?: () => void;
}

export interface Controller {
	readonly url: string;
	close(): Promise<void>;
}

const DEFAULT_HOST = "127.0.0.1";
const RENEW_CHECK_MS = 3_600_000;
/** Keys to enrol by of one node: each is stored. */
const ENROLMENTS = { perSecond: 0.2, burst: 10 };
const DEFAULTS: Waits = {
	reconnectMs: 5000,
	holdDownMs: 10_000,
	drainIdleMs: 3000,
	drainMaxMs: 60_000,
	keepIdleMs: 300_000,
	keepMaxMs: 86_400_000,
};

/** Starts a controller; throws `operation: cause (likely fix)`. */
export async function startController(
	options: ControllerOptions,
): Promise<Controller> {
	const { dataDir, host = DEFAULT_HOST, port = 8443 } = options;
	privateDirectory(dataDir);
	const store = sqliteStore(join(dataDir, "controller.db"));
	const closers: (() => Promise<void> | void)[] = [() => store.close()];
	const close = async () => {
		for (const closer of closers.splice(0).reverse()) await closer();
	};
	try {
		const stopLeading = await lead(store, () => options.onLost?.());
		closers.push(stopLeading);

		const log = await openEventLog(store);
		closers.push(() => log.flush());

		/* Until there is a logger nobody hears of it. */
		let warn = (_line: string) => {};
		const authority = await openAuthority(dataDir);
		const tokens = openTokens(store);
		const enrollment = openEnrollment(store, authority, log);
		let listener: FleetListener | undefined;
		const fleet = createFleet(forward(() => listener));
		closers.push(() => fleet.close());
		const { reconnectMs = DEFAULTS.reconnectMs } = options;
		const progress = createProgress(Math.max(10, reconnectMs / 4));
		const delivery = await openDelivery(store, fleet, progress, reconnectMs);
		const keys = await openKeys(options, (line) => warn(line));
		closers.push(() => keys.close());
		const keyCounts = keepLedger(keys, log);
		const draining = createDraining(delivery.desired, fleet, progress, {
			drainIdleMs: options.drainIdleMs ?? DEFAULTS.drainIdleMs,
			drainMaxMs: options.drainMaxMs ?? DEFAULTS.drainMaxMs,
			keepIdleMs: options.keepIdleMs ?? DEFAULTS.keepIdleMs,
			keepMaxMs: options.keepMaxMs ?? DEFAULTS.keepMaxMs,
		});
		const reconciler = await openReconciler(
			store,
			delivery,
			draining,
			createKeying(keys, progress),
			log,
			await enrollment.joined(),
			options.holdDownMs ?? DEFAULTS.holdDownMs,
		);
		closers.push(() => {
			// Whoever waits for a node lets go of it, so that the work ends.
			progress.close();
			return reconciler.close();
		});
		listener = listen(log, delivery, draining, reconciler, fleet, keys);

		const names = [
			...new Set(["localhost", "127.0.0.1", "::1", ...concrete(host)]),
			...(options.names ?? []),
		];
		const identity = () => serverIdentity(authority, names);
		const app = await createApp(
			{
				store,
				log,
				tokens,
				enrollment,
				fleet,
				delivery,
				reconciler,
				keys,
				keyCounts,
				version: packageVersion(),
			},
			await identity(),
			options.logLevel ?? "info",
		);
		// The reconciler ends before it: agents that leave with the server must
		// not count as gone.
		closers.splice(-1, 0, () => app.close());
		warn = (line) => app.log.warn(line);
		log.follow((event) => app.log.info({ event }, event.message));
		const renewal = setInterval(() => {
			identity().then(
				(next) => app.server.setSecureContext(next),
				(error) => app.log.error({ err: error }, "server certificate"),
			);
		}, RENEW_CHECK_MS);
		closers.push(() => clearInterval(renewal));

		await app.listen({ host, port });
		const bound = app.server.address() as AddressInfo;
		const url = `https://${authorityOf(host)}:${bound.port}`;
		await writeAdminFile(dataDir, url, authority.certificate, store, tokens);
		app.log.info({ url }, "controller listens");
		return { url, close };
	} catch (error) {
		await close();
		throw error;
	}
}

/** The centre of this process, or one elsewhere. */
async function openKeys(
	{ dataDir, host, auc = {}, kekFile, aucFile }: ControllerOptions,
	log: (line: string) => void,
): Promise<KeyAuthority> {
	if (aucFile !== undefined) return remoteAuthority(readCredentials(aucFile));
	const at = auc.host ?? host ?? DEFAULT_HOST;
	const service = await AucService.start({
		directory: join(dataDir, "auc"),
		host: at,
		port: auc.port ?? 0,
		log,
		...(kekFile !== undefined && { kekFile }),
	});
	const isElsewhere = auc.host !== undefined && auc.host !== host;
	const [told] = isElsewhere ? concrete(auc.host) : [];
	return localAuthority(service, told);
}

/** Fleet and reconciler need each other; the server listens once both are there. */
function forward(to: () => FleetListener | undefined): FleetListener {
	return {
		believe: (node, message) => to()?.believe(node, message) ?? message,
		hello: (...said) => to()?.hello(...said),
		acknowledged: (...said) => to()?.acknowledged(...said),
		refused: (...said) => to()?.refused(...said),
		status: (...said) => to()?.status(...said),
		event: (...said) => to()?.event(...said),
		enrolEf: (...said) => to()?.enrolEf(...said),
		gone: (...said) => to()?.gone(...said),
	};
}

function listen(
	log: EventLog,
	delivery: Delivery,
	draining: Draining,
	reconciler: Reconciler,
	fleet: Fleet,
	keys: KeyAuthority,
): FleetListener {
	const enrolments = new RateLimit(ENROLMENTS);
	const names = (nodeId: number) =>
		[...delivery.desired.values()].find((one) => one.nodeId === nodeId)?.node;
	const silence = createSilence({
		nameOf: names,
		changed(node, isDead) {
			const message = isDead
				? `nothing is heard of node ${node} by other nodes: it is planned without it`
				: `node ${node} is heard again`;
			log.add({ kind: "silence", message, node });
			if (isDead) delivery.giveUp(node);
			reconciler.health(node, isDead);
		},
		hangs: (node) => fleet.drop(node),
	});
	return {
		believe: (node, message) =>
			believe(node, message, delivery, reconciler.intent),
		hello(node, revision) {
			log.add({
				kind: "connected",
				message: `node ${node} connected, runs revision ${revision}`,
				node,
			});
			draining.status(node, undefined);
			fleet.tellAuc(node, keys.address);
			delivery.hello(node, revision);
		},
		acknowledged: (node, revision) => delivery.acknowledged(node, revision),
		refused(node, revision, reason) {
			log.add({
				kind: "refused",
				message: `node ${node} refused revision ${revision}: ${reason}`,
				node,
			});
			delivery.refused(node, revision, reason);
		},
		status(node, status) {
			draining.status(node, status);
			silence.status(node, status);
			/* Also where an earlier controller saw it die. */
			if (!silence.isDead(node)) reconciler.health(node, false);
			for (const item of status.instances) {
				const name = `${item.function}/${item.instance}`;
				// One that starts is what it was before: down, or new.
				if (item.state !== "starting") {
					reconciler.health(name, item.state === "down");
				}
			}
		},
		event(node, { kind, message, tenant }) {
			log.add({ kind, message, node, ...(tenant !== undefined && { tenant }) });
		},
		enrolEf(node, key) {
			if (!enrolments.allows(node, performance.now())) return key.wipe();
			/* Its EF asks again until it has a certificate. */
			keys.configure(node, key).catch((error) => {
				const cause = error instanceof Error ? error.message : String(error);
				log.add({ kind: "error", message: `enrol ${node}: ${cause}`, node });
			});
		},
		gone(node) {
			log.add({
				kind: "disconnected",
				message: `node ${node} disconnected`,
				node,
			});
			delivery.gone(node);
			silence.status(node, undefined);
		},
	};
}

/** How the CLI on this machine gets in; the token in it is kept over restarts. */
async function writeAdminFile(
	dataDir: string,
	url: string,
	ca: string,
	store: Store,
	tokens: ReturnType<typeof openTokens>,
): Promise<void> {
	const path = join(dataDir, "admin.json");
	const text = readIfThere(path);
	const known =
		text === undefined ? undefined : (JSON.parse(text) as AdminFile);
	let token = known?.token;
	if (token === undefined || !(await tokens.verify(token))) {
		const created = tokens.create({ name: "admin", role: "admin" });
		await store.transact([created.write]);
		token = created.token;
	}
	const file: AdminFile = { url, token, ca };
	writePrivate(path, `${JSON.stringify(file, undefined, "\t")}\n`);
}

/** The host as a URL has it; one that listens everywhere is reached locally. */
function authorityOf(host: string): string {
	if (host === "0.0.0.0") return "127.0.0.1";
	if (host === "::") return "[::1]";
	return host.includes(":") ? `[${host}]` : host;
}

const concrete = (host: string) =>
	host === "0.0.0.0" || host === "::" ? [] : [host];
