/** The flow table of one node, as the kernel keeps it (bpf/lib/classify.h). */
import type { Packet } from "../../model/packet.js";

export interface Flow {
	/** A path, or what to do without one. */
	spi: number | "pass" | "drop";
	/** Of the rule set that decided; 0: learned where its other direction left. */
	generation: number;
	/** Birth of the path; generation of the rules that let pass what this answers. */
	born: number;
	/** Side of those rules. */
	asked?: "access" | "exit" | undefined;
	readonly policyId: number;
	readonly tenantId: number;
	/** Where its packets arrive; absent until some have. */
	from?: { readonly interface: string; readonly vlan: number };
}

export class FlowTable {
	readonly #flows = new Map<string, Flow>();
	readonly #origins = new Map<string, Flow>();
	readonly #births = new Map<number, number>();
	#lastBirth = 0;

	/** The node's paths of now: one that comes is another one, whatever its SPI. */
	meet(paths: ReadonlyMap<number, unknown>): void {
		for (const spi of this.#births.keys())
			if (!paths.has(spi)) this.#births.delete(spi);
		for (const spi of paths.keys())
			if (!this.#births.has(spi)) this.#births.set(spi, ++this.#lastBirth);
	}

	/** Tells the path that has an SPI from all that had it before; 0: none has. */
	birthOf(spi: number): number {
		return this.#births.get(spi) ?? 0;
	}

	/** The path that the flow remembers is there. */
	hasPathOf({ spi, born }: Flow): boolean {
		return typeof spi === "number" && born > 0 && this.birthOf(spi) === born;
	}

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
