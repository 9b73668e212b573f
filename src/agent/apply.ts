/**
 * Carries out the steps of plan/diff.ts on the kernel's tables, interfaces and
 * functions. Steps that follow each other and concern the same part are done
 * together: a thousand tenants are one write, not a thousand.
 */
import { type InstanceName, instanceKey } from "../functions/names.js";
import { waitForPrograms } from "../kernel/grace.js";
import { ifindexOf } from "../kernel/netns.js";
import { applyStep } from "../plan/apply.js";
import type { Step } from "../plan/diff.js";
import type { InterfaceState, NodeState } from "../plan/state.js";
import type { DataPlane } from "./dataplane.js";
import type { Instances } from "./instances.js";
import * as network from "./tables/network.js";
import { PathTables } from "./tables/paths.js";
import { RuleTables, ruleSetIndex } from "./tables/rules.js";
import { add, prune, type Table } from "./tables/sync.js";

type Kind = Step["kind"];
type Of<K extends Kind> = Extract<Step, { kind: K }>;

/** What a step is done by; `next` is the state with its steps done. */
type Part = (steps: readonly Step[], next: NodeState) => void | Promise<void>;

export interface Surroundings {
	/** The node's network namespace; that of this process where absent. */
	readonly netns: string | undefined;
	/** Indexes of all interfaces of the node. */
	readonly interfaces: () => Promise<readonly number[]>;
	/** Readies the node itself for the interfaces of a state. */
	readonly prepare: (state: NodeState) => void;
}

export class Applier {
	readonly #plane: DataPlane;
	readonly #instances: Instances;
	readonly #around: Surroundings;
	readonly #parts: Record<Kind, Part>;
	readonly #rules: RuleTables;
	readonly paths: PathTables;
	/** Where the steps under way lead. */
	#desired: NodeState;
	/** Numbers of policies; a path comes before the rules that number it. */
	#policies: ReadonlyMap<string, number> = new Map();

