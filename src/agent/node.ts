/**
 * One node: opens or adopts its data plane, applies states, answers questions.
 * Needs no controller. Everything it made goes on when it is closed or killed.
 */
import { type Event, event as eventCodec, RingReader } from "../kernel/bpf.js";
import { diff } from "../plan/diff.js";
import type {
	AucAddress,
	FlowFilter,
	FlowRecord,
	NodeCounters,
	NodeEvent,
	NodeStatus,
	StateFilter,
	StateRecord,
} from "../plan/protocol.js";
import type { NodeState } from "../plan/state.js";
import { empty } from "../plan/steps.js";
import { Applier } from "./apply.js";
import { Census } from "./census.js";
import { DataPlane } from "./dataplane.js";
import { Detours } from "./detours.js";
import { NodeEf } from "./ef/ef.js";
import { guardEf } from "./ef/guard.js";
import { happeningOf } from "./happenings.js";
import { HostSettings, localAddresses } from "./host.js";
import { functionsDirectory, Instances } from "./instances.js";
import { interfaceIndexes } from "./interfaces.js";
import { introduce, type Move } from "./introduce.js";
import { Journal } from "./journal.js";
import { type PurgeOptions, purge } from "./purge.js";
import { Reads } from "./reads.js";
import { prepareRemoval } from "./removal.js";
import { flowRecords, IdlePaths, nodeCounters } from "./report.js";
import { stateRecords } from "./states.js";
import { localEntries } from "./tables/network.js";
import { sync } from "./tables/sync.js";

/** Interfaces and addresses may change at any time: how often to look. */
const REFRESH_MS = 1000;
const DEFAULT_MTU = 1500;

export interface NodeOptions extends PurgeOptions {
	/** Directory of the compiled eBPF objects; the built ones where absent. */
	readonly objects?: string | undefined;
	/** Entries by map name, for maps that are made. */
	readonly mapSizes?: Readonly<Record<string, number>> | undefined;
	/** Take down maps that another version of the layout left. */
	readonly replaceLayout?: boolean | undefined;
	readonly onEvent?: ((event: NodeEvent) => void) | undefined;
	/** Called after every single step, with the state it led to; for tests. */
	readonly onStep?: ((reached: NodeState) => Promise<void>) | undefined;
	/** Called at once when the health of an instance or of the EF changes. */
	readonly onHealth?: (() => void) | undefined;
	/** Makes a key known to the authentication centre; false: not now. */
	readonly enrolEf?: ((key: Buffer) => boolean) | undefined;
}

