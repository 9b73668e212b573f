/** Steps applied to a state on paper: what diff.ts promises, and tests hold it to. */
import type { NodeState, PortState } from "./state.js";
import { KEYS, type OfInstance, type Step } from "./steps.js";

/**
 * A node's state after one step. Lists keep their order, new entries come last.
 * Takes time in proportion to the state: not for thousands of steps on a big one.
 */
export function applyStep(state: NodeState, step: Step): NodeState {
	switch (step.kind) {
		case "node-set":
			return { ...withoutUnderlay(state), ...step.facts };
		case "revision-set":
			return { ...state, revision: step.revision };
		case "tenant-set":
			return {
				...state,
				tenants: put(state.tenants, step.tenant, KEYS.tenants),
			};
		case "tenant-remove":
			return {
				...state,
				tenants: state.tenants.filter(({ id }) => id !== step.id),
			};
		case "peer-set":
			return { ...state, peers: put(state.peers, step.peer, KEYS.peers) };
		case "peer-remove":
			return {
				...state,
				peers: state.peers.filter(({ nodeId }) => nodeId !== step.nodeId),
			};
		case "links-set": {
			const { links: _, ...others } = state;
			return step.links.length > 0 ? { ...others, links: step.links } : others;
		}
		case "instance-add":
		case "instance-update": {
			const ports =
				state.instances.find((one) => isOf(one, step.instance))?.ports ?? [];
			const instance = { ...step.instance, ports };
			return {
				...state,
				instances: put(state.instances, instance, KEYS.instances),
			};
		}
		case "instance-remove":
			return {
				...state,
				instances: state.instances.filter((one) => !isOf(one, step)),
			};
		case "port-set":
			return withPorts(state, step, (ports) =>
				put(ports, step.port, ({ id }) => `${id}`),
			);
		case "port-remove":
			return withPorts(state, step, (ports) =>
				ports.filter(({ id }) => id !== step.id),
			);
		case "path-set":
			return { ...state, paths: put(state.paths, step.path, KEYS.paths) };
		case "path-deactivate":
			return {
				...state,
				paths: state.paths.map((path) =>
					path.spi === step.spi
						? { ...path, active: false, ...(step.closed && { closed: true }) }
						: path,
				),
			};
		case "path-remove":
			return {
				...state,
				paths: state.paths.filter(({ spi }) => spi !== step.spi),
			};
		case "ruleset-replace":
			return {
				...state,
				ruleSets: put(state.ruleSets, step.ruleSet, KEYS.ruleSets),
			};
		case "ruleset-remove":
			return {
				...state,
				ruleSets: state.ruleSets.filter(
					(set) => set.tenantId !== step.tenantId || set.side !== step.side,
				),
			};
		case "interface-set":
			return {
				...state,
				interfaces: put(state.interfaces, step.interface, KEYS.interfaces),
			};
		case "interface-remove":
			return {
				...state,
				interfaces: state.interfaces.filter(
					(one) => one.name !== step.name || one.vlan !== step.vlan,
				),
			};
	}
}

function withoutUnderlay({ underlay: _, ...state }: NodeState): NodeState {
	return state;
}

function isOf(one: OfInstance, other: OfInstance): boolean {
	return one.function === other.function && one.instance === other.instance;
}

function withPorts(
	state: NodeState,
	of: OfInstance,
	change: (ports: readonly PortState[]) => readonly PortState[],
): NodeState {
	return {
		...state,
		instances: state.instances.map((one) =>
			isOf(one, of) ? { ...one, ports: change(one.ports) } : one,
		),
	};
}

/** Replaces the entry of the same key, or appends. */
function put<T>(
	list: readonly T[],
	entry: T,
	key: (entry: T) => string,
): readonly T[] {
	const at = list.findIndex((one) => key(one) === key(entry));
	return at < 0 ? [...list, entry] : list.with(at, entry);
}
