/**
 * The naive twin of the data plane: the way one packet goes through the states
 * of all nodes, step by step and why. Follows bpf/lib: classify.h, exit.h.
 */
import type { Packet } from "../../model/packet.js";
import { addressHex, contains, prefixRange } from "../prefix.js";
import { SI_START } from "../state.js";
import type { States } from "../transition.js";
import { type Decision, Network, walk } from "../walk.js";
import { classify } from "./classify.js";
import { FlowTable, replyTo } from "./flows.js";
import type { Behaviour, OnPath, Start, TraceStep } from "./steps.js";

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
	readonly #flows = new Map<string, FlowTable>();

	constructor(states: States) {
		this.#network = new Network(states.values());
	}

	/** New states for all nodes; flows stay, as they do in the kernel. */
	update(states: States): void {
		this.#network = new Network(states.values());
	}

	/** Where the reply of the last packet that `steps` describe arrives. */
	reply(steps: readonly TraceStep[], packet: Packet): Start | undefined {
		const exit = steps.find((step) => step.kind === "exit");
		return (
			exit && {
				node: exit.node,
				interface: exit.interface,
				vlan: exit.vlan,
				packet: replyTo(packet),
			}
		);
	}

	send(
		start: Start,
		behaviour: Behaviour = (_, packet) => packet,
	): TraceStep[] {
		const { node, packet } = start;
		const steps: TraceStep[] = [];
		const at = this.#network.nodes.get(node);
		const arrived = at?.state.interfaces.find(
			(one) => one.name === start.interface && one.vlan === (start.vlan ?? 0),
		);
		if (!at || !arrived || arrived.role === "underlay") {
			const why = `node ${node} steers nothing that arrives at ${start.interface}`;
			return [{ kind: "pass", node, why }];
		}
		const spi = classify(at, arrived, packet, this.#table(node), steps);
		if (spi !== undefined) {
			this.#follow(spi, node, packet, behaviour, steps);
		}
		return steps;
	}

	#table(node: string): FlowTable {
		const table = this.#flows.get(node) ?? new FlowTable();
		this.#flows.set(node, table);
		return table;
	}

	#follow(
		spi: number,
		from: string,
		first: Packet,
		behaviour: Behaviour,
		steps: TraceStep[],
	): void {
		const { decisions, stuck } = walk(this.#network, spi, from);
		let packet = first;
		for (const decision of decisions) {
			const step = this.#stepOf(spi, decision, packet);
			steps.push(step);
			if (step.kind === "drop") {
				return;
			}
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
			if (step.kind === "exit") {
				this.#learn(spi, step, packet, steps);
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

	#stepOf(spi: number, decision: Decision, packet: Packet): TraceStep {
		const { node, si, ttl, hop, instance } = decision;
		const on = { node, spi, si, ttl };
		switch (hop.kind) {
			case "port":
			case "tap":
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
			case "node": {
				const to = this.#network.byId(hop.nodeId)?.state.node ?? "";
				const why = `service index ${si} is served there: NSH in VXLAN-GPE`;
				return { kind: "encapsulate", ...on, to, why };
			}
			case "exit":
				return this.#exit(spi, on, packet);
		}
	}

	/** Back to where the flow came from, or out by an interface its tenant may use. */
	#exit(
		spi: number,
		on: { readonly node: string } & OnPath,
		packet: Packet,
	): TraceStep {
		const at = this.#network.nodes.get(on.node);
		const path = at?.paths.get(spi);
		const tenant = at?.state.tenants.find(({ id }) => id === path?.tenantId);
		const home =
			tenant !== undefined &&
			contains(tenant.subnets.map(prefixRange), addressHex(packet.dst));
		const allowed = (at?.state.interfaces ?? []).filter(
			(one) =>
				(one.role === "access" && one.tenantId === path?.tenantId) ||
				(one.role === "exit" &&
					(one.tenantId === 0 || one.tenantId === path?.tenantId)),
		);
		/* Routing decides; here: home to an access interface, else by the own exit. */
		const out =
			(home ? allowed.find((one) => one.role === "access") : undefined) ??
			allowed.find((one) => one.role === "exit" && one.tenantId > 0) ??
			allowed.find((one) => one.role === "exit");
		return out
			? {
					kind: "exit",
					...on,
					interface: out.name,
					vlan: out.vlan,
					why: "every function has seen it",
				}
			: {
					kind: "drop",
					node: on.node,
					reason: "exit_forbidden",
					why: "no interface of this node may carry the tenant's packets",
				};
	}

	/** As learn_reverse in bpf/lib/exit.h; a reverse path finds its flow there. */
	#learn(
		spi: number,
		out: Omit<Start, "packet">,
		packet: Packet,
		steps: TraceStep[],
	): void {
		const { node } = out;
		const at = this.#network.nodes.get(node);
		const path = at?.paths.get(spi);
		const by = at?.state.interfaces.find(
			(one) => one.name === out.interface && one.vlan === out.vlan,
		);
		if (!path || !by) {
			return;
		}
		const scope = by.tenantId;
		const back = replyTo(packet);
		const known = this.#table(node).get(scope, back, 0);
		const origin =
			known && known.generation > 0
				? known
				: this.#table(node).origin(scope, back);
		if (
			path.direction === "reverse" &&
			origin &&
			origin.generation > 0 &&
			origin.tenantId === path.tenantId
		) {
			return;
		}
		if (known && known.tenantId !== path.tenantId) {
			const why = `the same tuple of tenant ${known.tenantId} already leaves here`;
			steps.push({ kind: "drop", node, reason: "exit_conflict", why });
			return;
		}
		this.#table(node).set(scope, back, 0, {
			spi: path.reverseSpi,
			generation: 0,
			policyId: 0,
			tenantId: path.tenantId,
		});
		steps.push({
			kind: "learn",
			node,
			spi: path.reverseSpi,
			scope,
			why: `replies that arrive here walk path ${path.reverseSpi} back`,
		});
	}
}
