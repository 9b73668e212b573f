/**
 * The ports of a node's functions, in the kernel: each end has its entry and its
 * program before it comes up, and goes out of use before its interface goes.
 */
import { type InstanceName, instanceKey } from "../functions/names.js";
import { endsOf, type PortAttachments } from "../functions/runtime.js";
import { serviceOf } from "../plan/service.js";
import type { InstanceState, NodeState, PathState } from "../plan/state.js";
import type { DataPlane } from "./dataplane.js";
import type { Failover } from "./failover.js";
import type { HostSettings } from "./host.js";
import { type Instances, instancePorts } from "./instances.js";
import type { Services } from "./services.js";
import { add, prune } from "./tables/sync.js";

export class Ports {
	readonly #plane: DataPlane;
	readonly #instances: Instances;
	readonly #settings: HostSettings;
	readonly #services: Services;
	readonly #failover: Failover;

	constructor(
		plane: DataPlane,
		instances: Instances,
		settings: HostSettings,
		services: Services,
		failover: Failover,
	) {
		this.#plane = plane;
		this.#instances = instances;
		this.#settings = settings;
		this.#services = services;
		this.#failover = failover;
	}

	/**
	 * Brings up these instances of `next`, each with the ports it has in `desired`
	 * at once, so that no port that runs is ever missing. `mayFail`: one that does
	 * counts as down, and the others run.
	 */
	async ensure(
		names: ReadonlySet<string>,
		next: NodeState,
		desired: NodeState,
		mayFail: boolean,
	): Promise<void> {
		const paths = pathsOf(next, desired);
		for (const instance of next.instances) {
			if (!names.has(instanceKey(instance))) continue;
			const later = desired.instances.find(
				(one) => instanceKey(one) === instanceKey(instance),
			);
			const ports = new Map(
				[...(later?.ports ?? []), ...instance.ports].map((port) => [
					port.id,
					port,
				]),
			);
			await this.#ensure(
				{ ...instance, ports: [...ports.values()] },
				paths,
				mayFail,
			);
		}
	}

	/** Takes ports from these instances that `next` does not give them, or them. */
	async shrink(
		names: ReadonlyMap<string, InstanceName>,
		next: NodeState,
	): Promise<void> {
		/* Before interfaces go: their numbers may be given to others at once. */
		this.#plane.maps.ports.deleteBatch(
			this.#instances.staleEnds(next.instances),
		);
		const wanted = new Map(
			next.instances.map((one) => [instanceKey(one), one]),
		);
		for (const [key, name] of names) {
			const instance = wanted.get(key);
			if (instance) await this.#ensure(instance, next.paths, false);
			else {
				this.#services.remove(name);
				await this.#services.settled();
				await this.#instances.remove(name);
			}
		}
	}

	/** Which paths the ports of functions that rewrite are for. */
	bind(next: NodeState, desired: NodeState): void {
		add(
			this.#plane.maps.ports,
			this.#instances.portEntries(pathsOf(next, desired), next.instances),
		);
	}

	/** Knows no other ports than those of a state. */
	prune(state: NodeState): void {
		prune(
			this.#plane.maps.ports,
			this.#instances.portEntries(state.paths, state.instances),
		);
	}

	/** Its rules will be others: nothing passes it by until relearn(). */
	async suspend(instance: InstanceName): Promise<void> {
		this.#services.suspend(instance);
		await this.#services.settled();
	}

	/** Its rules are others: what it said of any flow holds no more, even if this fails. */
	async relearn(instance: InstanceState): Promise<void> {
		const ports = this.#services.portsOf(instance).map((id) => ({ id }));
		try {
			await this.#learn({ ...instance, ports });
		} finally {
			this.#services.forget(instance);
			await this.#services.settled();
		}
	}

	async #ensure(
		instance: InstanceState,
		paths: readonly PathState[],
		mayFail: boolean,
	): Promise<void> {
		await this.#instances.ensure(
			instance,
			(ports) => this.#guard(instance, ports, paths),
			mayFail,
		);
		await this.#learn(instance);
		this.#failover.review();
		await this.#services.settled();
	}

	/** Puts in force what may be learned from an instance. */
	async #learn(instance: InstanceState): Promise<void> {
		this.#services.ensure(
			instance,
			instance.ports.map((port) => port.id),
			serviceOf(instance.spec),
			await this.#instances.learnable(instance),
		);
	}

	#guard(
		instance: InstanceState,
		ports: readonly PortAttachments[],
		paths: readonly PathState[],
	): void {
		add(this.#plane.maps.ports, instancePorts(instance, ports, paths));
		const ends = ports.flatMap(endsOf);
		for (const { ifindex } of ends) this.#plane.attach(ifindex, "port");
		this.#settings.open(ends.map(({ name }) => ({ name, unfiltered: true })));
	}
}

/** A port may be bound to a path that comes a step later. */
function pathsOf(next: NodeState, desired: NodeState): PathState[] {
	const spis = new Set(next.paths.map((path) => path.spi));
	return [
		...next.paths,
		...desired.paths.filter((path) => !spis.has(path.spi)),
	];
}
