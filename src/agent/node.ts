/**
 * One node: opens or adopts its data plane, applies states, answers questions.
 * Needs no controller. Everything it made goes on when it is closed or killed.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { InstanceName } from "../functions/names.js";
import {
	DROP_REASON_NAMES,
	DropReason,
	EVENT_KIND_NAMES,
	type Event,
	event as eventCodec,
	RingReader,
} from "../kernel/bpf.js";
import { links } from "../kernel/ip.js";
import { ifindexOf } from "../kernel/netns.js";
import { diff } from "../plan/diff.js";
import type {
	FlowFilter,
	FlowRecord,
	NodeCounters,
	NodeEvent,
	NodeStatus,
} from "../plan/protocol.js";
import type { NodeState } from "../plan/state.js";
import { empty } from "../plan/steps.js";
import { addressFromHex } from "../wire/address.js";
import { Applier } from "./apply.js";
import { DataPlane, removePins } from "./dataplane.js";
import {
	applyHostSettings,
	localAddresses,
	restoreHostSettings,
} from "./host.js";
import { Instances } from "./instances.js";
import { Journal } from "./journal.js";
import { flowRecords, IdlePaths, nodeCounters } from "./report.js";
import { hexOf } from "./tables/encode.js";
import { localEntries } from "./tables/network.js";
import { sync } from "./tables/sync.js";

/** Interfaces and addresses may change at any time: how often to look. */
const REFRESH_MS = 1000;
const DEFAULT_MTU = 1500;

export interface NodeOptions {
	/** First part of every name outside: pins, namespaces. */
	readonly prefix: string;
	readonly node: string;
	/** Journal, logs, keys; made with mode 0700. */
	readonly stateDir: string;
	/** Network namespace of the node; that of this process where absent. */
	readonly netns?: string | undefined;
	/** Directory of the compiled eBPF objects; the built ones where absent. */
	readonly objects?: string | undefined;
	/** Entries by map name, for maps that are made. */
	readonly mapSizes?: Readonly<Record<string, number>> | undefined;
	/** Take down maps that another version of the layout left. */
	readonly replaceLayout?: boolean | undefined;
	readonly onEvent?: ((event: NodeEvent) => void) | undefined;
	/** Called after every single step, with the state it led to; for tests. */
	readonly onStep?: ((reached: NodeState) => Promise<void>) | undefined;
	/** Called at once when an instance's health changes. */
	readonly onHealth?: (() => void) | undefined;
}

export class Node {
	readonly #options: NodeOptions;
	readonly #journal: Journal;
	readonly #plane: DataPlane;
	readonly #instances: Instances;
	readonly #applier: Applier;
	readonly #events: RingReader<Event>;
	readonly #idle = new IdlePaths();
	#timer: NodeJS.Timeout | undefined;
	/** What runs, also in the middle of a change that failed. */
	#state: NodeState;
	#fresh = true;
	#locals = "";
	/** Applications come one after the other. */
	#queue: Promise<unknown> = Promise.resolve();

