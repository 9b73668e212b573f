/**
 * Changes of two nodes, stopped after every single step of either: running and
 * new flows of TCP and UDP come through and back, and each packet met the whole
 * old chain or the whole new one, in order.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { buildLab, type Lab } from "../../lab/lab.js";
import type { LabProcess } from "../../lab/process.js";
import {
	mobileEdgeAddresses as at,
	mobileEdge,
} from "../../lab/topologies/mobile-edge.js";
import { Node } from "../../src/agent/node.js";
import type { Intent, IntentDocument } from "../../src/model/intent.js";
import { type Memory, NO_MEMORY } from "../../src/plan/allocate.js";
import { plan } from "../../src/plan/plan.js";
import { type States, transition } from "../../src/plan/transition.js";
import { HALF, type Met, markRules, metBy } from "./trail/wire.js";

const NODES = ["edge1", "edge2"] as const;
const FUNCTIONS = ["a", "b", "c"] as const;
type FunctionName = (typeof FUNCTIONS)[number];

/** A chain by its functions, and where the instance of each one stands. */
interface Wanted {
	readonly chain: readonly FunctionName[];
	readonly instances: Readonly<Record<FunctionName, `${string}@edge${1 | 2}`>>;
}

const BASE: Wanted = {
	chain: ["a", "b"],
	instances: { a: "a1@edge1", b: "b1@edge2", c: "c1@edge1" },
};
const CHANGES: readonly (readonly [what: string, to: Wanted])[] = [
	["a function is inserted", { ...BASE, chain: ["a", "c", "b"] }],
	["a function is removed", { ...BASE, chain: ["c", "b"] }],
	[
		"an instance is replaced",
		{ chain: ["c", "b"], instances: { ...BASE.instances, c: "c2@edge1" } },
	],
	[
		"a function moves to the other node",
		{ chain: ["c", "b"], instances: { ...BASE.instances, c: "c3@edge2" } },
	],
	[
		"the order turns round",
		{ chain: ["b", "c"], instances: { ...BASE.instances, c: "c3@edge2" } },
	],
	["the policy is removed", { ...BASE, chain: [] }],
	["the policy comes back", BASE],
];

function intentOf({ chain, instances }: Wanted): Intent {
	const documents = [
		{
			kind: "Tenant",
			name: "blue",
			spec: { subnets: ["10.0.1.0/24"], exit: "edge2" },
		},
		{
			kind: "Node",
			name: "edge1",
			spec: {
				underlay: at.edge1,
				interfaces: [
					{ name: "ap", role: "access", tenant: "blue" },
					{ name: "up", role: "underlay" },
				],
			},
		},
		{
			kind: "Node",
			name: "edge2",
			spec: {
				underlay: at.edge2,
				interfaces: [
					{ name: "up", role: "underlay" },
					{ name: "net", role: "exit" },
				],
			},
		},
		...FUNCTIONS.map((name, place) => {
			const [instance, node] = instances[name].split("@");
			return {
				kind: "Function",
				name,
				spec: {
					attach: "routed",
					runtime: "process",
					ruleset: { text: markRules(place) },
					instances: [{ name: instance, node }],
				},
			};
		}),
		...(chain.length === 0
			? []
			: [
					{
						kind: "Policy",
						name: "all",
						spec: {
							tenant: "blue",
							rule: `match(proto={tcp, udp}) >> ${chain.join(" -> ")}`,
						},
					},
				]),
	];
	const named = <K extends IntentDocument["kind"]>(kind: K) =>
		new Map(
			documents
				.filter((one) => one.kind === kind)
				.map((one) => [one.name, one as IntentDocument & { kind: K }]),
		);
	return {
		tenants: named("Tenant"),
		nodes: named("Node"),
		functions: named("Function"),
		flowClasses: named("FlowClass"),
		policies: named("Policy"),
	};
}

