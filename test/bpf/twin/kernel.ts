/**
 * A network of worlds: what one program sends on, the next one gets, and
 * functions give back what they were given. Tells a packet's way in the words
 * of ways.ts.
 */
import { addrOf } from "../../../src/agent/tables/encode.js";
import type { FlowKey } from "../../../src/kernel/bpf.js";
import type { Packet } from "../../../src/model/packet.js";
import type { States } from "../../../src/plan/transition.js";
import type { Start } from "../../../src/plan/twin/steps.js";
import {
	formatAddress,
	formatMac,
	parseMac,
} from "../../../src/wire/address.js";
import {
	functionMac,
	mac,
	type ProgramName,
	verdictOf,
	World,
} from "../world.js";
import type { Functions } from "./functions.js";
import { KINDS, NODES, nameOf, type PortId, underlayOf } from "./network.js";
import { framesOf, type Shape } from "./packets.js";
import { linesOf } from "./routes.js";
import {
	dropped,
	exits,
	flowIs,
	given,
	passed,
	type Way,
	wired,
} from "./ways.js";

/** Enough for the flows of a round; the defaults are for a real node. */
const MAP_SIZES = {
	flows: 65_536,
	states: 65_536,
	rules: 65_536,
	paths: 4096,
	hops: 8192,
};
const MOST_RUNS = 100;
const PORT_SCOPE = 0x8000_0000;
export const INSIDE = 0;
export const OUTSIDE = 1;

export const userMac = (tenantId: number) => mac(0x60 + tenantId);
const ROUTER = mac(0x74);

/** A frame for a program, on an interface of its node. */
export interface Run {
	readonly program: ProgramName;
	readonly on: string;
	readonly frame: Buffer;
}

export interface Journey {
	readonly way: Way;
	/** The facts as they left, and the frame. */
	readonly left: Packet;
	readonly frame: Buffer;
}

/** What a function has got and not yet given back for good. */
export interface Held {
	readonly node: string;
	readonly port: number;
	/** That it has to come back on. */
	readonly side: number;
	readonly packet: Packet;
	readonly spi: number;
	/** When: changes of the network until then. */
	readonly epoch: number;
}

export class KernelNetwork {
	readonly #worlds: ReadonlyMap<string, World>;
	/** What ports hold, by heldKey(). */
	readonly held = new Map<string, Held>();

