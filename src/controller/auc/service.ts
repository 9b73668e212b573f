/**
 * The authentication centre as it runs: events go into the machine (keys/auc.ts),
 * its state goes to the disk, then its commands are carried out. What happens
 * while the disk is busy is stored together.
 */
import { randomBytes } from "node:crypto";
import { privateDirectory } from "../../kernel/files.js";
import { Auc } from "../../keys/auc.js";
import type { AucCommand, AucEvent } from "../../keys/auc-state.js";
import { AUC_NAME, AUC_PORT } from "../../keys/enrol-messages.js";
import { MAX_MESSAGE_BYTES } from "../../keys/framing.js";
import type { RandomBytes } from "../../keys/secret.js";
import { TUNING, type Tuning } from "../../keys/tuning.js";
import {
	type Authority,
	openAuthority,
	serverIdentity,
	type TlsIdentity,
} from "../ca.js";
import { Fault } from "../fault.js";
import { type AucListener, listen } from "./listener.js";
import { openSnapshot, type Snapshot } from "./snapshot.js";
import { Trail } from "./trail.js";

export interface AucOptions {
	/** Keys, certificates and the sealed state; made with mode 0700. */
	readonly directory: string;
	/** Where EFs connect (default 127.0.0.1). */
	readonly host?: string;
	/** 0: any free port (default 8444). */
	readonly port?: number;
	/** Key-encryption key, 32 bytes; one is made in the directory without it. */
	readonly kekFile?: string;
	readonly tuning?: Tuning;
	/** Where keys come from (default: the operating system); for tests. */
	readonly random?: RandomBytes;
	/** What went wrong, without a key in it. */
	readonly log: (line: string) => void;
}

/** An event before it has its time. */
type Happening = AucEvent extends infer E
	? E extends AucEvent
		? Omit<E, "nowMs">
		: never
	: never;

const RENEW_CHECK_MS = 3_600_000;
/** Longest time a timer can wait. */
const TIMER_MAX_MS = 2 ** 31 - 1;
const RETRY_SAVE_MS = 1000;
/** Of an SA in a report or a usage, as JSON. */
const SA_BYTES = 128;
/**
 * Any EF may say so much: after the centre has lost its memory one may hold SAs,
 * here some 2,000, of links that are declared no more.
 */
const MESSAGE_BYTES = 256 * 1024;

/**
 * The clock as it was when the process started, and what has gone by since: should
 * it be set back, nothing that waits waits longer, and no number comes twice.
 */
export function timeMs(): number {
	return Math.floor(performance.timeOrigin + performance.now());
}

export class AucService {
	readonly auc: Auc;
	readonly authority: Authority;
	/** What was done, once it is on the disk. */
	readonly trail = new Trail();
	readonly #snapshot: Snapshot;
	readonly #options: AucOptions;
	#listener: AucListener | undefined;
	#timer: NodeJS.Timeout | undefined;
	#renewal: NodeJS.Timeout | undefined;
	/** Of events whose state is not on the disk yet. */
	readonly #commands: AucCommand[] = [];
	#isChanged = false;
	/** Who waits for that. */
	readonly #waiting: (() => void)[] = [];
	#saving: Promise<void> | undefined;
	#isClosed = false;
	readonly #watchers = new Set<() => void>();

	private constructor(
		options: AucOptions,
		authority: Authority,
		snapshot: Snapshot,
	) {
		this.#options = options;
		this.authority = authority;
		this.#snapshot = snapshot;
		const { stored: state } = snapshot;
		this.auc = new Auc({
			tuning: options.tuning ?? TUNING,
			random: options.random ?? randomBytes,
			nowMs: timeMs(),
			...(state && { state }),
		});
	}

	/** Opens state and port; throws `auc: cause (likely fix)`. */
	static async start(options: AucOptions): Promise<AucService> {
		const { directory, kekFile } = options;
		privateDirectory(directory);
		const snapshot = openSnapshot(directory, kekFile);
		const authority = await openAuthority(directory);
		const service = new AucService(options, authority, snapshot);
		await service.#open();
		return service;
	}

	get port(): number {
		return this.#listener?.port ?? 0;
	}

	/** EFs that are connected and in a session. */
	get present(): string[] {
		const connected = this.#listener?.connected ?? new Set();
		return [...this.auc.present.keys()].filter((ef) => connected.has(ef));
	}