describe("order of updates on two nodes", () => {
	let lab: Lab;
	let client: LabProcess;
	const nodes = new Map<string, Node>();
	let onStep = async () => {};
	let rounds = 0;
	let memory: Memory = NO_MEMORY;
	let running: States = new Map();

	before(async () => {
		lab = await buildLab(mobileEdge());
		const prefix = `cm${lab.run}`;
		const directory = join("/tmp", `chainmail-${lab.run}-order`);
		lab.removeWithLab(directory);
		lab.removeWithLab(join("/sys/fs/bpf", prefix));
		for (const node of NODES)
			nodes.set(
				node,
				await Node.open({
					prefix,
					node,
					netns: lab.netns(node),
					stateDir: join(directory, node),
					onStep: async () => onStep(),
				}),
			);
		await change(BASE, NODES);
		const program = (name: string) =>
			fileURLToPath(new URL(`./trail/${name}.js`, import.meta.url));
		const start = (host: string, name: string) =>
			lab.host(host).start([process.execPath, program(name), at.server]);
		await start("server", "server").waitFor(/listening/);
		client = start("user", "client");
		await client.waitFor(/connected\n/);
	});
	after(async () => {
		for (const node of nodes.values()) await node.destroy();
		await lab?.destroy();
	});

	/** Rolls out like the controller: every node holds a stage before the next. */
	async function change(to: Wanted, order: readonly string[]): Promise<void> {
		const made = plan(intentOf(to), memory);
		assert.deepEqual(
			made.plan.problems.filter(({ severity }) => severity === "error"),
			[],
		);
		memory = made.memory;
		const stages = transition(running, made.plan.states);
		for (const stage of [stages.make, stages.switch, stages.break])
			for (const node of order) {
				const state = stage.get(node);
				assert.ok(state);
				await nodes.get(node)?.apply(state);
			}
		running = made.plan.states;
	}

	/** What each flow met on its way to the server, and on its way back. */
	async function trails(): Promise<Map<string, readonly [Met[], Met[]]>> {
		rounds++;
		client.stdin?.write("\n");
		const line = new RegExp(`^connected\\n(?:.*\\n){${rounds - 1}}(.+)\\n`);
		const [, text = ""] = await client.waitFor(line);
		const flows = Object.entries(
			JSON.parse(text) as Record<string, string | null>,
		);
		return new Map(
			flows.map(([flow, hex]) => {
				assert.ok(hex !== null, `${flow}: lost`);
				const bytes = Buffer.from(hex, "hex");
				return [
					flow,
					[metBy(bytes.subarray(HALF)), metBy(bytes.subarray(0, HALF))],
				];
			}),
		);
	}

	const chainOf = (met: readonly Met[]) =>
		met.map(({ place }) => FUNCTIONS[place]).join(" -> ");
	const portsOf = (met: readonly Met[]) =>
		met.map(({ place, port }) => `${FUNCTIONS[place]} by port ${port}`);

	/** Each flow met all of one of the chains, and back the same instances. */
	async function check(chains: readonly string[], when: string) {
		for (const [flow, [there, back]] of await trails()) {
			assert.ok(
				chains.includes(chainOf(there)),
				`${when}: ${flow} met ${chainOf(there) || "nothing"}`,
			);
			back.reverse();
			/* Answers to a flow that lost its policy drain through the old path. */
			if (there.length === 0 && chains.includes(chainOf(back))) continue;
			assert.deepEqual(
				portsOf(back),
				portsOf(there),
				`${when}: ${flow}, way back`,
			);
		}
	}

	it("marks tell which functions a packet met", async () => {
		await check(["a -> b"], "before any change");
	});

	for (const [n, [what, to]] of CHANGES.entries())
		it(`${what}, to ${to.chain.join(" -> ") || "no chain"}`, async () => {
			const [before, after] = [CHANGES[n - 1]?.[1] ?? BASE, to].map(
				({ chain }) => chain.join(" -> "),
			);
			assert.ok(before !== undefined && after !== undefined);
			/* Either node may be ahead of the other. */
			const order = n % 2 === 0 ? NODES : [...NODES].reverse();
			let steps = 0;
			onStep = () => check([before, after], `after step ${++steps}`);
			await change(to, order).finally(() => {
				onStep = async () => {};
			});
			assert.ok(steps > 10, `${steps} steps`);
			await check([after], "in the end");
		});
});
