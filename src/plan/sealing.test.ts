/** Encrypted policies: what is sealed, what it costs, and what a change of it changes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type {
	Intent,
	IntentDocument,
	PolicyDocument,
} from "../model/intent.js";
import { NO_MEMORY } from "./allocate.js";
import { declaredBy } from "./declared.js";
import { diff } from "./diff.js";
import { acrossDomains, flowClass } from "./fixtures.js";
import { checkInvariants, checkTransition } from "./invariants.js";
import { linksOf } from "./links.js";
import { type Plan, plan } from "./plan.js";
import { largestInner } from "./sealing.js";
import type { NodeState, PathState } from "./state.js";
import { transition } from "./transition.js";

type Encrypt = NonNullable<PolicyDocument["spec"]["encrypt"]>;

const encrypted = (encrypt: Encrypt, ...more: IntentDocument[]) =>
	acrossDomains({ encrypt }, ...more);

function planned(intent: Intent): Plan {
	const { plan: made } = plan(intent, NO_MEMORY);
	assert.deepEqual(made.problems, []);
	assert.deepEqual(checkInvariants(made.states, declaredBy(intent)), []);
	return made;
}

function stateOf(made: Plan, name: string): NodeState {
	const state = made.states.get(name);
	assert.ok(state);
	return state;
}

function pathOf(made: Plan, name: string, spi: number): PathState {
	const path = stateOf(made, name).paths.find((one) => one.spi === spi);
	assert.ok(path);
	return path;
}

/** `a>b esp` for each crossing of a path, in order. */
function crossings(made: Plan, spi = 1): string[] {
	const name = (id: number) =>
		[...made.states.values()].find((one) => one.nodeId === id)?.node;
	const [first] = [...made.states.values()].flatMap((one) =>
		one.paths.filter((path) => path.spi === spi),
	);
	return (first?.hops ?? []).flatMap((_, index) =>
		[...made.states.values()].flatMap((state) => {
			const hop = state.paths.find((path) => path.spi === spi)?.hops[index];
			return hop?.kind === "node"
				? [`${state.node}>${name(hop.nodeId)} ${hop.sealed ?? "-"}`]
				: [];
		}),
	);
}

test("both ends of a sealed hop say so, and the sender has a link for it", () => {
	const made = planned(encrypted("between-nodes"));
	const port = { kind: "port", port: 1 };
	assert.deepEqual(pathOf(made, "a", 1).hops, [
		port,
		{ kind: "node", nodeId: 2, sealed: "esp" },
		null,
		null,
	]);
	assert.deepEqual(pathOf(made, "b", 1).hops, [
		null,
		{ ...port, sealed: "esp" },
		{ kind: "node", nodeId: 3, sealed: "esp" },
		null,
	]);
	assert.deepEqual(pathOf(made, "c", 1).hops, [
		null,
		null,
		{ kind: "tap", port: 1, sealed: "esp" },
		{ kind: "exit" },
	]);
	const terms = { flowClass: "p", transform: "aes-gcm-256" };
	assert.deepEqual(stateOf(made, "b").links, [
		{ spi: 1, si: 253, nodeId: 3, ...terms },
		{ spi: 2, si: 253, nodeId: 1, ...terms },
		{ spi: 3, si: 253, nodeId: 3, ...terms },
		{ spi: 4, si: 253, nodeId: 1, ...terms },
	]);
	assert.equal(pathOf(made, "b", 1).flowClass, "p");
});

test("links by the names of their ends", () => {
	const made = planned(
		encrypted({ when: "between-nodes", rekey: { seconds: 5 } }),
	);
	const links = linksOf(made.states.values());
	assert.equal(links.length, 12);
	assert.deepEqual(links[0], {
		eSpi: 1,
		eSi: 253,
		sender: "b",
		receiver: "c",
		flowClass: "p",
		transform: "aes-gcm-256",
		lifetime: { seconds: 5 },
	});
	const left = [...made.states.values()].filter((one) => one.node !== "c");
	assert.ok(linksOf(left).every((one) => one.receiver !== "c"));
});

test("what is sealed when", () => {
	const cases: [Partial<PolicyDocument["spec"]>, string[]][] = [
		[{}, ["a>b -", "b>c -"]],
		[{ encrypt: "never" }, ["a>b -", "b>c -"]],
		[{ encrypt: "always" }, ["a>b esp", "b>c esp"]],
		[{ encrypt: "between-domains" }, ["a>b esp", "b>c -"]],
		[
			{ encrypt: "between-domains", integrity: "header" },
			["a>b esp", "b>c mac"],
		],
		[{ integrity: "packet" }, ["a>b mac", "b>c mac"]],
	];
	for (const [spec, expected] of cases) {
		const made = planned(acrossDomains(spec));
		assert.deepEqual(crossings(made), expected, JSON.stringify(spec));
		assert.deepEqual(
			crossings(made, 2),
			expected.toReversed().map((one) => one.replace(/(.)>(.)/, "$2>$1")),
			"the way back",
		);
		const sealed = made.paths.some(({ mtu }) => mtu < 1440);
		const far = [...made.states.values()].some((state) =>
			state.paths.some(({ hops }) =>
				hops.some((hop) => hop?.kind === "node" && hop.far),
			),
		);
		assert.equal(far, !sealed, "nothing goes past a node that opens seals");
	}
});