	/** Reads from the tables what former runs left in them. */
	constructor(
		plane: DataPlane,
		instances: Instances,
		around: Surroundings,
		state: NodeState,
	) {
		this.#plane = plane;
		this.#desired = state;
		this.#instances = instances;
		this.#around = around;
		this.paths = new PathTables(plane.maps, waitForPrograms);
		this.#rules = new RuleTables(plane.maps, waitForPrograms);
		const ensure: Part = (steps, next) => this.#ensureInstances(steps, next);
		const shrink: Part = (steps, next) => this.#shrinkInstances(steps, next);
		const paths: Part = (steps, next) => this.#putPaths(steps, next);
		this.#parts = {
			"node-set": (_, next) =>
				plane.maps.config.set(0, network.configValue(next)),
			"tenant-set": (_, next) => this.#addTenants(next),
			"tenant-remove": (_, next) => this.#pruneTenants(next),
			"peer-set": (_, next) => this.#addPeers(next),
			"peer-remove": (_, next) => this.#prunePeers(next),
			"instance-add": ensure,
			"instance-update": ensure,
			"port-set": ensure,
			"port-remove": shrink,
			"instance-remove": shrink,
			"path-set": paths,
			"path-deactivate": paths,
			"path-remove": (steps, next) => this.#removePaths(steps, next),
			"ruleset-replace": (steps, next) => this.#putRules(steps, next),
			"ruleset-remove": (steps, next) => this.#removeRules(steps, next),
			"interface-set": (_, next) => this.#addInterfaces(next),
			"interface-remove": (_, next) => this.bindInterfaces(next),
			"revision-set": (_, next) => this.#sweep(next),
		};
	}

	/**
	 * Yields the state after each part that is done, so that whoever stops, by
	 * will or by an error, knows where. `desired` is where the steps lead.
	 */
	async *run(
		steps: readonly Step[],
		from: NodeState,
		desired: NodeState,
		together = true,
	): AsyncGenerator<NodeState> {
		this.#desired = desired;
		this.#policies = policyIds(desired);
		let state = from;
		for (const part of together
			? this.#parted(steps)
			: steps.map((step) => [step])) {
			const [first] = part;
			if (!first) continue;
			const next = part.reduce(applyStep, state);
			await this.#parts[first.kind](part, next);
			state = next;
			yield state;
		}
	}

	/** Whether an interface of the state came, went or was made anew since. */
	interfacesDiffer(state: NodeState): boolean {
		const wanted = this.#ifaces(state);
		const { ifaces } = this.#plane.maps;
		return (
			wanted.some(([key]) => ifaces.get(key) === undefined) ||
			wanted.length !== [...ifaces.entries()].length
		);
	}

	/** Attaches to the interfaces that exist, and lets go of the others. */
	bindInterfaces(state: NodeState): void {
		this.#addInterfaces(state);
		prune(this.#plane.maps.ifaces, this.#ifaces(state));
	}

	#addInterfaces(state: NodeState): void {
		this.#around.prepare(state);
		add(this.#plane.maps.ifaces, this.#ifaces(state));
		for (const one of state.interfaces) {
			const ifindex = this.#indexOf(one.name);
			if (ifindex !== undefined)
				this.#plane.attach(ifindex, programFor(one.role));
		}
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

	#addTenants(next: NodeState): void {
		const { maps } = this.#plane;
		add(maps.subnets, network.subnetEntries(next));
		for (const set of next.ruleSets)
			this.#rules.setDefault(
				ruleSetIndex(set.tenantId, set.side),
				dropsByDefault(next, set.tenantId),
			);
	}

	#pruneTenants(next: NodeState): void {
		prune(this.#plane.maps.subnets, network.subnetEntries(next));
		prune(this.#plane.maps.owners, network.ownerEntries(next));
	}

	#addPeers(next: NodeState): void {
		add(this.#plane.maps.nodes, network.nodeEntries(next));
		add(this.#plane.maps.peers, network.peerEntries(next));
	}

	#prunePeers(next: NodeState): void {
		prune(this.#plane.maps.peers, network.peerEntries(next));
		removeNodes(this.#plane.maps.nodes, next);
	}

	/** Makes what is desired at once, so that no port that runs is ever missing. */
	async #ensureInstances(
		steps: readonly Step[],
		next: NodeState,
	): Promise<void> {
		const touched = namesOf(steps);
		for (const instance of next.instances) {
			if (!touched.has(instanceKey(instance))) continue;
			const desired = this.#desired.instances.find(
				(one) => instanceKey(one) === instanceKey(instance),
			);
			const ports = new Map(
				[...(desired?.ports ?? []), ...instance.ports].map((port) => [
					port.id,
					port,
				]),
			);
			await this.#instances.ensure({ ...instance, ports: [...ports.values()] });
		}
		this.#bindPorts(next);
		/* A function that was made anew has other interfaces. */
		this.#writePaths(next.paths);
	}

	async #shrinkInstances(
		steps: readonly Step[],
		next: NodeState,
	): Promise<void> {
		/* Before interfaces go: their numbers may be given to others at once. */
		this.#plane.maps.ports.deleteBatch(
			this.#instances.staleEnds(next.instances),
		);
		const wanted = new Map(
			next.instances.map((one) => [instanceKey(one), one]),
		);
		for (const [key, name] of namesOf(steps)) {
			const instance = wanted.get(key);
			if (instance) await this.#instances.ensure(instance);
			else await this.#instances.remove(name);
		}
	}

	/** Host ends are known to the port program before it sees a packet. */
	#bindPorts(next: NodeState): void {
		/* A port may be bound to a path that comes a step later. */
		const spis = new Set(next.paths.map((path) => path.spi));
		const later = this.#desired.paths.filter((path) => !spis.has(path.spi));
		const entries = this.#instances.portEntries(
			[...next.paths, ...later],
			next.instances,
		);
		add(this.#plane.maps.ports, entries);
		for (const [ifindex] of entries) this.#plane.attach(ifindex, "port");
	}

	#putPaths(steps: readonly Step[], next: NodeState): void {
		const touched = new Set(
			steps.map((step) =>
				"path" in step ? step.path.spi : "spi" in step ? step.spi : 0,
			),
		);
		this.#writePaths(next.paths.filter((path) => touched.has(path.spi)));
		this.#bindPorts(next);
	}

	#writePaths(paths: NodeState["paths"]): void {
		const attachments = this.#instances.attachments();
		for (const path of paths)
			this.paths.put(path, this.#policies.get(path.policy) ?? 0, attachments);
	}

	#removePaths(steps: readonly Step[], next: NodeState): void {
		this.paths.remove((steps as Of<"path-remove">[]).map(({ spi }) => spi));
		this.#bindPorts(next);
	}

	#putRules(steps: readonly Step[], next: NodeState): void {
		const { owners } = this.#plane.maps;
		for (const { ruleSet } of steps as Of<"ruleset-replace">[])
			this.#rules.put(ruleSet, dropsByDefault(next, ruleSet.tenantId));
		add(owners, network.ownerEntries(next));
	}

	#removeRules(steps: readonly Step[], next: NodeState): void {
		prune(this.#plane.maps.owners, network.ownerEntries(next));
		for (const { tenantId, side } of steps as Of<"ruleset-remove">[])
			this.#rules.remove(ruleSetIndex(tenantId, side));
	}

	/** Removes what the state does not name: leftovers of a run that was killed. */
	async #sweep(next: NodeState): Promise<void> {
		const sets = new Set(
			next.ruleSets.map((set) => ruleSetIndex(set.tenantId, set.side)),
		);
		for (const index of this.#rules.present())
			if (!sets.has(index)) this.#rules.remove(index);
		this.bindInterfaces(next);
		const paths = new Set(next.paths.map((path) => path.spi));
		this.paths.remove(this.paths.present().filter((spi) => !paths.has(spi)));
		this.#bindPorts(next);
		const ports = this.#instances
			.portEntries(next.paths, next.instances)
			.map(([ifindex]) => ifindex);
		const attached = next.interfaces.flatMap(
			(one) => this.#indexOf(one.name) ?? [],
		);
		prune(
			this.#plane.maps.ports,
			this.#instances.portEntries(next.paths, next.instances),
		);
		this.#plane.detachOthers(
			new Set([...attached, ...ports]),
			await this.#around.interfaces(),
		);
		this.#pruneTenants(next);
		this.#prunePeers(next);
		await this.#instances.sweep(next.instances);
	}

	#ifaces(state: NodeState): ReturnType<typeof network.ifaceEntries> {
		return network.ifaceEntries(state, (name) => this.#indexOf(name));
	}

	#indexOf(name: string): number | undefined {
		return ifindexOf(name, this.#around.netns);
	}
}

/** Numbers of the policies, by name. */
export function policyIds(
	state: Pick<NodeState, "ruleSets">,
): Map<string, number> {
	return new Map(
		state.ruleSets.flatMap((set) =>
			set.rules.map((rule) => [rule.policy, rule.policyId]),
		),
	);
}

function dropsByDefault(state: NodeState, tenantId: number): boolean {
	return (
		state.tenants.find((tenant) => tenant.id === tenantId)?.default === "drop"
	);
}

function programFor(role: InterfaceState["role"]): "access" | "underlay" {
	return role === "underlay" ? "underlay" : "access";
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

/** An array has every index: what is not wanted is marked absent. */
function removeNodes(
	nodes: Table<number, { underlay: number; present: number }>,
	state: NodeState,
): void {
	const wanted = new Set(state.peers.map((peer) => peer.nodeId));
	const stale = Array.from(nodes.entries()).filter(
		([id, node]) => node.present && !wanted.has(id),
	);
	nodes.setBatch(stale.map(([id]) => [id, { underlay: 0, present: 0 }]));
}
