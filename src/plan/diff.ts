/**
 * From what runs on a node to what is desired: ordered steps, make before
 * break. After any of them every rule points to paths that are there, and every
 * path to ports that are there.
 */
import { equal } from "./equal.js";
import type {
	InstanceState,
	NodeState,
	PathState,
	PortState,
} from "./state.js";
import {
	empty,
	type InstanceFacts,
	KEYS,
	nodeFacts,
	type OfInstance,
	type Step,
} from "./steps.js";

export type { InstanceFacts, NodeFacts, Step } from "./steps.js";

/** Steps from `actual` (null: nothing runs yet) to `desired`. Pure. */
export function diff(actual: NodeState | null, desired: NodeState): Step[] {
	const from = actual ?? empty(desired);
	const tenants = compare(from.tenants, desired.tenants, KEYS.tenants);
	const peers = compare(from.peers, desired.peers, KEYS.peers);
	const instances = compare(
		from.instances.map(factsOf),
		desired.instances.map(factsOf),
		KEYS.instances,
	);
	const ports = compare(portsOf(from), portsOf(desired), keyOfPort);
	const paths = compare(from.paths, desired.paths, KEYS.paths);
	const sets = compare(from.ruleSets, desired.ruleSets, KEYS.ruleSets);
	const interfaces = compare(
		from.interfaces,
		desired.interfaces,
		KEYS.interfaces,
	);
	const here = new Map(from.paths.map((path) => [path.spi, path]));
	const draining = new Set(paths.set.filter((path) => onlyDrains(here, path)));
	const rules = (side: "access" | "exit") =>
		sets.set
			.filter((set) => set.side === side)
			.map((ruleSet): Step => ({ kind: "ruleset-replace", ruleSet }));
	const attach = (access: boolean) =>
		interfaces.set
			.filter((one) => (one.role === "access") === access)
			.map((one): Step => ({ kind: "interface-set", interface: one }));
	const facts = nodeFacts(desired);
	const steps: Step[] = [
		...(actual && equal(nodeFacts(actual), facts)
			? []
			: [{ kind: "node-set", facts } as const]),
		...tenants.set.map((tenant): Step => ({ kind: "tenant-set", tenant })),
		...peers.set.map((peer): Step => ({ kind: "peer-set", peer })),
		...(equal(from.links ?? [], desired.links ?? [])
			? []
			: [{ kind: "links-set", links: desired.links ?? [] } as const]),
		...instances.set.map(
			(instance): Step => ({
				kind: instances.isKnown(instance) ? "instance-update" : "instance-add",
				instance,
			}),
		),
		...ports.set.map((one): Step => ({ kind: "port-set", ...one })),
		...paths.set
			.filter((path) => !draining.has(path))
			.map((path): Step => ({ kind: "path-set", path })),
		/* Rules come before the interfaces whose packets they judge. */
		...rules("exit"),
		...attach(false),
		...rules("access"),
		...attach(true),
		...[...draining].map(
			({ spi, closed }): Step => ({
				kind: "path-deactivate",
				spi,
				...(closed && { closed }),
			}),
		),
		...interfaces.gone.map(
			({ name, vlan }): Step => ({ kind: "interface-remove", name, vlan }),
		),
		...sets.gone.map(
			({ tenantId, side }): Step => ({
				kind: "ruleset-remove",
				tenantId,
				side,
			}),
		),
		...paths.gone.map(({ spi }): Step => ({ kind: "path-remove", spi })),
		...ports.gone.map(
			({ function: name, instance, port }): Step => ({
				kind: "port-remove",
				function: name,
				instance,
				id: port.id,
			}),
		),
		...instances.gone.map(
			({ function: name, instance }): Step => ({
				kind: "instance-remove",
				function: name,
				instance,
			}),
		),
		...peers.gone.map(({ nodeId }): Step => ({ kind: "peer-remove", nodeId })),
		...tenants.gone.map(({ id }): Step => ({ kind: "tenant-remove", id })),
	];
	const { revision } = desired;
	return steps.length === 0 && actual?.revision === revision
		? steps
		: [...steps, { kind: "revision-set", revision }];
}

function onlyDrains(
	here: ReadonlyMap<number, PathState>,
	{ closed: _, ...path }: PathState,
): boolean {
	const before = here.get(path.spi);
	return (
		!path.active &&
		before?.active === true &&
		equal({ ...before, active: false }, path)
	);
}

function compare<T>(
	from: readonly T[],
	to: readonly T[],
	key: (entry: T) => string,
) {
	const before = new Map(from.map((entry) => [key(entry), entry]));
	const after = new Set(to.map(key));
	return {
		/** New or different. */
		set: to.filter((entry) => !equal(before.get(key(entry)), entry)),
		gone: from.filter((entry) => !after.has(key(entry))),
		isKnown: (entry: T) => before.has(key(entry)),
	};
}

function factsOf({ ports: _, ...facts }: InstanceState): InstanceFacts {
	return facts;
}

function portsOf({ instances }: NodeState) {
	return instances.flatMap(({ function: name, instance, ports }) =>
		ports.map((port) => ({ function: name, instance, port })),
	);
}

function keyOfPort(one: OfInstance & { readonly port: PortState }): string {
	return `${one.function}/${one.instance} ${one.port.id}`;
}
