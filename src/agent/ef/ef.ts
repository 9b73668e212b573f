/**
 * The node's encryption function (EF) as its agent sees it: a process with a
 * namespace of its own, there as long as the node has a sealed hop. It outlives
 * the agent, and the next one adopts it.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { chooseEngine, type EngineChoice } from "../../functions/ef/choose.js";
import {
	type EfConfig,
	type EfEngineConfig,
	efFiles,
	readConfig,
	writeConfig,
} from "../../functions/ef-process/config.js";
import {
	type EfEnds,
	efSides,
	makeEfPairs,
	openEfPairs,
} from "../../functions/ef-process/network.js";
import type { EfReport } from "../../functions/ef-process/report.js";
import { EfWatch } from "../../functions/ef-process/watch.js";
import { EF_SIDES, efHostEnd, efNamespace } from "../../functions/names.js";
import { Command, checkProgram } from "../../functions/process/command.js";
import { removeNetwork } from "../../functions/process/namespace.js";
import { built } from "../../kernel/installation.js";
import { deleteLink } from "../../kernel/ip.js";
import { ifindexOf, netnsExists } from "../../kernel/netns.js";
import type { EfCounters, EfStatus } from "../../plan/ef.js";
import type { AucAddress } from "../../plan/protocol.js";
import type { NodeState } from "../../plan/state.js";
import { Enrolment } from "./enrolment.js";
import { countersOf, statusOf } from "./report.js";

const PROGRAM = built("programs/ef.js");
/** No smaller than what any link carries. */
const LEAST_MTU = 1500;

export interface NodeEfOptions {
	readonly prefix: string;
	readonly node: string;
	/** The node's network namespace; that of this process where absent. */
	readonly netns?: string | undefined;
	/** The agent's; the EF has a directory in it. */
	readonly stateDir: string;
	/** Guards the host ends, before they come up; undefined: no EF, or a dead one. */
	readonly guard: (ends: EfEnds | undefined) => void;
	/** Makes the key known to the authentication centre; false: not now. */
	readonly enrol?: ((key: Buffer) => boolean) | undefined;
	readonly tell: (message: string) => void;
	/** What status() says is another. */
	readonly changed: () => void;
}

interface Running {
	readonly command: Command;
	readonly watch: EfWatch;
	readonly engine: EfEngineConfig;
	readonly ends: EfEnds;
	/** Packets are given to it. */
	isServed: boolean;
}

/** Whether a node of this state has an EF. */
export function needsEf({ paths }: Pick<NodeState, "paths">): boolean {
	return paths.some(({ hops }) => hops.some((hop) => hop?.sealed));
}

/** Where the EF keeps its files, in a node's state directory. */
export function efDirectory(stateDir: string): string {
	return join(stateDir, "ef");
}

export class NodeEf {
	readonly #options: NodeEfOptions;
	readonly #directory: string;
	readonly #namespace: string;
	readonly #enrolment: Enrolment;
	#running: Running | undefined;
	/** Why it could not be brought up. */
	#failure: string | undefined;
	#auc: Required<AucAddress> | undefined;
	readonly #choices = new Map<boolean, EngineChoice>();
	#told = { how: "", silent: "" };

	constructor(options: NodeEfOptions) {
		this.#options = options;
		this.#directory = efDirectory(options.stateDir);
		this.#namespace = efNamespace(options.prefix, options.node);
		this.#auc = readConfig(this.#directory)?.auc;
		this.#enrolment = new Enrolment(this.#directory, options.enrol);
	}

	/** Why an EF could not work here as this state needs it; changes nothing. */
	faults(state: NodeState): string[] {
		if (!needsEf(state)) return [];
		const faults: string[] = [];
		if (state.underlay === undefined)
			faults.push("the node has no underlay address (declare spec.underlay)");
		try {
			checkProgram("ethtool");
		} catch {
			faults.push("the node has no ethtool (apt-get install ethtool)");
		}
		return faults.map((fault) => `encryption function: ${fault}`);
	}

