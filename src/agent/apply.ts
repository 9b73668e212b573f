/**
 * Carries out the steps of plan/diff.ts: each kind has its part of the node.
 * Steps that follow each other and concern the same part are done together: a
 * thousand tenants are one write, not a thousand.
 */
import { type InstanceName, instanceKey } from "../functions/names.js";
import { waitForPrograms } from "../kernel/grace.js";
import { links } from "../kernel/ip.js";
import { applyStep } from "../plan/apply.js";
import type { Step } from "../plan/diff.js";
import type { NodeState } from "../plan/state.js";
import type { DataPlane } from "./dataplane.js";
import type { NodeEf } from "./ef/ef.js";
import { Failover, type Told } from "./failover.js";
import type { HostSettings } from "./host.js";
import type { Instances } from "./instances.js";
import { Interfaces } from "./interfaces.js";
import { Ports } from "./ports.js";
import { Services } from "./services.js";
import type { PathTables } from "./tables/paths.js";
import { policyIds, Tables } from "./tables/tables.js";

type Kind = Step["kind"];
type Of<K extends Kind> = Extract<Step, { kind: K }>;

/** What a step is done by; `next` is the state with its steps done. */
type Part = (steps: readonly Step[], next: NodeState) => void | Promise<void>;

export interface Surroundings {
	readonly plane: DataPlane;
	readonly instances: Instances;
	readonly settings: HostSettings;
	readonly ef: NodeEf;
	/** The node's network namespace; that of this process where absent. */
	readonly netns: string | undefined;
	/** Told of instances whose packets are led elsewhere. */
	readonly told: Told;
	/** Told of interfaces whose packets may have passed in the clear until now. */
	readonly exposed: (names: readonly string[]) => void;
}

export interface RunOptions {
	/** Each step by itself; for tests. */
	readonly apart?: boolean;
	/** An instance that cannot be brought up counts as down; the others run. */
	readonly mayFail?: boolean;
}

export class Applier {
	readonly #around: Surroundings;
	readonly #parts: Record<Kind, Part>;
	readonly #tables: Tables;
	readonly ports: Ports;
	readonly failover: Failover;
	readonly interfaces: Interfaces;
	/** Where the steps under way lead. */
	#desired: NodeState;
	/** Numbers of policies; a path comes before the rules that number it. */
	#policies: ReadonlyMap<string, number> = new Map();
	#mayFail = false;

