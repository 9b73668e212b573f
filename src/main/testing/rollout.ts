/** A change to watch, and what nodes show of it, for tests of the rollout. */
import type { NodeState } from "../../plan/state.js";
import type { FakeAgent, Reaction } from "./fake-agent.js";
import {
	type Client,
	policy,
	startTestController,
	type TestController,
} from "./network.js";

/** A controller that knows both nodes, until the body ends. */
export async function network(
	body: (
		controller: TestController,
		edge1: FakeAgent,
		edge2: FakeAgent,
	) => Promise<void>,
	options: Parameters<typeof startTestController>[0] = {},
): Promise<void> {
	const controller = await startTestController(options);
	try {
		const edge1 = await controller.agent("edge1");
		const edge2 = await controller.agent("edge2");
		await body(controller, edge1, edge2);
	} finally {
		await controller.close();
	}
}

/** The policy `web` with a chain of two instead of one. */
export const longer = policy(
	"web",
	"acme",
	"match(proto=tcp & dport=80) >> firewall -> ids",
);

/** SPIs of a policy's paths on the node: those that new flows take, or that drain. */
export const pathsOf = (
	state: NodeState | undefined,
	name: string,
	active: boolean,
): number[] =>
	(state?.paths ?? [])
		.filter((path) => path.policy === name && path.active === active)
		.map((path) => path.spi);

/** Functions' count of the chain the node's rules point at. */
export function chosenLength(
	state: NodeState | undefined,
	name: string,
): number | undefined {
	const rule = state?.ruleSets
		.flatMap((set) => set.rules)
		.find((candidate) => candidate.policy === name);
	const spi = rule?.action.kind === "chain" ? rule.action.slots[0] : undefined;
	return state?.paths.find((path) => path.spi === spi)?.length;
}

/** Reacts to the n-th state from now on, counted from 1; acknowledges others. */
export function onState(agent: FakeAgent, n: number, reaction: Reaction): void {
	let count = 0;
	agent.react = () => (++count === n ? reaction : "ack");
}

/** The nodes' paths that drain have carried nothing for so long. */
export function idle(ms: number, ...agents: readonly FakeAgent[]): void {
	for (const agent of agents) {
		agent.idleMs = ms;
		agent.status();
	}
}

/** Once the controller that they knew has gone: the nodes come to the next one. */
export async function reconnect(
	{ url }: Client,
	...agents: readonly FakeAgent[]
): Promise<void> {
	for (const agent of agents) {
		await agent.until(() => !agent.isConnected);
		await agent.connect(url);
	}
}
