/** What the functions of the random comparison do: NAT, and now and then a drop. */
import type { Packet } from "../../../src/model/packet.js";
import { flowHash, tupleBytes } from "../../../src/plan/hash.js";

const POOL: Record<4 | 6, string> = { 4: "198.19.0.1", 6: "2001:db8:300::1" };

export class Functions {
	readonly #out = new Map<string, Packet>();
	readonly #back = new Map<string, Packet>();
	#last = 1024;

	/** The packet as the function gives it back; null where it lets it not pass. */
	handle(name: string, packet: Packet): Packet | null {
		if (name === "nat") return this.#translate(packet);
		return flowHash(tupleBytes(packet)) % 64 === 1 ? null : packet;
	}

	/** Packets of protocols without ports stay as they are. */
	#translate(packet: Packet): Packet {
		const { proto, src, dst, sport, dport, family } = packet;
		if (proto !== 6 && proto !== 17) return packet;
		const pool = POOL[family];
		if (dst === pool) {
			const inside = this.#back.get(`${family} ${proto} ${dport}`);
			return inside
				? { ...packet, dst: inside.src, dport: inside.sport }
				: packet;
		}
		const key = [src, dst, proto, sport, dport].join(" ");
		const known = this.#out.get(key);
		const port = known?.sport ?? ++this.#last;
		this.#out.set(key, { ...packet, src: pool, sport: port });
		this.#back.set(`${family} ${proto} ${port}`, packet);
		return { ...packet, src: pool, sport: port };
	}
}
