/**
 * The naive twin of the data plane: the way one packet goes through the states
 * of all nodes, step by step and why. Follows bpf/*.bpf.c.
 */
import type { Packet } from "../../model/packet.js";
import { SI_START } from "../state.js";
import type { States } from "../transition.js";
import { type Decision, Network, type NodeIndex, walk } from "../walk.js";
import { classify } from "./classify.js";
import { leave, type Place, type Routes } from "./exit.js";
import { FlowTable, replyTo } from "./flows.js";
import { plain } from "./plain.js";
import type { Behaviour, Start, TraceStep } from "./steps.js";

export type { Behaviour, OnPath, Start, TraceStep } from "./steps.js";

/** One packet through the network, from a network that has seen none. */
export function trace(
	states: States,
	start: Start,
	behaviour?: Behaviour,
): TraceStep[] {
	return new Twin(states).send(start, behaviour);
}

/** A network that remembers flows from packet to packet. */
export class Twin {
	#network: Network;
	readonly #routes: Routes | undefined;
	readonly #flows = new Map<string, FlowTable>();

	/** `routes`: as far as nobody knows them, interfaces that fit are taken. */
	constructor(states: States, routes?: Routes) {
		this.#network = new Network(states.values());
		this.#routes = routes;
	}

	/** New states for all nodes; flows stay, as they do in the kernel. */
	update(states: States): void {
		this.#network = new Network(states.values());
		for (const [node, table] of this.#flows) {
			table.meet(this.#network.nodes.get(node)?.paths ?? new Map());
		}
	}

	/** Where the reply of the last packet that `steps` describe arrives. */
	reply(steps: readonly TraceStep[], packet: Packet): Start | undefined {
		const out = steps.find(({ kind }) => kind === "exit" || kind === "pass");
		return out && "interface" in out
			? {
					node: out.node,
					interface: out.interface,
					vlan: out.vlan,
					packet: replyTo(packet),
				}
			: undefined;
	}

	send(
		start: Start,
		behaviour: Behaviour = (_, packet) => packet,
	): TraceStep[] {
		const { node, packet } = start;
		const at = this.#network.nodes.get(node);
		const arrived = at?.state.interfaces.find(
			(one) => one.name === start.interface && one.vlan === (start.vlan ?? 0),
		);
		if (!at || !arrived) {
			const why = `node ${node} knows nobody at ${start.interface}`;
			return [{ kind: "drop", node, reason: "unowned", why }];
		}
		const { role } = arrived;
		if (role === "underlay") return plain(at, arrived, packet, this.#routes);
		const steps: TraceStep[] = [];
		const place = this.#place(at);
		const choice = classify(
			at,
			{ ...arrived, role },
			start,
			place.table,
			steps,
		);
		if (choice?.spi === "pass") {
			const { tenantId, isAnswer } = choice;
			const by = { side: role, isAnswer };
			const isError = start.errorFrom !== undefined;
			steps.push(...leave(place, { packet, tenantId, isError, by }));
		} else if (choice) {
			this.#follow(choice.spi, start, behaviour, steps);
		}
		return steps;
	}

	#place(at: NodeIndex): Place {
		const { node } = at.state;
		const table = this.#flows.get(node) ?? new FlowTable();
		if (!this.#flows.has(node)) table.meet(at.paths);
		this.#flows.set(node, table);
		return { at, table, routes: this.#routes };
	}

	#follow(
		spi: number,
		start: Start,
		behaviour: Behaviour,
		steps: TraceStep[],
	): void {
		const { decisions, stuck } = walk(this.#network, spi, start.node);
		const isError = start.errorFrom !== undefined;
		let { packet } = start;
		for (const decision of decisions) {
			if (decision.hop.kind === "exit") {
				steps.push(...this.#leave(spi, decision, packet, isError));
				return;
			}
			const step = this.#stepOf(spi, decision, decision.hop);
			steps.push(step);
			if (step.kind === "port") {
				const after = behaviour(step, packet);
				if (!after) {
					const why = `${step.function}/${step.instance} lets it not pass`;
					steps.push({
						kind: "drop",
						node: step.node,
						reason: "function",
						why,
					});
					return;
				}
				packet = after;
			}
		}
		if (stuck) {
			steps.push({
				kind: "drop",
				node: stuck.node,
				reason: stuck.reason,
				why: stuck.message,
			});
		}
	}

	#stepOf(
		spi: number,
		{ node, si, ttl, instance }: Decision,
		hop: Exclude<Decision["hop"], { kind: "exit" }>,
	) {
		const on = { node, spi, si, ttl };
		if (hop.kind === "node") {
			const to = this.#network.byId(hop.nodeId)?.state.node ?? "";
			const { sealed } = hop;
			const how = sealed
				? `sealed (${sealed}) by this node's encryption function`
				: "NSH in VXLAN-GPE";
			const why = `service index ${si} is served there: ${how}`;
			const kind = "encapsulate" as const;
			return { kind, ...on, to, ...(sealed && { sealed }), why };
		}
		return {
			kind: hop.kind,
			...on,
			function: instance?.function ?? "",
			instance: instance?.instance ?? "",
			port: hop.port,
			why:
				hop.kind === "tap"
					? "gets a copy, the packet goes on"
					: `function ${SI_START - si + 1} of the path`,
		};
	}

	#leave(
		spi: number,
		{ node, si, ttl }: Decision,
		packet: Packet,
		isError: boolean,
	): TraceStep[] {
		const at = this.#network.nodes.get(node);
		const path = at?.paths.get(spi);
		if (!at || !path) return [];
		const { tenantId } = path;
		const by = { path, on: { spi, si, ttl } };
		return leave(this.#place(at), { packet, tenantId, isError, by });
	}
}
