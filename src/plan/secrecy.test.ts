/** Invariant 3 on sealed hops: each way to break it is told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PolicyDocument } from "../model/intent.js";
import { NO_MEMORY } from "./allocate.js";
import { declaredBy } from "./declared.js";
import { acrossDomains, flowClass, fn } from "./fixtures.js";
import { checkInvariants } from "./invariants.js";
import { plan } from "./plan.js";
import type { LinkState, NodeState, PathState, RuleState } from "./state.js";

type Mutable<T> = { -readonly [K in keyof T]: Mutable<T[K]> };
type Nodes = Record<"a" | "b" | "c", Mutable<NodeState>>;

const video = flowClass("video", "proto=udp & dport=5004");
const intentOf = (encrypt: NonNullable<PolicyDocument["spec"]["encrypt"]>) =>
	acrossDomains({ encrypt }, video);
const intent = intentOf({ when: "between-nodes", except: ["video"] });
const { states } = plan(intent, NO_MEMORY).plan;

function faults(
	how: (nodes: Nodes) => void,
	declared = declaredBy(intent),
): string[] {
	const copy = structuredClone(states) as Map<string, Mutable<NodeState>>;
	const get = (name: string) => {
		const state = copy.get(name);
		assert.ok(state);
		return state;
	};
	how({ a: get("a"), b: get("b"), c: get("c") });
	return checkInvariants(copy, declared)
		.filter(({ invariant }) => invariant === 3)
		.map(({ message }) => message);
}

/** The rule for an exception, or the policy's own. */
function ruleOf(node: Mutable<NodeState>, name: string): Mutable<RuleState> {
	const rule = node.ruleSets[0]?.rules.find(({ action }) => {
		assert.ok(action.kind === "chain");
		const path = node.paths.find((one) => one.spi === action.slots[0]);
		return path?.flowClass === name;
	});
	assert.ok(rule);
	return rule;
}

/** The node's part of the path that new flows of a class take from a to c. */
function pathOf(
	{ a }: Nodes,
	node: Mutable<NodeState>,
	name = "p",
): Mutable<PathState> {
	const { action } = ruleOf(a, name);
	assert.ok(action.kind === "chain");
	const spi = action.slots[0];
	const path = node.paths.find((one) => one.spi === spi);
	assert.ok(path);
	return path;
}

const partsOf = (nodes: Nodes, name: string) =>
	[nodes.a, nodes.b, nodes.c].map((node) => pathOf(nodes, node, name));

function linkOf(nodes: Nodes): Mutable<LinkState> {
	const { spi } = pathOf(nodes, nodes.a);
	const link = nodes.a.links?.find((one) => one.spi === spi);
	assert.ok(link);
	return link;
}

test("a plan with an exception holds it", () => {
	assert.deepEqual(
		faults(() => {}),
		[],
	);
});

const cases: readonly [string, (nodes: Nodes) => void, RegExp][] = [
	[
		"the sender does not seal",
		(nodes) => {
			delete pathOf(nodes, nodes.a).hops[1]?.sealed;
		},
		/hop 1: it goes from node a to node b unencrypted/,
	],
	[
		"nobody seals",
		(nodes) => {
			delete pathOf(nodes, nodes.a).hops[1]?.sealed;
			delete pathOf(nodes, nodes.b).hops[1]?.sealed;
		},
		/hop 1: it goes from node a to node b unencrypted/,
	],
	[
		"the receiver takes it in the clear",
		(nodes) => {
			delete pathOf(nodes, nodes.b).hops[1]?.sealed;
		},
		/hop 1: node a seals it, node b takes it as it comes/,
	],
	[
		"it is only signed",
		(nodes) => {
			for (const node of [nodes.a, nodes.b]) {
				const hop = pathOf(nodes, node).hops[1];
				if (hop) hop.sealed = "mac";
			}
			linkOf(nodes).transform = "hmac-sha-256-packet";
		},
		/unencrypted/,
	],
	[
		"a sealed place is reached without an encryption function",
		(nodes) => {
			const hop = pathOf(nodes, nodes.b, "p/video").hops[1];
			if (hop) hop.sealed = "esp";
		},
		/hop 1: node b takes only what is sealed \(esp\)/,
	],
	[
		"a place is sealed that packets come to on their own node",
		(nodes) => {
			const hop = pathOf(nodes, nodes.c).hops[3];
			if (hop) hop.sealed = "esp";
		},
		/hop 3: node c takes only what is sealed/,
	],
	[
		"there is no link",
		({ a }) => {
			a.links = [];
		},
		/node a has no link for it to node b/,
	],
	[
		"the link goes to another node",
		(nodes) => {
			linkOf(nodes).nodeId = nodes.c.nodeId;
		},
		/node a has no link for it to node b/,
	],
	[
		"the link has the keys of another flow class",
		(nodes) => {
			linkOf(nodes).flowClass = "other";
		},
		/node a has no link for it/,
	],
	[
		"the link's keys only sign",
		(nodes) => {
			linkOf(nodes).transform = "hmac-sha-256-packet";
		},
		/node a has no link for it/,
	],
	[
		"two links have one number",
		(nodes) => {
			nodes.c.links?.push({ ...linkOf(nodes), nodeId: nodes.b.nodeId });
		},
		/another link has service index 254 of this path, too/,
	],
	[
		"a node has no underlay",
		({ b }) => {
			delete b.underlay;
		},
		/node a or b has no underlay address/,
	],
	[
		"packets of others take the exception's path",
		({ a }) => {
			ruleOf(a, "p/video").keys = ruleOf(a, "p").keys;
		},
		/leads packets to it that are not of p\/video/,
	],
	[
		"the policy's own packets take the exception's path",
		({ a }) => {
			ruleOf(a, "p").action = ruleOf(a, "p/video").action;
		},
		/leads packets to it that are not of p\/video/,
	],
	[
		"an exception that nobody declared",
		(nodes) => {
			const parts = partsOf(nodes, "p/video");
			for (const path of parts) path.flowClass = "p/all";
		},
		/p\/all is no exception that was declared/,
	],
	[
		"an exception that calls itself the policy",
		(nodes) => {
			for (const path of partsOf(nodes, "p/video")) delete path.flowClass;
		},
		/unencrypted/,
	],
];

for (const [name, how, message] of cases) {
	test(`invariant 3 complains: ${name}`, () => {
		const found = faults(how);
		assert.ok(
			found.some((one) => message.test(one)),
			found.join("\n") || "nothing is found",
		);
	});
}

test("an exception that was withdrawn holds no longer, but during the change", () => {
	const now = intentOf("between-nodes");
	const found = faults(() => {}, declaredBy(now));
	assert.ok(
		found.some((one) => one.includes("no exception that was declared")),
		found.join("\n"),
	);
	assert.deepEqual(
		faults(() => {}, declaredBy(intent, now)),
		[],
	);
});

test("what was `always` goes through nothing external", () => {
	const external = acrossDomains(
		{ encrypt: "always" },
		fn("scan", ["x@b"], { runtime: "external" }),
	);
	const made = plan(external, NO_MEMORY).plan;
	const found = checkInvariants(made.states, declaredBy(external));
	assert.ok(
		found.some(
			({ invariant, message }) =>
				invariant === 3 && /external instance scan\/x would get/.test(message),
		),
	);
});