	/** Brings it to what the state needs; changes nothing where it is so already. */
	async ensure(state: NodeState): Promise<void> {
		if (!needsEf(state)) return;
		const engine = this.#engineFor(state);
		try {
			if (!this.#serves(engine)) await this.#start(state, engine);
			else this.#configure(state, engine);
			this.#failure = undefined;
		} catch (error) {
			const cause = error instanceof Error ? error.message : String(error);
			this.#failure = cause;
			throw new Error(`encryption function: ${cause}`, { cause: error });
		}
	}

	/** Again, where interfaces are gone or it could not be brought up. */
	async retry(state: NodeState): Promise<void> {
		if (!needsEf(state) || this.#serves(this.#engineFor(state))) return;
		const before = this.#failure;
		try {
			await this.ensure(state);
			if (before !== undefined) this.#options.tell("is brought up after all");
		} catch {
			if (this.#failure !== before) this.#options.tell(this.#failure ?? "");
		}
		this.#options.changed();
	}

	/** Ends it where the state has no sealed hop. */
	async settle(state: NodeState): Promise<void> {
		if (!needsEf(state)) await this.remove();
	}

	/** Ends it; its certificate stays. */
	async remove(): Promise<void> {
		const { netns, guard } = this.#options;
		this.#failure = undefined;
		const isThere =
			this.#running !== undefined ||
			readConfig(this.#directory) !== undefined ||
			netnsExists(this.#namespace);
		if (!isThere) return;
		guard(undefined);
		await this.#end();
		await removeNetwork(this.#namespace);
		for (const side of EF_SIDES) await deleteLink(efHostEnd(side), netns);
		const { config, enrolKey, socket } = efFiles(this.#directory);
		/* The configuration last: by it one that was killed knows what is left. */
		for (const file of [enrolKey, socket, config])
			rmSync(file, { force: true });
	}

	/** Where the authentication centre is. */
	setAuc(address: Required<AucAddress>): void {
		this.#auc = address;
		const config = readConfig(this.#directory);
		if (!config || !this.#running) return;
		this.#write({ ...config, auc: address });
		this.#review(this.#running.watch.report);
	}

	/** Names of its interfaces on the node. */
	ends(): readonly string[] {
		return this.#running ? EF_SIDES.map(efHostEnd) : [];
	}

	/** Undefined where the node needs none. */
	status(): EfStatus | undefined {
		const running = this.#running;
		if (!running && this.#failure === undefined) return undefined;
		return statusOf(
			running?.command.health() ?? {
				state: "down",
				reason: this.#failure ?? "",
				restarts: 0,
			},
			running?.watch.report,
		);
	}

	/** Since it was started; undefined while nobody tells. */
	counters(): EfCounters | undefined {
		return countersOf(this.#running?.watch.report);
	}

	/** Lets go; it runs on. */
	close(): void {
		const running = this.#running;
		this.#running = undefined;
		running?.watch.close();
		running?.command.close();
	}

	async #start(state: NodeState, engine: EfEngineConfig): Promise<void> {
		const { netns: node, guard } = this.#options;
		const place = {
			node,
			namespace: this.#namespace,
			mtuBytes: engine.inside.mtuBytes,
			isTapped: engine.kind === "userspace",
		};
		const { ends, isNew } = await makeEfPairs(place);
		guard(ends);
		const before = readConfig(this.#directory)?.engine;
		if (isNew || !isSame(before, engine)) await this.#end();
		await openEfPairs(place);
		this.#configure(state, engine);
		if (this.#running) return;
		const command = await Command.open({
			argv: [process.execPath, PROGRAM, this.#directory],
			netns: node,
			directory: this.#directory,
			env: {},
			changed: (message) => {
				this.#options.tell(message);
				this.#options.changed();
			},
		});
		const watch = new EfWatch(efFiles(this.#directory).socket, (report) =>
			this.#review(report),
		);
		this.#running = { command, watch, engine, ends, isServed: true };
	}

	/** Whether it runs as it must, on interfaces that are still there. */
	#serves(engine: EfEngineConfig): boolean {
		const running = this.#running;
		return (
			running !== undefined &&
			isSame(running.engine, engine) &&
			Object.values(running.ends).every(
				({ name, ifindex }) => ifindexOf(name, this.#options.netns) === ifindex,
			)
		);
	}

	async #end(): Promise<void> {
		const running = this.#running;
		this.#running = undefined;
		running?.watch.close();
		await running?.command.stop();
		/* One that a former agent started. */
		await Command.end(this.#directory);
	}

	#engineFor(state: NodeState): EfEngineConfig {
		const { kind } = this.#choose(state);
		const { nodeId, mtu } = state;
		const sides = efSides(Math.max(LEAST_MTU, mtu));
		return { kind, namespace: this.#namespace, nodeId, ...sides };
	}

	/** What the machine can do does not change while the agent runs. */
	#choose({ paths }: NodeState): EngineChoice {
		const signs = paths.some(({ hops }) =>
			hops.some((hop) => hop?.sealed === "mac"),
		);
		const choice = this.#choices.get(signs) ?? chooseEngine(signs);
		this.#choices.set(signs, choice);
		return choice;
	}

	#configure(state: NodeState, engine: EfEngineConfig): void {
		const linked = new Set(state.links?.map(({ nodeId }) => nodeId));
		this.#write({
			node: state.node,
			engine,
			why: this.#choose(state).why,
			address: state.underlay ?? "",
			peers: Object.fromEntries(
				state.peers.map(({ name, nodeId, underlay }) => [
					name,
					{ nodeId, address: underlay, linked: linked.has(nodeId) },
				]),
			),
			...(this.#auc && { auc: this.#auc }),
		});
	}

	#write(config: EfConfig): void {
		if (isSame(readConfig(this.#directory), config)) return;
		writeConfig(this.#directory, config);
		this.#running?.watch.ask("reload");
	}

	/** What it is given while it cannot take it is dropped, and counted so. */
	#admit(isServed: boolean): void {
		const running = this.#running;
		/* The kernel encrypts on by itself while its process is dead. */
		if (running?.engine.kind !== "userspace" || running.isServed === isServed)
			return;
		running.isServed = isServed;
		const { guard, tell } = this.#options;
		try {
			guard(isServed ? running.ends : undefined);
		} catch (error) {
			/* Its interfaces are gone: retry() makes others. */
			tell(error instanceof Error ? error.message : String(error));
		}
	}

	#review(report: EfReport | undefined): void {
		this.#admit(report !== undefined);
		if (report?.wantsKey && this.#auc && this.#enrolment.offer())
			this.#running?.watch.ask("reload");
		const { tell, changed } = this.#options;
		const status = this.status();
		const how = JSON.stringify([status?.state, status?.reason, status?.engine]);
		const silent = status?.silent?.join() ?? "";
		if (how === this.#told.how && silent === this.#told.silent) return;
		if (how !== this.#told.how && status?.state === "up")
			tell(
				`${status.engine?.kind} engine ${status.reason ? `runs, but ${status.reason}` : "is in touch with the authentication centre"}`,
			);
		this.#told = { how, silent };
		changed();
	}
}

const isSame = (a: unknown, b: unknown): boolean =>
	JSON.stringify(a) === JSON.stringify(b);
