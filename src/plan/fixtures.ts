/** Small networks for tests of the planner and of what uses its plans. */
import type {
	FlowClassDocument,
	FunctionDocument,
	Intent,
	IntentDocument,
	NodeDocument,
	PolicyDocument,
	TenantDocument,
} from "../model/intent.js";

export function intentOf(...documents: readonly IntentDocument[]): Intent {
	const of = <K extends IntentDocument["kind"]>(kind: K) =>
		new Map(
			documents
				.filter(
					(one): one is Extract<IntentDocument, { kind: K }> =>
						one.kind === kind,
				)
				.map((one) => [one.name, one]),
		);
	return {
		tenants: of("Tenant"),
		nodes: of("Node"),
		functions: of("Function"),
		flowClasses: of("FlowClass"),
		policies: of("Policy"),
	};
}

export function tenant(
	name: string,
	spec: Partial<TenantDocument["spec"]> = {},
): TenantDocument {
	return { kind: "Tenant", name, spec: { subnets: ["10.0.1.0/24"], ...spec } };
}

/** Interfaces are written `role[:tenant]`; every node has an underlay. */
export function node(
	name: string,
	number: number,
	...interfaces: readonly string[]
): NodeDocument {
	return {
		kind: "Node",
		name,
		spec: {
			underlay: `192.0.2.${number}`,
			interfaces: [...interfaces, "underlay"].map((text, index) => {
				const [role, of] = text.split(":");
				return {
					name: `eth${index}`,
					role: role === "access" || role === "exit" ? role : "underlay",
					...(of === undefined ? {} : { tenant: of }),
				};
			}),
		},
	};
}

/** Instances are written `name@node` or `name@node*weight`. */
export function fn(
	name: string,
	instances: readonly string[],
	spec: Partial<FunctionDocument["spec"]> = {},
): FunctionDocument {
	return {
		kind: "Function",
		name,
		spec: {
			attach: "routed",
			runtime: "process",
			...spec,
			instances: instances.map((text) => {
				const [own = "", at = ""] = text.split("@");
				const [where = "", weight = "1"] = at.split("*");
				return { name: own, node: where, weight: Number(weight) };
			}),
		},
	};
}

export function flowClass(name: string, match: string): FlowClassDocument {
	return { kind: "FlowClass", name, spec: { match } };
}

export function policy(
	name: string,
	rule: string,
	spec: Partial<PolicyDocument["spec"]> = {},
): PolicyDocument {
	return { kind: "Policy", name, spec: { rule, ...spec } };
}

/** A user at edge1, a server behind edge2, a firewall and a NAT between. */
export function mobileEdge(...more: readonly IntentDocument[]): Intent {
	return intentOf(
		tenant("mobile"),
		node("edge1", 1, "access:mobile"),
		node("edge2", 2, "exit"),
		fn("firewall", ["fw-1@edge1"]),
		fn("ids", ["ids-1@edge2"], { attach: "tap" }),
		policy("web", "match(proto=tcp & dport=443) >> firewall -> ids"),
		...more,
	);
}

/** A node of a trust domain. */
export function inDomain(domain: string, of: NodeDocument): NodeDocument {
	return { ...of, spec: { ...of.spec, domain } };
}

/**
 * Users at a, the exit at c, functions at a, b and c; b and c trust each other. All
 * packets have one policy, p.
 */
export function acrossDomains(
	spec: Partial<PolicyDocument["spec"]>,
	...more: readonly IntentDocument[]
): Intent {
	return intentOf(
		tenant("t"),
		inDomain("one", node("a", 1, "access:t")),
		inDomain("two", node("b", 2)),
		inDomain("two", node("c", 3, "exit")),
		fn("fw", ["x@a"]),
		fn("scan", ["x@b"]),
		fn("log", ["x@c"], { attach: "tap" }),
		policy("p", "match(*) >> fw -> scan -> log", spec),
		...more,
	);
}

/** Two tenants, three nodes, a chain over all of them. */
export const acrossThreeNodes = intentOf(
	tenant("red", { subnets: ["10.1.0.0/16"] }),
	tenant("blue", { subnets: ["10.2.0.0/16"] }),
	node("n1", 1, "access:red", "access:blue"),
	node("n2", 2),
	node("n3", 3, "exit"),
	fn("fw", ["a@n1", "b@n2"]),
	fn("nat", ["a@n2"], { rewrites: true }),
	fn("ids", ["a@n3"], { attach: "tap" }),
	policy("p", "match(proto=tcp) >> fw -> nat -> ids"),
	policy("q", "match(proto=udp) >> fw"),
);