export class Node {
	readonly #options: NodeOptions;
	readonly #journal: Journal;
	readonly #plane: DataPlane;
	readonly #instances: Instances;
	readonly #ef: NodeEf;
	readonly #applier: Applier;
	readonly #detours: Detours;
	readonly #events: RingReader<Event>;
	readonly #idle = new IdlePaths();
	readonly #reads = new Reads();
	readonly #census: Census;
	#timer: NodeJS.Timeout | undefined;
	/** What runs, also in the middle of a change that failed. */
	#state: NodeState;
	#fresh = true;
	#locals = "";
	/** The change that is under way, and those that wait. */
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
			stateDir: functionsDirectory(options.stateDir),
			mtu: () => Math.max(DEFAULT_MTU, this.#state.mtu),
			probeMap: plane.maps.probes,
			notify: (name, kind, message) =>
				this.#tell(kind, `${name.function}/${name.instance}: ${message}`),
			changed: () => {
				this.#applier.failover.review();
				options.onHealth?.();
			},
			rulesChanging: (instance) => this.#applier.ports.suspend(instance),
			rulesChanged: (instance) => this.#applier.ports.relearn(instance),
		});
		const settings = new HostSettings(journal, options.netns);
		this.#ef = new NodeEf({
			...options,
			guard: (ends) => guardEf(plane, settings, ends),
			enrol: options.enrolEf,
			tell: (message) => this.#tell("ef", `encryption function: ${message}`),
			changed: () => {
				this.#detour();
				options.onHealth?.();
			},
		});
		this.#applier = new Applier(
			{
				plane,
				instances: this.#instances,
				settings,
				ef: this.#ef,
				netns: options.netns,
				exposed: (names) =>
					this.#tell(
						"interface",
						`${names.join(", ")}: forwarded by the kernel before it had a program, so that what is to be sealed may have passed in the clear (switch the host's own forwarding off, see "Reboot" in docs/operations.md)`,
					),
				told: {
					tell: (name, message) =>
						this.#tell(
							"failover",
							`${name.function}/${name.instance} ${message}`,
						),
					moved: (moves) => this.#introduce(moves),
				},
			},
			this.#state,
		);
		this.#detours = new Detours(this.#applier.paths, (message) =>
			this.#tell("failover", message),
		);
		this.#census = new Census(plane.maps.states, this.#reads);
		this.#events = new RingReader(plane.eventsFd, eventCodec, (event) =>
			this.#tellEvent(event),
		);
	}

	/**
	 * Adopts what runs, or starts from nothing, and applies the journal's state as
	 * far as it goes: what fails is told, and a later state may mend it.
	 */
	static async open(options: NodeOptions): Promise<Node> {
		const journal = new Journal(options.stateDir);
		journal.lock();
		let plane: DataPlane | undefined;
		let node: Node | undefined;
		try {
			plane = await DataPlane.open({
				...options,
				interfaces: await interfaceIndexes(options.netns),
				beforeRemoval: (attached) =>
					prepareRemoval({
						journal,
						settings: new HostSettings(journal, options.netns),
						netns: options.netns,
						stateDir: options.stateDir,
						attached,
					}),
			});
			node = new Node(options, journal, plane);
			await node.#resume();
			return node;
		} catch (error) {
			if (node) node.#letGo();
			plane?.close();
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
		return this.#inTurn(async () => {
			if (state.node !== this.#options.node)
				throw new Error(
					`apply: the state is of node ${state.node}, this is ${this.#options.node} (check the agent's --node)`,
				);
			const faults = await this.#instances.faults(state.instances);
			faults.push(...this.#ef.faults(state));
			if (faults.length > 0) throw new Error(faults.join("; "));
			await this.#applyNow(state);
			this.#journal.write(state);
		});
	}

	/**
	 * Forgets what these instances of a function have said of any flow: all, where
	 * `instance` is absent. Their names, once nothing learned before holds.
	 */
	invalidate(name: string, instance?: string): Promise<string[]> {
		return this.#inTurn(async () => {
			const concerned = this.#state.instances.filter(
				(one) =>
					one.function === name && (instance ?? one.instance) === one.instance,
			);
			for (const one of concerned) await this.#applier.ports.relearn(one);
			return concerned.map((one) => one.instance);
		});
	}

	/** Why these instances could not work here as declared; changes nothing. */
	check(instances: NodeState["instances"]): Promise<string[]> {
		return this.#queue.then(() => this.#instances.faults(instances));
	}

	/** Where the node's EF reaches the authentication centre. */
	setAuc(address: Required<AucAddress>): void {
		this.#ef.setAuc(address);
	}

	counters(): NodeCounters {
		const ef = this.#ef.counters();
		return {
			...nodeCounters(
				this.#plane.maps,
				this.#applier.paths,
				this.#state,
				this.#census.newest,
			),
			...(ef && { ef }),
		};
	}

	/** Rejects where too many such questions wait already. */
	flows(filter: FlowFilter = { limit: 1000 }): Promise<FlowRecord[]> {
		return this.#reads.next(() =>
			flowRecords(this.#plane.maps, this.#state, filter),
		);
	}

	/** What functions have said of flows; rejects as flows(). */
	states(filter: StateFilter = { limit: 1000 }): Promise<StateRecord[]> {
		return this.#reads.next(() =>
			stateRecords(this.#plane.maps, this.#state, filter),
		);
	}

	/** Those that take flows over come to know of their connections. */
	#introduce(moves: readonly Move[]): void {
		const { states } = this.#plane.maps;
		this.#reads
			.next(() => introduce(states, moves, this.#options.netns))
			.catch((error) =>
				this.#tell("failover", `connections are not shown: ${causeOf(error)}`),
			);
	}

	/** Paths are left where other nodes' encryption functions are silent. */
	#detour(): void {
		this.#detours.review(this.#state, this.#ef.status()?.silent);
	}

	status(): NodeStatus {
		const ef = this.#ef.status();
		return {
			...(ef && { ef }),
			revision: this.#state.revision,
			instances: this.#applier.failover.status(),
			idlePaths: this.#idle.look(this.#applier.paths, this.#state, Date.now()),
		};
	}

	/** Lets go; traffic flows on, and the next open() adopts all of it. */
	async close(): Promise<void> {
		clearInterval(this.#timer);
		await this.#queue;
		await this.#reads.end();
		this.#letGo();
		this.#plane.close();
		this.#journal.unlock();
	}

	#letGo(): void {
		clearInterval(this.#timer);
		this.#ef.close();
		this.#instances.close();
		this.#events.close();
	}

	/** Closes, and removes everything that was made on the node. */
	async destroy(): Promise<void> {
		await this.close();
		await purge(this.#options);
	}

	/** What changes the node comes one after the other. */
	#inTurn<T>(work: () => Promise<T>): Promise<T> {
		const done = this.#queue.then(work);
		this.#queue = done.catch(() => {});
		return done;
	}

	async #resume(): Promise<void> {
		const state = this.#journal.state();
		try {
			if (state) await this.#applyNow(state, true);
		} catch (error) {
			this.#tell(
				"journal",
				`apply revision ${state?.revision} again: ${causeOf(error)} (only a part of it runs; the controller's next state, or a change, mends it)`,
			);
		}
		this.#timer = setInterval(() => this.#refresh(), REFRESH_MS);
	}

	async #applyNow(state: NodeState, mayFail = false): Promise<void> {
		this.#syncLocals();
		/* The first time nothing is taken for granted: every step is done again. */
		const steps = diff(this.#fresh ? null : this.#state, state);
		const { onStep } = this.#options;
		for await (const reached of this.#applier.run(steps, this.#state, state, {
			apart: onStep !== undefined,
			mayFail,
		})) {
			this.#state = reached;
			this.#fresh = false;
			this.#detour();
			await onStep?.(reached);
		}
	}

	#syncLocals(): void {
		const addresses = localAddresses(this.#options.netns);
		if (this.#locals === addresses.join()) return;
		sync(this.#plane.maps.locals, localEntries(addresses));
		this.#locals = addresses.join();
	}

	/** Follows addresses and interfaces, and tries again what failed. */
	#refresh(): void {
		this.#census.look(performance.now());
		this.#queue = this.#queue.then(async () => {
			try {
				this.#syncLocals();
				if (this.#applier.interfaces.differ(this.#state)) {
					this.#applier.interfaces.bind(this.#state);
					this.#tell("interface", "interfaces changed; attached again");
				}
				await this.#applier.retry(this.#state);
				this.#applier.failover.review();
				this.#detour();
			} catch (error) {
				this.#tell("interface", causeOf(error));
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

	#tellEvent(event: Event): void {
		const happened = happeningOf(event, this.#state);
		if (!happened) return;
		this.#tell(happened.kind, happened.message, happened.tenant);
	}
}

function causeOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
