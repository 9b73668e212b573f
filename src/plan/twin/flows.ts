/** The flow table of one node, as the kernel keeps it (bpf/lib/classify.h). */
import type { Packet } from "../../model/packet.js";

export interface Flow {
	/** A path, or what to do without one. */
	readonly spi: number | "pass" | "drop";
	/** Of the rule set that decided; 0: learned where its other direction left. */
	readonly generation: number;
	readonly policyId: number;
	readonly tenantId: number;
}

export class FlowTable {
	readonly #flows = new Map<string, Flow>();
	readonly #origins = new Map<string, Flow>();

	get(scope: number, packet: Packet, dscp: number): Flow | undefined {
		return this.#flows.get(keyOf(scope, packet, dscp));
	}

	set(scope: number, packet: Packet, dscp: number, flow: Flow): void {
		this.#flows.set(keyOf(scope, packet, dscp), flow);
		if (dscp > 0) {
			this.#origins.set(keyOf(scope, packet, 0), flow);
		}
	}

	/** Newest entry of a flow whose key has a DSCP: a reply cannot know it. */
	origin(scope: number, packet: Packet): Flow | undefined {
		return this.#origins.get(keyOf(scope, packet, 0));
	}
}

function keyOf(scope: number, packet: Packet, dscp: number): string {
	const { src, dst, proto, sport, dport } = packet;
	return [scope, src, dst, proto, sport, dport, dscp].join(" ");
}

/** The packet that answers: ends exchanged, DSCP and ICMP type left to the caller. */
export function replyTo(packet: Packet): Packet {
	const { src, dst, sport, dport } = packet;
	return { ...packet, src: dst, dst: src, sport: dport, dport: sport };
}
