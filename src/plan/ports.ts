/**
 * Ports of the instances: one for each tenant that uses it, and one for each
 * path through a function that rewrites, so that a packet which comes back with
 * another tuple still has one owner.
 */
import type { FunctionDocument, Intent } from "../model/intent.js";
import { Allocator, type Pool } from "./allocate.js";
import { rewrites } from "./chains.js";
import type { Candidate } from "./combine.js";
import type { InstanceState, PortState } from "./state.js";

/** MAX_PORTS in bpf/maps.h. */
const LAST_PORT = 4095;

/** One instance where it stands. */
type Where = Pick<Candidate, "function" | "instance" | "node">;

export class Ports {
	readonly #allocators = new Map<string, Allocator>();
	/** By instance, then by port id. */
	readonly #ports = new Map<string, Map<number, PortState>>();

	constructor(
		private readonly intent: Intent,
		private readonly pools: Readonly<Record<string, Pool>>,
		private readonly revision: number,
		private readonly tenantId: (tenant: string) => number,
		/** By node: in use until old paths are drained. */
		private readonly busy: ReadonlyMap<string, ReadonlySet<number>> = new Map(),
	) {}

	/** The port of a tenant at an instance, whether or not a path uses it now. */
	forTenant(at: Where, tenant: string): number {
		const tenantId = this.tenantId(tenant);
		return this.#add(at, `${keyOf(at)} ${tenant}`, { tenantId });
	}

	/**
	 * The port that a path takes through an instance. Throws where an external
	 * instance that rewrites has its only port in use.
	 */
	forPath(
		at: Where,
		fn: FunctionDocument,
		path: { readonly tenant: string; readonly key: string; spi: number },
	): number {
		if (!rewrites(fn)) {
			return this.forTenant(at, path.tenant);
		}
		const bound = { boundSpi: path.spi };
		if (fn.spec.runtime !== "external") {
			return this.#add(at, `${keyOf(at)} ${path.key}`, bound);
		}
		const id = this.forTenant(at, path.tenant);
		const owner = this.#ports.get(keyOf(at))?.get(id)?.boundSpi;
		if (owner !== undefined && owner !== path.spi) {
			throw new Error(
				`external instance ${keyOf(at)} rewrites and has one pair of interfaces: one path only (use runtime: process, or fewer policies and ingress points)`,
			);
		}
		this.#ports.get(keyOf(at))?.set(id, { id, ...bound });
		return id;
	}

	/** All instances declared on a node, with their ports. */
	instancesOn(node: string): InstanceState[] {
		const states: InstanceState[] = [];
		for (const { name, spec } of this.intent.functions.values()) {
			for (const instance of spec.instances) {
				if (instance.node === node) {
					const ports = this.#ports.get(`${name}/${instance.name}@${node}`);
					states.push({
						function: name,
						instance: instance.name,
						attach: spec.attach,
						runtime: spec.runtime,
						spec: ownSpec(spec, instance),
						ports: [...(ports?.values() ?? [])].sort((a, b) => a.id - b.id),
					});
				}
			}
		}
		return states.sort((a, b) =>
			`${a.function}/${a.instance}` < `${b.function}/${b.instance}` ? -1 : 1,
		);
	}

	finish(): Record<string, Pool> {
		const nodes = new Set([
			...Object.keys(this.pools),
			...this.#allocators.keys(),
		]);
		return Object.fromEntries(
			[...nodes].map((node) => [node, this.#allocator(node).finish()]),
		);
	}

	#add(at: Where, name: string, more: Omit<PortState, "id">): number {
		/* While the port still drains it is the same one: its interfaces stay. A
		   bound one belongs to the path that drains. */
		const allocator = this.#allocator(at.node);
		const id =
			more.boundSpi === undefined
				? allocator.takeBack(name)
				: allocator.take(name);
		const ports = this.#ports.get(keyOf(at)) ?? new Map<number, PortState>();
		this.#ports.set(keyOf(at), ports);
		if (!ports.has(id)) {
			ports.set(id, { id, ...more });
		}
		return id;
	}

	#allocator(node: string): Allocator {
		const known = this.#allocators.get(node);
		const allocator =
			known ??
			new Allocator(
				`ports of node ${node}`,
				LAST_PORT,
				this.pools[node],
				this.revision,
				this.busy.get(node),
				true,
			);
		this.#allocators.set(node, allocator);
		return allocator;
	}
}

function keyOf(at: Where): string {
	return `${at.function}/${at.instance}@${at.node}`;
}

/**
 * The spec as far as it concerns one instance: weights, other instances and
 * permissions change without touching what runs.
 */
function ownSpec(
	spec: FunctionDocument["spec"],
	instance: FunctionDocument["spec"]["instances"][number],
): FunctionDocument["spec"] {
	const { tenants: _tenants, ...rest } = spec;
	const { weight: _weight, ...own } = instance;
	return { ...rest, instances: [own] };
}
