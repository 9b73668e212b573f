/** The check of invariants tells each one that is broken, and where. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_MEMORY } from "./allocate.js";
import { declaredBy } from "./declared.js";
import type { Invariant } from "./findings.js";
import { acrossThreeNodes } from "./fixtures.js";
import { checkInvariants } from "./invariants.js";
import { plan } from "./plan.js";
import type { NodeState, PathState } from "./state.js";
import type { States } from "./transition.js";

const states = plan(acrossThreeNodes, NO_MEMORY).plan.states;
const declared = declaredBy(acrossThreeNodes);

type Mutable<T> = { -readonly [K in keyof T]: Mutable<T[K]> };

/** The states with one thing broken. */
function broken(
	how: (nodes: Record<"n1" | "n2" | "n3", Mutable<NodeState>>) => void,
): States {
	const copy = structuredClone(states) as Map<string, Mutable<NodeState>>;
	const get = (name: string) => {
		const state = copy.get(name);
		assert.ok(state);
		return state;
	};
	how({ n1: get("n1"), n2: get("n2"), n3: get("n3") });
	return copy;
}

/** A forward path of policy p from n1. */
function chosen(
	node: Mutable<NodeState>,
	policyName = "p",
): Mutable<PathState> {
	const rule = node.ruleSets[0]?.rules.find((one) => one.policy === policyName);
	assert.ok(rule?.action.kind === "chain");
	const spi = rule.action.slots[0];
	const path = node.paths.find((one) => one.spi === spi);
	assert.ok(path);
	return path;
}

const same = (node: Mutable<NodeState>, spi: number) => {
	const path = node.paths.find((one) => one.spi === spi);
	assert.ok(path);
	return path;
};

test("a plan holds all invariants", () => {
	assert.deepEqual(checkInvariants(states, declared), []);
});