	constructor(states: States) {
		this.#worlds = new Map(
			NODES.map((nodeId) => {
				const state = states.get(nameOf(nodeId));
				if (!state) throw new Error(`node ${nodeId}: has no state`);
				const network = linesOf(nodeId);
				return [
					state.node,
					World.open(state, { network, mapSizes: MAP_SIZES }),
				];
			}),
		);
	}

	world(node: string): World {
		const world = this.#worlds.get(node);
		if (!world) throw new Error(`node ${node}: is not in the network`);
		return world;
	}

	apply(states: States): void {
		for (const [node, state] of states) this.world(node).apply(state);
	}

	close(): void {
		for (const world of this.#worlds.values()) world.close();
	}

	forget(): void {
		this.held.clear();
		for (const world of this.#worlds.values()) {
			world.forget();
			world.maps.portCounters.setBatch(
				Array.from({ length: 32 }, (_, i) => [i, { packets: 0, bytes: 0 }]),
			);
		}
	}

	/** Packets given to a port from either side. */
	delivered(node: string, port: number): number {
		const { portCounters } = this.world(node).maps;
		const [inside, , outside] = portCounters.range(4 * port, 4);
		return (inside?.packets ?? 0) + (outside?.packets ?? 0);
	}

	/** `frame` arrives at `start`; `nth`: which of the packet's fragments it is. */
	send(
		start: Start,
		frame: Buffer,
		shape: Shape,
		nth: number,
		functions: Functions,
		epoch: number,
	): Journey {
		const way: string[] = [];
		let { node, packet: facts } = start;
		let translated = false;
		const program = start.interface === "up" ? "underlay" : "access";
		let run: Run = { program, on: start.interface, frame };
		for (let runs = 0; runs < MOST_RUNS; runs++) {
			const next = this.arrive(node, run, facts, !translated, epoch);
			way.push(next.word);
			const { to, data } = next;
			if (to?.kind === "node") {
				node = to.node;
				const { mac } = this.world(node).interface("up");
				run = {
					program: "underlay",
					on: "up",
					frame: relink(data, ROUTER, mac),
				};
				continue;
			}
			if (to?.kind !== "port") return { way, left: facts, frame: data };
			const answer = functions.handle(KINDS[to.port], facts);
			if (!answer) {
				way.push(dropped(node, "function"));
				return { way, left: facts, frame: data };
			}
			const on = portName(to.port, 1 - to.side);
			const macs = {
				src: functionMac(on),
				dst: this.world(node).interface(on).mac,
			};
			const given =
				answer === facts
					? relink(data, macs.src, macs.dst)
					: framesOf(answer, shape, macs)[nth];
			if (!given) throw new Error("a fragment has no frame");
			translated ||= KINDS[to.port] === "nat";
			facts = answer;
			run = { program: "port", on, frame: given };
		}
		throw new Error(`a packet goes round: ${way.join(", ")}`);
	}

	/** One run, and where the frame goes then: nowhere if it passes or is dropped. */
	arrive(
		node: string,
		{ program, on, frame }: Run,
		facts: Packet,
		aged: boolean,
		epoch: number,
	) {
		const world = this.world(node);
		const result = world.measure(program, on, frame, 1);
		const { data } = result;
		const verdict = verdictOf(result);
		/* Counters are read only here: a drop that others counted shows as well. */
		if (verdict === "drop")
			return { word: dropped(node, world.newDrops().join("+")), data };
		if (verdict === "pass") return { word: passed(node), data };
		const to = this.#place(node, data);
		if (to.kind === "exit") return { word: exits(node, to.interface), data };
		if (to.kind === "node") {
			const ttl = (data.readUInt16BE(NSH) >> 6) & 63;
			const path = data.readUInt32BE(NSH + 4);
			const word = wired(
				node,
				to.node,
				path >>> 8,
				path & 255,
				aged ? ttl : undefined,
			);
			return { word, to, data };
		}
		const back = 1 - to.side;
		const state = world.maps.states.get(
			keyOf(PORT_SCOPE + 2 * to.port + back, facts),
		);
		this.held.set(heldKey(node, to.port, back, facts), {
			node,
			port: to.port,
			side: back,
			packet: facts,
			spi: state?.spi ?? 0,
			epoch,
		});
		const si = (state?.si ?? 0) + 1;
		const ttl = aged ? state?.ttl : undefined;
		return { word: given(node, to.port, state?.spi, si, ttl), to, data };
	}

	/** SPI that the flow table has for a packet; `dscp`: of the flow's key. */
	chosen(start: Start, dscp: number): string {
		const { node, packet } = start;
		const { flows } = this.world(node).maps;
		const scope = this.#scopeOf(start);
		const flow =
			flows.get(keyOf(scope, packet, dscp)) ?? flows.get(keyOf(scope, packet));
		const special: Record<number, string> = { 0: "pass", 16777215: "drop" };
		return flowIs(node, flow ? (special[flow.spi] ?? flow.spi) : "none");
	}

	#scopeOf(start: Start): number {
		const { ifindex } = this.world(start.node).interface(start.interface);
		const key = { ifindex, vlan: start.vlan ?? 0 };
		return this.world(start.node).maps.ifaces.get(key)?.scope ?? 0;
	}

	/** Where a redirected frame goes, by its addresses. */
	#place(node: string, data: Buffer) {
		const dst = formatMac(data.subarray(0, 6));
		const src = formatMac(data.subarray(6, 12));
		const port = PORTS_BY_MAC.get(dst);
		if (port) return { kind: "port" as const, ...port };
		const world = this.world(node);
		if (src === world.interface("up").mac) {
			const to = NODES.find((one) => underlayOf(one) === destination(data));
			if (to) return { kind: "node" as const, node: nameOf(to) };
		}
		const out = (["net", "ap", "aq", "up"] as const).find(
			(name) => world.interface(name).mac === src,
		);
		if (out) return { kind: "exit" as const, interface: out };
		throw new Error(`node ${node}: sent a frame from ${src} to ${dst}`);
	}
}

/** Behind Ethernet, IPv4, UDP and VXLAN-GPE. */
const NSH = 14 + 20 + 8 + 8;
const destination = (frame: Buffer) => formatAddress(frame.subarray(30, 34));

export const portName = (port: number, side: number) =>
	`p${port}${side === INSIDE ? "i" : "o"}`;

export function heldKey(
	node: string,
	port: number,
	side: number,
	{ src, dst, proto, sport, dport }: Packet,
): string {
	return [node, port, side, src, dst, proto, sport, dport].join(" ");
}

const PORTS_BY_MAC = new Map(
	(Object.keys(KINDS).map(Number) as PortId[]).flatMap((port) =>
		[INSIDE, OUTSIDE].map((side) => [
			functionMac(portName(port, side)),
			{ port, side },
		]),
	),
);

export function keyOf(scope: number, packet: Packet, dscp = 0): FlowKey {
	const { src, dst, proto, sport, dport } = packet;
	return {
		scope,
		t: { src: addrOf(src), dst: addrOf(dst), sport, dport, proto, dscp },
	};
}

function relink(frame: Buffer, src: string, dst: string): Buffer {
	const copy = Buffer.from(frame);
	copy.set(parseMac(dst), 0);
	copy.set(parseMac(src), 6);
	return copy;
}
