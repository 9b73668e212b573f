/**
 * Composition root of the agent: one node under a controller, or alone with a
 * state file. Stopping it, however it is stopped, leaves traffic flowing.
 */
import { readFileSync } from "node:fs";
import {
	type Identity,
	joinController,
	readIdentity,
	renewIdentity,
} from "../agent/enrol.js";
import { Node, type NodeOptions } from "../agent/node.js";
import { purge } from "../agent/purge.js";
import { Session } from "../agent/session.js";
import { MAPS } from "../kernel/bpf.js";
import { probe } from "../kernel/probe.js";
import type { NodeEvent } from "../plan/protocol.js";
import type { NodeState } from "../plan/state.js";

const RENEW_CHECK_MS = 3_600_000;

export interface AgentOptions
	extends Pick<
		NodeOptions,
		| "prefix"
		| "node"
		| "stateDir"
		| "netns"
		| "objects"
		| "mapSizes"
		| "replaceLayout"
	> {
	/** `https://controller:8443`; none: the agent works alone. */
	readonly controller?: string;
	/** One-time token; needed until the node has joined, ignored afterwards. */
	readonly joinToken?: string;
	/** A NodeState as JSON, applied at the start; without a controller. */
	readonly stateFile?: string;
	readonly version: string;
	/** Entries of the flow table and of the state list, where they are made. */
	readonly maxFlows?: number;
	/** One line of what happens, without secrets. */
	readonly log: (line: string) => void;
}

export interface RunningAgent {
	readonly node: Node;
	/** Whether the session with the controller is up. */
	readonly connected: boolean;
	/** Stops the agent; the data plane and the functions go on. */
	close(): Promise<void>;
}

/** Starts an agent; throws `operation: cause (likely fix)`. */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
	const { controller, stateFile, log } = options;
	if ((controller === undefined) === (stateFile === undefined))
		throw new Error(
			"agent: needs either a controller or a state file (give --controller URL or --state FILE)",
		);
	/* Read first: a node that runs for nothing would never end. */
	const state = stateFile === undefined ? undefined : readState(stateFile);
	const identity =
		controller === undefined
			? undefined
			: await keepIdentity(controller, options);
	let session: Session | undefined;
	const early: NodeEvent[] = [];
	const node = await Node.open({
		...options,
		...(options.maxFlows && { mapSizes: sizesFor(options.maxFlows) }),
		onEvent: (event: NodeEvent) => {
			log(`${event.kind}: ${event.message}`);
			if (session) session.tellEvent(event);
			else if (controller !== undefined) early.push(event);
		},
		onHealth: () => session?.tellStatus(),
		enrolEf: (key) => session?.enrolEf(key) ?? false,
	});
	if (state) await applyState(node, state);
	if (controller !== undefined && identity)
		session = new Session({
			url: controller,
			node,
			version: options.version,
			identity,
			checks: probe(),
			doctor: probe,
			onAuc: (address) => node.setAuc(address),
			log,
		});
	for (const event of early.splice(0)) session?.tellEvent(event);
	/* A certificate must not run out while a session lasts for weeks. */
	const renewal = setInterval(() => void identity?.(), RENEW_CHECK_MS);
	return {
		node,
		get connected() {
			return session?.connected ?? false;
		},
		async close() {
			clearInterval(renewal);
			session?.close();
			await node.close();
		},
	};
}

/** Removes all that agents made on this node; keys and certificates stay. */
export function purgeAgent(
	options: Pick<AgentOptions, "prefix" | "node" | "stateDir" | "netns">,
): Promise<void> {
	return purge(options);
}

function readState(file: string): NodeState {
	try {
		return JSON.parse(readFileSync(file, "utf8")) as NodeState;
	} catch (error) {
		const { code, message } = error as NodeJS.ErrnoException;
		const cause = code === "ENOENT" ? "no such file" : (code ?? message);
		throw new Error(
			`state ${file}: ${cause} (--state names a node's desired state as JSON)`,
		);
	}
}

async function applyState(node: Node, state: NodeState): Promise<void> {
	try {
		await node.apply(state);
	} catch (error) {
		await node.close();
		throw error;
	}
}

/** Joins where the node has not; the result gives the identity, renewed in time. */
async function keepIdentity(
	url: string,
	options: AgentOptions,
): Promise<() => Promise<Identity>> {
	const { node, joinToken, stateDir, log } = options;
	let identity = readIdentity(stateDir);
	if (!identity) {
		if (joinToken === undefined)
			throw new Error(
				`agent ${node}: has not joined ${url} (make a token with \`chainmail token join ${node}\` and give it to the agent)`,
			);
		identity = await joinController(url, node, joinToken, stateDir);
		log(`joined ${url} as ${node}`);
	}
	let current = identity;
	return async () => {
		if (Date.now() < current.renewAfterMs) return current;
		try {
			current = await renewIdentity(url, node, current, stateDir);
			log("certificate renewed");
		} catch (error) {
			/* Good for a while yet: the session itself will tell when it is not. */
			log(error instanceof Error ? error.message : String(error));
		}
		return current;
	};
}

/** Maps that hold an entry for each flow, and those that few flows need. */
function sizesFor(flows: number): Readonly<Record<string, number>> {
	const few = Math.ceil(flows / 4);
	return {
		[MAPS.flows.name]: flows,
		[MAPS.states.name]: flows,
		[MAPS.shortcuts.name]: flows,
		[MAPS.rewrites.name]: few,
		[MAPS.tags.name]: few,
	};
}