	private constructor(
		options: NodeOptions,
		journal: Journal,
		plane: DataPlane,
	) {
		this.#options = options;
		this.#journal = journal;
		this.#plane = plane;
		this.#state = empty({ node: options.node, nodeId: 0, mtu: DEFAULT_MTU });
		this.#instances = new Instances({
			prefix: options.prefix,
			node: options.node,
			netns: options.netns,
			stateDir: join(options.stateDir, "functions"),
			mtu: () => Math.max(DEFAULT_MTU, this.#state.mtu),
			probeMap: plane.maps.probes,
			notify: (name, kind, message) =>
				this.#tell(kind, `${name.function}/${name.instance}: ${message}`),
			changed: () => options.onHealth?.(),
		});
		this.#applier = new Applier(
			plane,
			this.#instances,
			{
				netns: options.netns,
				interfaces: () => interfaceIndexes(options.netns),
				prepare: (state) =>
					applyHostSettings(this.#existing(state), journal, options.netns),
			},
			this.#state,
		);
		this.#events = new RingReader(plane.eventsFd, eventCodec, (event) =>
			this.#tellEvent(event),
		);
	}

	/** Adopts what runs, or starts from nothing, and applies the journal's state. */
	static async open(options: NodeOptions): Promise<Node> {
		const journal = new Journal(options.stateDir);
		journal.lock();
		try {
			const plane = await DataPlane.open({
				...options,
				interfaces: await interfaceIndexes(options.netns),
			});
			const node = new Node(options, journal, plane);
			const state = journal.state();
			if (state) await node.#applyNow(state);
			node.#timer = setInterval(() => node.#refresh(), REFRESH_MS);
			return node;
		} catch (error) {
			journal.unlock();
			throw error;
		}
	}

	/** State that runs; revision 0 before the first. */
	get state(): NodeState {
		return this.#state;
	}

	/** Rejects with nothing changed where a part cannot work as declared. */
	apply(state: NodeState): Promise<void> {
		const done = this.#queue.then(async () => {
			if (state.node !== this.#options.node)
				throw new Error(
					`apply: the state is of node ${state.node}, this is ${this.#options.node} (check the agent's --node)`,
				);
			const faults = await this.#instances.faults(state.instances);
			if (faults.length > 0) throw new Error(faults.join("; "));
			await this.#applyNow(state);
			this.#journal.write(state);
		});
		this.#queue = done.catch(() => {});
		return done;
	}

	/** Why these instances could not work here as declared; changes nothing. */
	check(instances: NodeState["instances"]): Promise<string[]> {
		return this.#queue.then(() => this.#instances.faults(instances));
	}

	counters(): NodeCounters {
		return nodeCounters(this.#plane.maps, this.#applier.paths, this.#state);
	}

	flows(filter: FlowFilter = { limit: 1000 }): FlowRecord[] {
		return flowRecords(this.#plane.maps, this.#state, filter);
	}

	status(): NodeStatus {
		return {
			revision: this.#state.revision,
			instances: this.#instances.status(),
			idlePaths: this.#idle.look(
				this.#plane.maps,
				this.#applier.paths,
				this.#state,
				Date.now(),
			),
		};
	}

	/** Lets go; traffic flows on, and the next open() adopts all of it. */
	async close(): Promise<void> {
		clearInterval(this.#timer);
		await this.#queue;
		this.#instances.close();
		this.#events.close();
		this.#plane.close();
		this.#journal.unlock();
	}

	/** Closes, and removes everything that was made on the node. */
	async destroy(): Promise<void> {
		await this.close();
		await purge(this.#options);
	}

	async #applyNow(state: NodeState): Promise<void> {
		this.#syncLocals();
		/* The first time nothing is taken for granted: every step is done again. */
		const steps = diff(this.#fresh ? null : this.#state, state);
		const { onStep } = this.#options;
		for await (const reached of this.#applier.run(
			steps,
			this.#state,
			state,
			onStep === undefined,
		)) {
			this.#state = reached;
			this.#fresh = false;
			await onStep?.(reached);
		}
	}

	#existing(state: NodeState): NodeState["interfaces"] {
		return state.interfaces.filter(
			(one) => ifindexOf(one.name, this.#options.netns) !== undefined,
		);
	}

	#syncLocals(): void {
		const addresses = localAddresses(this.#options.netns);
		if (this.#locals === addresses.join()) return;
		sync(this.#plane.maps.locals, localEntries(addresses));
		this.#locals = addresses.join();
	}

	/** Follows addresses and interfaces that came, went or were made anew. */
	#refresh(): void {
		this.#queue = this.#queue.then(() => {
			try {
				this.#syncLocals();
				if (!this.#applier.interfacesDiffer(this.#state)) return;
				this.#applier.bindInterfaces(this.#state);
				this.#tell("interface", "interfaces changed; attached again");
			} catch (error) {
				this.#tell(
					"interface",
					error instanceof Error ? error.message : String(error),
				);
			}
		});
	}

	#tell(kind: string, message: string, tenant?: string): void {
		this.#options.onEvent?.({
			timeMs: Date.now(),
			kind,
			message,
			...(tenant !== undefined && { tenant }),
		});
	}

	#tellEvent({ kind, reason, spi, tenant, t }: Event): void {
		/* Every function's kernel says such things when it starts: counted only. */
		if (reason === DropReason.PORT_LINK_LOCAL) return;
		const name = this.#state.tenants.find((one) => one.id === tenant)?.name;
		const flow = `${addressFromHex(hexOf(t.src))}:${t.sport} > ${addressFromHex(hexOf(t.dst))}:${t.dport} proto ${t.proto}`;
		const why = DROP_REASON_NAMES[reason] ?? `reason ${reason}`;
		this.#tell(
			EVENT_KIND_NAMES[kind] ?? "event",
			`${why}: ${flow}${spi ? `, path ${spi}` : ""}`,
			name,
		);
	}
}

/** Removes everything a node's agents made, whether it can be adopted or not. */
export async function purge(
	options: Pick<NodeOptions, "prefix" | "node" | "stateDir" | "netns">,
): Promise<void> {
	const journal = new Journal(options.stateDir);
	journal.lock();
	try {
		removePins(options, await interfaceIndexes(options.netns));
		const functions = join(options.stateDir, "functions");
		const quiet = {
			notify: (_: InstanceName) => {},
			changed: () => {},
			mtu: () => DEFAULT_MTU,
			probeMap: { get: () => undefined },
		};
		await new Instances({ ...options, ...quiet, stateDir: functions }).sweep(
			[],
		);
		restoreHostSettings(journal, options.netns);
		rmSync(functions, { recursive: true, force: true });
		journal.clear();
	} finally {
		journal.unlock();
	}
}

async function interfaceIndexes(netns: string | undefined): Promise<number[]> {
	return (await links(netns)).map((link) => link.ifindex);
}
