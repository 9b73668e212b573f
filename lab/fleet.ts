/**
 * Nodes of a lab that carry out a plan without a controller: planner and agents'
 * nodes in this process, hosts by the names of the nodes.
 */
import { EventEmitter, once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Node, type NodeOptions } from "../src/agent/node.js";
import type { Intent } from "../src/model/intent.js";
import { NO_MEMORY } from "../src/plan/allocate.js";
import type { PathSummary } from "../src/plan/path.js";
import { createPlanner, type Plan } from "../src/plan/plan.js";
import type { AucAddress } from "../src/plan/protocol.js";
import type { NodeState } from "../src/plan/state.js";
import { type States, transition } from "../src/plan/transition.js";
import type { Lab } from "./lab.js";

/** Where the nodes' encryption functions get their keys. */
export interface KeySource {
	readonly address: Required<AucAddress>;
	/** Lets a node's EF enrol. */
	enrol(node: string, key: Buffer): void;
	/** All links there shall be. */
	declare(states: Iterable<NodeState>): Promise<void>;
	/** Resolves once all of them have keys in use. */
	ready(): Promise<void>;
}

export class Fleet {
	readonly #lab: Lab;
	readonly #keys: KeySource | undefined;
	readonly #nodes = new Map<string, Node>();
	readonly #planner = createPlanner();
	readonly #events = new EventEmitter();
	readonly #stateDir: string;
	#memory = NO_MEMORY;

	private constructor(lab: Lab, stateDir: string, keys?: KeySource) {
		this.#lab = lab;
		this.#keys = keys;
		this.#stateDir = stateDir;
	}

	/** Opens a node in every host of that name and applies the plan there. */
	static async open(
		lab: Lab,
		intent: Intent,
		keys?: KeySource,
	): Promise<Fleet> {
		const stateDir = mkdtempSync(join(tmpdir(), `chainmail-${lab.run}-`));
		const fleet = new Fleet(lab, stateDir, keys);
		lab.removeWithLab(stateDir);
		lab.removeWithLab(`/sys/fs/bpf/${prefixOf(lab)}`);
		for (const node of intent.nodes.keys()) await fleet.#open(node);
		await fleet.apply(intent);
		return fleet;
	}

	/** Ends a node's agent and starts another one, which adopts what runs. */
	async restart(
		node: string,
		options: Pick<NodeOptions, "replaceLayout"> = {},
	): Promise<void> {
		await this.node(node).close();
		await this.#open(node, options);
	}

	async #open(
		node: string,
		options: Pick<NodeOptions, "replaceLayout"> = {},
	): Promise<void> {
		const opened = await Node.open({
			...options,
			prefix: prefixOf(this.#lab),
			node,
			netns: this.#lab.netns(node),
			stateDir: this.stateDir(node),
			onEvent: (event) => this.#events.emit(event.kind, event),
			enrolEf: (key) => {
				this.#keys?.enrol(node, key);
				return this.#keys !== undefined;
			},
		});
		if (this.#keys) opened.setAuc(this.#keys.address);
		this.#nodes.set(node, opened);
	}

	/** Where a node's agent keeps its files. */
	stateDir(node: string): string {
		return join(this.#stateDir, node);
	}

	/** Paths of the plan that runs now; nothing is left of the one before. */
	async apply(intent: Intent): Promise<readonly PathSummary[]> {
		const plan = this.#plan(intent);
		await this.#keys?.declare(plan.states.values());
		await this.#give(plan.states);
		return plan.paths;
	}

	/** As a controller does it, up to where the old paths drain. */
	async switchTo(intent: Intent): Promise<void> {
		const running = new Map(
			[...this.#nodes].map(([name, { state }]) => [name, state]),
		);
		const stages = transition(running, this.#plan(intent).states);
		await this.#give(stages.make);
		await this.#keys?.declare(stages.make.values());
		await this.#keys?.ready();
		await this.#give(stages.switch);
	}

	#plan(intent: Intent): Plan {
		const { plan, memory } = this.#planner(intent, this.#memory);
		const [problem] = plan.problems;
		if (problem) throw new Error(`plan: ${problem.message}`);
		this.#memory = memory;
		return plan;
	}

	async #give(states: States): Promise<void> {
		for (const [name, state] of states) await this.node(name).apply(state);
	}

	/** The next event of a kind that any node tells, from now on. */
	async nextEvent(kind: string, timeoutMs = 20_000): Promise<void> {
		const signal = AbortSignal.timeout(timeoutMs);
		await once(this.#events, kind, { signal });
	}

	node(name: string): Node {
		const node = this.#nodes.get(name);
		if (!node) throw new Error(`fleet: no node ${name} in ${this.#lab.run}`);
		return node;
	}

	/** Takes everything down again, functions too. */
	async destroy(): Promise<void> {
		for (const node of this.#nodes.values()) await node.destroy();
	}
}

/** Begins the names of all that the nodes make, so that the lab finds it. */
export function prefixOf(lab: Lab): string {
	return `cm${lab.run}`;
}