test("transform and keys' lifetime are the policy's", () => {
	const transforms = (spec: Partial<PolicyDocument["spec"]>) => [
		...new Set(
			linksOf(planned(acrossDomains(spec)).states.values()).map(
				(one) => one.transform,
			),
		),
	];
	assert.deepEqual(
		transforms({ encrypt: { when: "always", algorithm: "aes-gcm-128" } }),
		["aes-gcm-128"],
	);
	assert.deepEqual(transforms({ integrity: "header" }), [
		"hmac-sha-256-header",
	]);
	assert.deepEqual(
		transforms({ integrity: "packet", encrypt: "between-domains" }).sort(),
		["aes-gcm-256", "hmac-sha-256-packet"],
	);
});

test("the largest packet fits with all that goes around it", () => {
	/* ESP of p bytes: padded with its two bytes of trailer to a multiple of four. */
	const onWire = (p: number) =>
		20 + 8 + 8 + 12 + 24 + 20 + 8 + 8 + Math.ceil((p + 2) / 4) * 4 + 16;
	for (const mtu of [1280, 1400, 1498, 1499, 1500, 1501, 9000]) {
		const inner = largestInner(mtu, "esp");
		assert.ok(onWire(inner) <= mtu, `${inner} of ${mtu}`);
		assert.ok(onWire(inner + 1) > mtu, `${inner + 1} of ${mtu} would fit`);
	}
	assert.equal(largestInner(1500, undefined), 1440);
	assert.equal(largestInner(1500, "mac"), 1500 - 20 - 8 - 8 - 72);
	const made = planned(encrypted("between-domains"));
	assert.equal(made.paths[0]?.mtu, largestInner(1500, "esp"));
});

const mail = flowClass("mail", "proto=tcp & dport={25, 587}");
const video = flowClass("video", "proto=udp & dport=5004-5005");

test("exceptions are rules and paths of their own, in front of the policy's", () => {
	const intent = encrypted(
		{ when: "between-nodes", except: ["video", "mail"] },
		mail,
		video,
	);
	const made = planned(intent);
	const rules = stateOf(made, "a").ruleSets[0]?.rules ?? [];
	const classes = rules.map(({ action }) => {
		assert.ok(action.kind === "chain");
		return pathOf(made, "a", action.slots[0] ?? 0).flowClass;
	});
	assert.deepEqual(classes, ["p/video", "p/mail", "p"]);
	assert.deepEqual(
		rules.map(({ rank }) => rank),
		[3, 2, 1],
	);
	assert.equal(new Set(rules.map(({ policyId }) => policyId)).size, 1);
	const spis = rules.flatMap(({ action }) =>
		action.kind === "chain" ? action.slots : [],
	);
	assert.deepEqual(
		spis.map((spi) => crossings(made, spi)[0]),
		["a>b -", "a>b -", "a>b esp"],
	);
	assert.ok(
		linksOf(made.states.values()).every((one) => one.flowClass === "p"),
	);
});

test("what does not change encryption changes no path, and what does gives another SPI", () => {
	const first = plan(encrypted("between-nodes"), NO_MEMORY);
	const spisOf = (made: Plan) => made.paths.map(({ spi }) => spi);
	const next = (encrypt: Encrypt) =>
		plan(encrypted(encrypt), first.memory).plan;
	const same: Encrypt[] = [
		"always",
		{ when: "between-nodes", algorithm: "aes-gcm-128" },
		{ when: "between-nodes", rekey: { packets: 5000 } },
	];
	for (const encrypt of same) {
		const made = next(encrypt);
		assert.deepEqual(spisOf(made), spisOf(first.plan));
		assert.deepEqual(
			[...made.states.values()].map(({ paths }) => paths),
			[...first.plan.states.values()].map(({ paths }) => paths),
		);
	}
	for (const encrypt of ["never", "between-domains"] as const) {
		const spis = spisOf(next(encrypt));
		assert.ok(
			spis.every((spi) => !spisOf(first.plan).includes(spi)),
			`${encrypt}: ${spis}`,
		);
	}
});

test("a rekey rule alone takes one step on a node", () => {
	const first = plan(encrypted("between-nodes"), NO_MEMORY);
	const other = encrypted({ when: "between-nodes", rekey: { seconds: 5 } });
	const second = plan(other, first.memory);
	for (const name of ["a", "b", "c"]) {
		const steps = diff(stateOf(first.plan, name), stateOf(second.plan, name));
		assert.deepEqual(
			steps.map(({ kind }) => kind),
			["links-set", "revision-set"],
		);
	}
});

test("a change keeps the links of paths that drain", () => {
	const before = encrypted("between-nodes");
	const after = encrypted("between-domains");
	const first = plan(before, NO_MEMORY);
	const second = plan(after, first.memory);
	const stages = transition(first.plan.states, second.plan.states);
	assert.deepEqual(
		checkTransition(first.plan.states, stages, declaredBy(before, after)),
		[],
	);
	const old = linksOf(first.plan.states.values());
	const fresh = linksOf(second.plan.states.values());
	for (const stage of ["make", "switch"] as const) {
		assert.equal(
			linksOf(stages[stage].values()).length,
			old.length + fresh.length,
		);
	}
	assert.deepEqual(linksOf(stages.break.values()), fresh);
});

test("running flows of `onChange: keep` stay on no path that is sealed otherwise", () => {
	const memory = plan(acrossDomains({ onChange: "keep" }), NO_MEMORY).memory;
	const idOf = (intent: Intent) =>
		stateOf(plan(intent, memory).plan, "a").ruleSets[0]?.rules[0]?.policyId;
	const plain = idOf(acrossDomains({ onChange: "keep" }));
	const sealed = idOf(
		acrossDomains({ onChange: "keep", encrypt: "between-nodes" }),
	);
	assert.notEqual(plain, sealed);
});