const cases: readonly [
	string,
	Invariant,
	(nodes: Record<"n1" | "n2" | "n3", Mutable<NodeState>>) => void,
	RegExp?,
][] = [
	[
		"a function is skipped",
		1,
		({ n2, n1 }) => {
			same(n2, chosen(n1).spi).hops[1] = { kind: "exit" };
		},
		/policy p, path \d+, hop 1: node n2 lets it out before its last function/,
	],
	[
		"a function is taken for another",
		1,
		({ n1, n2 }) => {
			const other = n2.instances.find((one) => one.function === "fw");
			const hop = same(n2, chosen(n1).spi).hops[1];
			assert.ok(hop?.kind === "port" && other?.ports[0]);
			hop.port = other.ports[0].id;
		},
		/hop 1: it meets fw -> fw -> ids, its chain is fw -> nat -> ids/,
	],
	[
		"a node has nothing for a service index that is sent to it",
		1,
		({ n1, n3 }) => {
			same(n3, chosen(n1).spi).hops[2] = null;
		},
		/hop 2: node n3 has nothing at service index 253/,
	],
	[
		"a port is gone",
		1,
		({ n2 }) => {
			for (const one of n2.instances) one.ports = [];
		},
		/node n2 has no port/,
	],
	[
		"a rule points to a path that is not there",
		1,
		({ n1 }) => {
			const rule = n1.ruleSets[0]?.rules[0];
			assert.ok(rule?.action.kind === "chain");
			rule.action.slots = [60_000];
		},
		/path 60000, hop 0: node n1 cannot begin this path/,
	],
	[
		"a rule points to another policy's path",
		1,
		({ n1 }) => {
			const rule = n1.ruleSets[0]?.rules.find((one) => one.policy === "p");
			assert.ok(rule?.action.kind === "chain");
			rule.action.slots = [chosen(n1, "q").spi];
		},
	],
	[
		"two rules have one rank",
		1,
		({ n1 }) => {
			for (const rule of n1.ruleSets[0]?.rules ?? []) rule.rank = 1;
		},
	],
	[
		"two nodes send to each other",
		2,
		({ n1, n2 }) => {
			same(n2, chosen(n1).spi).hops[1] = { kind: "node", nodeId: n1.nodeId };
			same(n1, chosen(n1).spi).hops[1] = { kind: "node", nodeId: n2.nodeId };
		},
		/hop 1: node n\d sends on what another node sent it/,
	],
	[
		"a path is longer than it says",
		2,
		({ n1 }) => {
			chosen(n1).length = 40;
		},
	],
	[
		"a peer is unknown",
		3,
		({ n2 }) => {
			n2.peers = n2.peers.filter((one) => one.name !== "n3");
		},
		/node n2 does not know node 3/,
	],
	[
		"a peer's address is another's",
		3,
		({ n2 }) => {
			for (const peer of n2.peers) peer.underlay = "203.0.113.66";
		},
	],
	[
		"a rule points to another tenant's path",
		4,
		({ n1 }) => {
			const [red, blue] = n1.ruleSets;
			assert.ok(red?.rules[0] && blue?.rules[0]);
			red.rules[0].action = blue.rules[0].action;
		},
		/rules of tenant 1 on node n1 point to a path of tenant 2/,
	],
	[
		"two tenants share a port",
		4,
		({ n1, n2 }) => {
			const [, blue] = n1.ruleSets;
			const rule = blue?.rules.find((one) => one.policy === "q");
			assert.ok(rule?.action.kind === "chain");
			const spi = rule.action.slots.find((one) =>
				same(n2, one).hops.some((hop) => hop?.kind === "port"),
			);
			assert.ok(spi !== undefined);
			const fw = n2.instances.find((one) => one.function === "fw");
			for (const one of [spi, same(n2, spi).reverseSpi]) {
				for (const hop of same(n2, one).hops) {
					if (hop?.kind !== "port") continue;
					const red = fw?.ports.find(({ id }) => id !== hop.port);
					assert.ok(red);
					hop.port = red.id;
				}
			}
		},
		/port \d+ also serves tenant \d/,
	],
	[
		"a bound port serves another path",
		4,
		({ n2 }) => {
			for (const one of n2.instances) {
				for (const port of one.ports) {
					if (port.boundSpi !== undefined) port.boundSpi += 2;
				}
			}
		},
		/port \d+ is bound to path/,
	],
	[
		"the exit belongs to another tenant",
		4,
		({ n3 }) => {
			for (const one of n3.interfaces) {
				if (one.role === "exit") one.tenantId = 2;
			}
		},
		/node n3 has no interface that tenant 1 may leave by/,
	],
	[
		"subnets of two tenants on one instance overlap",
		4,
		({ n1, n2, n3 }) => {
			for (const one of [n1, n2, n3]) {
				for (const of of one.tenants) of.subnets = ["10.0.0.0/8"];
			}
		},
		/whose subnets overlap/,
	],
	[
		"the way back is missing",
		5,
		({ n1, n3 }) => {
			const { reverseSpi } = chosen(n1);
			n3.paths = n3.paths.filter((one) => one.spi !== reverseSpi);
		},
	],
	[
		"the way back meets another instance",
		5,
		({ n1, n2 }) => {
			const nat = n2.instances.find((one) => one.function === "nat");
			const back = same(n2, chosen(n1).reverseSpi);
			const at = back.hops.findIndex((hop) => hop?.kind === "port");
			const other = nat?.ports.find(
				(port) =>
					!back.hops.some(
						(hop) => hop?.kind === "port" && hop.port === port.id,
					),
			);
			assert.ok(other);
			back.hops[at] = { kind: "port", port: other.id };
		},
		/the way back meets other ports/,
	],
	[
		"new flows take a draining path",
		6,
		({ n1, n2, n3 }) => {
			const { spi } = chosen(n1);
			for (const one of [n1, n2, n3]) {
				for (const path of one.paths) {
					if (path.spi === spi) path.active = false;
				}
			}
		},
		/new flows would take a draining path/,
	],
];

for (const [name, invariant, how, message] of cases) {
	test(`invariant ${invariant} complains: ${name}`, () => {
		const found = checkInvariants(broken(how), declared);
		const right = found.filter((one) => one.invariant === invariant);
		assert.ok(right.length > 0, `found ${JSON.stringify(found)}`);
		if (message) {
			assert.ok(
				right.some((one) => message.test(one.message)),
				right.map((one) => one.message).join("\n"),
			);
		}
	});
}