	/** Reads from the tables what former runs left in them. */
	constructor(around: Surroundings, state: NodeState) {
		const { plane, instances, settings, netns, told, exposed } = around;
		this.#around = around;
		this.#desired = state;
		const tables = new Tables(plane.maps);
		const interfaces = new Interfaces(plane, settings, netns, exposed);
		this.#tables = tables;
		this.interfaces = interfaces;
		const services = new Services(plane.maps, waitForPrograms);
		this.failover = new Failover(instances, services, tables.paths, told);
		this.ports = new Ports(plane, instances, settings, services, this.failover);
		const ensure: Part = (steps, next) =>
			this.#ensureInstances(new Set(namesOf(steps).keys()), next);
		const shrink: Part = (steps, next) =>
			this.ports.shrink(namesOf(steps), next);
		const paths: Part = (steps, next) => this.#putPaths(spisOf(steps), next);
		this.#parts = {
			"node-set": (_, next) => tables.setNode(next),
			"tenant-set": (_, next) => tables.addTenants(next),
			"tenant-remove": (_, next) => tables.pruneTenants(next),
			"peer-set": (_, next) => tables.addPeers(next),
			"peer-remove": (_, next) => tables.prunePeers(next),
			/* Keys are between encryption functions and the authentication centre. */
			"links-set": () => {},
			"instance-add": ensure,
			"instance-update": ensure,
			"port-set": ensure,
			"port-remove": shrink,
			"instance-remove": shrink,
			"path-set": paths,
			"path-deactivate": paths,
			"path-remove": (steps, next) => this.#removePaths(steps, next),
			"ruleset-replace": (steps, next) =>
				tables.putRules(
					(steps as Of<"ruleset-replace">[]).map(({ ruleSet }) => ruleSet),
					next,
				),
			"ruleset-remove": (steps, next) =>
				tables.removeRules(steps as Of<"ruleset-remove">[], next),
			"interface-set": (_, next) => interfaces.add(next),
			"interface-remove": (_, next) => interfaces.bind(next),
			"revision-set": (_, next) => this.#sweep(next),
		};
	}

	get paths(): PathTables {
		return this.#tables.paths;
	}

	/**
	 * Yields the state after each part that is done, so that whoever stops, by
	 * will or by an error, knows where. `desired` is where the steps lead.
	 */
	async *run(
		steps: readonly Step[],
		from: NodeState,
		desired: NodeState,
		options: RunOptions = {},
	): AsyncGenerator<NodeState> {
		this.#desired = desired;
		this.#policies = policyIds(desired);
		this.#mayFail = options.mayFail ?? false;
		await this.#ensureEf(desired);
		let state = from;
		for (const part of options.apart
			? steps.map((step) => [step])
			: this.#parted(steps)) {
			const [first] = part;
			if (!first) continue;
			const next = part.reduce(applyStep, state);
			await this.#parts[first.kind](part, next);
			state = next;
			yield state;
		}
	}

	/** Brings what is down to what is declared, once more. */
	async retry(state: NodeState): Promise<void> {
		await this.#around.ef.retry(state);
		const due = this.#around.instances.due();
		if (due.size === 0) return;
		this.#mayFail = true;
		this.#desired = state;
		this.#policies = policyIds(state);
		await this.#ensureInstances(due, state);
	}

	*#parted(steps: readonly Step[]): Generator<Step[]> {
		let part: Step[] = [];
		for (const step of steps) {
			const [first] = part;
			if (first && this.#parts[first.kind] !== this.#parts[step.kind]) {
				yield part;
				part = [];
			}
			part.push(step);
		}
		yield part;
	}

	/** Before any path leads through it. */
	async #ensureEf(desired: NodeState): Promise<void> {
		const { ef } = this.#around;
		if (this.#mayFail) await ef.retry(desired);
		else await ef.ensure(desired);
	}

	async #ensureInstances(
		names: ReadonlySet<string>,
		next: NodeState,
	): Promise<void> {
		await this.ports.ensure(names, next, this.#desired, this.#mayFail);
		/* A function that was made anew has other interfaces. */
		this.#putPaths(new Set(next.paths.map((path) => path.spi)), next);
	}

	#putPaths(spis: ReadonlySet<number>, next: NodeState): void {
		/* Interfaces come after paths, and packets may leave by them at once. */
		this.interfaces.watch({
			...next,
			interfaces: [...next.interfaces, ...this.#desired.interfaces],
		});
		this.#tables.putPaths(
			next.paths.filter((path) => spis.has(path.spi)),
			this.#policies,
			this.failover.attachments(),
		);
		this.ports.bind(next, this.#desired);
	}

	#removePaths(steps: readonly Step[], next: NodeState): void {
		this.paths.remove([...spisOf(steps)]);
		this.ports.bind(next, this.#desired);
	}

	/** Removes what the state does not name: leftovers of a run that was killed. */
	async #sweep(next: NodeState): Promise<void> {
		const { plane, instances, settings, ef, netns } = this.#around;
		this.#tables.pruneRules(next);
		this.interfaces.bind(next);
		this.#tables.prunePaths(next);
		this.interfaces.unwatch(next);
		this.ports.bind(next, next);
		this.ports.prune(next);
		await instances.sweep(next.instances);
		await ef.settle(next);
		const keep = await instances.ends();
		for (const name of ef.ends()) keep.add(name);
		for (const { name } of next.interfaces) keep.add(name);
		settings.closeOthers(keep);
		const present = await links(netns);
		plane.detachOthers(
			new Set(
				present.filter((one) => keep.has(one.ifname)).map((one) => one.ifindex),
			),
			present.map((one) => one.ifindex),
		);
		this.#tables.pruneTenants(next);
		this.#tables.prunePeers(next);
	}
}

function spisOf(steps: readonly Step[]): Set<number> {
	return new Set(
		steps.flatMap((step) =>
			"path" in step ? [step.path.spi] : "spi" in step ? [step.spi] : [],
		),
	);
}

/** Instances that steps are about, by key. */
function namesOf(steps: readonly Step[]): Map<string, InstanceName> {
	const names = steps.flatMap((step): InstanceName[] => {
		if (!("instance" in step)) return [];
		return [
			typeof step.instance === "string"
				? (step as InstanceName)
				: step.instance,
		];
	});
	return new Map(names.map((name) => [instanceKey(name), name]));
}
