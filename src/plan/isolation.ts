/** Invariant 4: whose ports, instances and exits a tenant's packets reach. */
import type { Findings } from "./findings.js";
import { overlaps, prefixRange, type Range } from "./prefix.js";
import type { InstanceState } from "./state.js";
import type { Surveyed } from "./survey.js";
import { chosenBy, type Network, type NodeIndex } from "./walk.js";

export function checkIsolation(
	network: Network,
	surveyed: Surveyed,
	findings: Findings,
): void {
	const taken = takenPaths(network);
	for (const node of network.nodes.values()) {
		checkPorts(node, findings);
		checkExits(node, taken, findings);
	}
	checkSharedExits(network, surveyed, findings);
}

/** A port serves one tenant, a bound port one path pair, an instance no two that overlap. */
function checkPorts(node: NodeIndex, findings: Findings): void {
	const ranges = rangesOf(node);
	const byInstance = new Map<InstanceState, Map<number, string>>();
	const byPort = new Map<number, number>();
	for (const path of node.paths.values()) {
		for (const [hop, entry] of path.hops.entries()) {
			const at = entry && "port" in entry ? node.ports.get(entry.port) : null;
			if (!at) {
				continue;
			}
			const place = { spi: path.spi, hop, node: node.state.node };
			const add = (cause: string) => findings.add(4, path.policy, place, cause);
			const owner = byPort.get(at.port.id) ?? path.tenantId;
			byPort.set(at.port.id, owner);
			if (owner !== path.tenantId) {
				add(`port ${at.port.id} also serves tenant ${owner}`);
			}
			const { boundSpi } = at.port;
			const forward = path.direction === "forward" ? path.spi : path.reverseSpi;
			if (boundSpi !== undefined && boundSpi !== forward) {
				add(`port ${at.port.id} is bound to path ${boundSpi}`);
			}
			const users = byInstance.get(at.instance) ?? new Map<number, string>();
			byInstance.set(at.instance, users.set(path.tenantId, path.policy));
			if (users.size > 1) {
				for (const other of users.keys()) {
					if (other !== path.tenantId && meet(ranges, other, path.tenantId)) {
						add(
							`instance ${at.instance.function}/${at.instance.instance} also serves tenant ${other}, whose subnets overlap`,
						);
					}
				}
			}
		}
	}
}

/**
 * Paths that rules lead new flows to, and their ways back. During a change there
 * are others: one whose users' interface comes with the rules, one that drains
 * after its interface went. The data plane lets neither out by another tenant's.
 */
function takenPaths(network: Network): Set<number> {
	const taken = new Set<number>();
	for (const { state, paths } of network.nodes.values()) {
		for (const { action } of state.ruleSets.flatMap(({ rules }) => rules)) {
			for (const spi of chosenBy(action)) {
				taken.add(spi);
				const path = paths.get(spi);
				for (const other of [path?.reverseSpi, path?.backup]) {
					if (other !== undefined) {
						taken.add(other);
						const back = paths.get(other)?.reverseSpi;
						if (back !== undefined) taken.add(back);
					}
				}
			}
		}
	}
	return taken;
}

/** A path that is taken ends where its tenant has an interface, or a shared exit is. */
function checkExits(
	node: NodeIndex,
	taken: ReadonlySet<number>,
	findings: Findings,
): void {
	const owners = new Set(
		node.state.interfaces.flatMap(({ role, tenantId }) =>
			role === "underlay" || (role === "access" && tenantId === 0)
				? []
				: [tenantId],
		),
	);
	for (const path of node.paths.values()) {
		const hop = taken.has(path.spi)
			? path.hops.findIndex((entry) => entry?.kind === "exit")
			: -1;
		if (hop >= 0 && !owners.has(0) && !owners.has(path.tenantId)) {
			findings.add(
				4,
				path.policy,
				{ spi: path.spi, hop, node: node.state.node },
				`node ${node.state.node} has no interface that tenant ${path.tenantId} may leave by`,
			);
		}
	}
}

/** Two that overlap do not leave a shared exit with their own addresses. */
function checkSharedExits(
	network: Network,
	surveyed: Surveyed,
	findings: Findings,
): void {
	const leaving = new Map<
		string,
		Map<number, { policy: string; spi: number }>
	>();
	for (const node of network.nodes.values()) {
		for (const set of node.state.ruleSets) {
			if (set.side !== "access") {
				continue;
			}
			for (const { action, policy } of set.rules) {
				for (const spi of chosenBy(action)) {
					const way = surveyed(spi).ways.get(node.state.node);
					if (!way || way.rewritten) {
						continue;
					}
					const at = network.nodes.get(way.exit);
					const own = at?.state.interfaces.some(
						(one) => one.role === "exit" && one.tenantId === set.tenantId,
					);
					if (!own) {
						const list = leaving.get(way.exit) ?? new Map();
						leaving.set(way.exit, list.set(set.tenantId, { policy, spi }));
					}
				}
			}
		}
	}
	for (const [name, tenants] of leaving) {
		const node = network.nodes.get(name);
		const ranges = node ? rangesOf(node) : new Map<number, Range[]>();
		const ids = [...tenants.keys()];
		for (const [index, a] of ids.entries()) {
			for (const b of ids.slice(index + 1)) {
				const { policy = "", spi = 0 } = tenants.get(b) ?? {};
				if (meet(ranges, a, b)) {
					findings.add(
						4,
						policy,
						{ spi, node: name },
						`tenants ${a} and ${b} leave by the shared exit of node ${name} with overlapping addresses`,
					);
				}
			}
		}
	}
}

function rangesOf({ state }: NodeIndex): Map<number, Range[]> {
	return new Map(
		state.tenants.map((one) => [one.id, one.subnets.map(prefixRange)]),
	);
}

function meet(
	ranges: ReadonlyMap<number, readonly Range[]>,
	a: number,
	b: number,
): boolean {
	return overlaps(ranges.get(a) ?? [], ranges.get(b) ?? []);
}
