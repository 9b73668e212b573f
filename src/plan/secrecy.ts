/**
 * Invariant 3: what is to be sealed between nodes is, at both ends and by keys of
 * its own, and only operators' exceptions are not. survey.ts checks the rest of
 * it, which is the same whatever was declared.
 */
import { type Declared, strength } from "./declared.js";
import type { Findings } from "./findings.js";
import {
	type HopState,
	type LinkState,
	type PathState,
	type RuleSetState,
	SI_START,
} from "./state.js";
import { chosenBy, type Network, type NodeIndex } from "./walk.js";

export function checkSecrecy(
	network: Network,
	declared: Declared,
	findings: Findings,
): void {
	const numbers = new Set<string>();
	for (const node of network.nodes.values()) {
		const links = new Map(
			(node.state.links ?? []).map((link) => [numberOf(link), link]),
		);
		for (const { spi, si, flowClass } of node.state.links ?? []) {
			const number = numberOf({ spi, si });
			if (numbers.has(number)) {
				const at = { spi, node: node.state.node };
				const cause = `another link has service index ${si} of this path, too`;
				findings.add(3, flowClass, at, cause);
			}
			numbers.add(number);
		}
		for (const path of node.paths.values()) {
			checkHops(network, node, path, { links, declared, findings });
		}
		for (const set of node.state.ruleSets) {
			checkExceptions(node, set, declared, findings);
		}
	}
}

const numberOf = ({ spi, si }: Pick<LinkState, "spi" | "si">) => `${spi} ${si}`;

interface Around {
	/** Of the node, by number. */
	readonly links: ReadonlyMap<string, LinkState>;
	readonly declared: Declared;
	readonly findings: Findings;
}

function checkHops(
	network: Network,
	node: NodeIndex,
	path: PathState,
	{ links, declared, findings }: Around,
): void {
	const { spi, policy } = path;
	const flowClass = classOf(path);
	const asked = declared.encryption(policy, flowClass);
	const here = node.state.node;
	const add = (hop: number, cause: string) =>
		findings.add(3, policy, { spi, hop, node: here }, cause);
	if (asked?.length === 0) {
		add(0, `${flowClass} is no exception that was declared`);
	}
	const isInside = asked?.length && asked.every((one) => one.when === "always");
	for (const [index, hop] of path.hops.entries()) {
		if (hop && "port" in hop && isInside) {
			const instance = node.ports.get(hop.port)?.instance;
			if (instance?.runtime === "external") {
				const name = `${instance.function}/${instance.instance}`;
				add(index, `external instance ${name} would get it in the clear`);
			}
		}
		if (hop?.kind !== "node") continue;
		const to = network.byId(hop.nodeId)?.state;
		const least = declared.seal(policy, flowClass, here, to?.node ?? "");
		if (strength(hop.sealed) < strength(least)) {
			const how = least === "esp" ? "unencrypted" : "unsigned";
			add(index, `it goes from node ${here} to node ${to?.node} ${how}`);
		}
		if (!hop.sealed) continue;
		if (node.state.underlay === undefined || to?.underlay === undefined) {
			add(index, `node ${here} or ${to?.node} has no underlay address`);
		}
		const link = links.get(numberOf({ spi, si: SI_START - index }));
		if (!isFor(link, hop, flowClass)) {
			add(index, `node ${here} has no link for it to node ${to?.node}`);
		}
	}
}

function classOf({ flowClass, policy }: PathState): string {
	return flowClass ?? policy;
}

function isFor(
	link: LinkState | undefined,
	hop: HopState & { readonly kind: "node" },
	flowClass: string,
): boolean {
	return (
		link?.nodeId === hop.nodeId &&
		link.flowClass === flowClass &&
		link.transform.startsWith("aes") === (hop.sealed === "esp")
	);
}

/** A path of an exception takes packets of its class, and no others. */
function checkExceptions(
	{ state, paths }: NodeIndex,
	set: RuleSetState,
	declared: Declared,
	findings: Findings,
): void {
	const tenant = state.tenants.find(({ id }) => id === set.tenantId)?.name;
	for (const { policy, action, keys } of set.rules) {
		for (const spi of chosenBy(action)) {
			const path = paths.get(spi);
			if (!path || classOf(path) === policy) continue;
			if (declared.excepts(policy, classOf(path), tenant ?? "", keys)) continue;
			findings.add(
				3,
				policy,
				{ spi, node: state.node },
				`node ${state.node} leads packets to it that are not of ${classOf(path)}`,
			);
		}
	}
}