	/**
	 * Resolves once what it changed is on the disk, and its commands are carried
	 * out. Throws a RangeError for what cannot be, and Fault shutting_down;
	 * nothing is changed then.
	 */
	async handle(happening: Happening): Promise<void> {
		if (this.#isClosed) throw new Fault("shutting_down", "auc: it stops");
		this.#event(happening);
		if (!this.#isChanged) return;
		await new Promise<void>((done) => this.#waiting.push(done));
	}

	/** Called after every event that may have changed something. */
	watch(listener: () => void): () => void {
		this.#watchers.add(listener);
		return () => this.#watchers.delete(listener);
	}

	/** Ends connections by certificates that do not count any more. */
	recheck(): void {
		this.#listener?.recheck();
	}

	async close(): Promise<void> {
		this.#isClosed = true;
		clearTimeout(this.#timer);
		clearInterval(this.#renewal);
		await this.#listener?.close();
		await this.#saving;
		this.#snapshot.close();
	}

	async #open(): Promise<void> {
		const { host = "127.0.0.1", port = AUC_PORT, log } = this.#options;
		this.#listener = await listen({ host, port }, await this.identity(), {
			isCurrent: (ef, serial) => this.auc.isCurrent(ef, serial),
			maxBytes: (ef) =>
				Math.min(
					MAX_MESSAGE_BYTES,
					MESSAGE_BYTES + this.auc.mostHeld(ef) * SA_BYTES,
				),
			message: (from, message) =>
				this.#event({ type: "message", from, message }),
			enrol: (connection, message) =>
				this.#event({ type: "enrol", connection, message }),
			refused: (cause) => log(`auc: ${cause}`),
		});
		this.#renewal = setInterval(() => {
			this.identity().then(
				(identity) => this.#listener?.renew(identity),
				(error) => log(`auc: server certificate: ${causeOf(error)}`),
			);
		}, RENEW_CHECK_MS);
		this.#event({ type: "time" });
	}

	/** What it proves itself with, for as long as its certificate lasts. */
	identity(): Promise<TlsIdentity> {
		return serverIdentity(this.authority, [AUC_NAME]);
	}

	#event(happening: Happening): void {
		if (this.#isClosed) return;
		/* The type of a union's member is lost by spreading it. */
		const event = { ...happening, nowMs: timeMs() } as AucEvent;
		const commands = this.auc.handle(event);
		this.#setTimer();
		if (this.auc.takeChanged()) {
			this.#isChanged = true;
			this.#commands.push(...commands);
		} else {
			for (const command of commands) this.#carryOut(command);
		}
		if (this.#isChanged && !this.#saving) {
			this.#saving = this.#save().finally(() => {
				this.#saving = undefined;
			});
		}
		for (const watcher of [...this.#watchers]) watcher();
	}

	#setTimer(): void {
		clearTimeout(this.#timer);
		const { nextMs } = this.auc;
		if (!Number.isFinite(nextMs)) return;
		const waitMs = Math.max(0, nextMs - timeMs());
		this.#timer = setTimeout(
			() => this.#event({ type: "time" }),
			Math.min(waitMs, TIMER_MAX_MS),
		);
	}

	/** Until nothing is left to store. */
	async #save(): Promise<void> {
		/* What else this turn brings is stored with it. */
		await Promise.resolve();
		while (this.#isChanged) {
			this.#isChanged = false;
			const commands = this.#commands.splice(0);
			const waiting = this.#waiting.splice(0);
			while (!(await this.#isSaved())) {
				/* Without its state on the disk the centre does nothing more. */
				if (this.#isClosed) return;
				await new Promise((done) => setTimeout(done, RETRY_SAVE_MS));
			}
			for (const command of commands) this.#carryOut(command);
			for (const done of waiting) done();
		}
	}

	async #isSaved(): Promise<boolean> {
		try {
			await this.#snapshot.save(this.auc.state);
			return true;
		} catch (error) {
			this.#options.log(`auc: cannot store its state: ${causeOf(error)}`);
			return false;
		}
	}

	#carryOut(command: AucCommand): void {
		switch (command.type) {
			case "send":
				this.#listener?.send(command.to, command.message);
				break;
			case "reply":
				this.#listener?.reply(command.connection, command.message);
				break;
			case "sign":
				void this.#sign(command.ef, command.request);
				break;
			case "audit":
				/* People compare it with other clocks. */
				this.trail.add({ ...command.record, timeMs: Date.now() });
				break;
		}
	}

	async #sign(ef: string, request: string): Promise<void> {
		try {
			const issued = await this.authority.issue(request, ef);
			const { serial } = issued;
			const certificate = `${issued.certificate}\n${this.authority.certificate}`;
			this.#event({ type: "signed", ef, request, certificate, serial });
		} catch (error) {
			this.#event({ type: "unsigned", ef, request, reason: causeOf(error) });
		}
	}
}

function causeOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
