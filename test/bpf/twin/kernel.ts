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
import { formatMac, parseMac } from "../../../src/wire/address.js";
import { decodePacket, layerOf } from "../../../src/wire/decode.js";
import { functionMac, mac, type Outcome, World } from "../world.js";
import type { Functions } from "./functions.js";
import { KINDS, NODES, nameOf, type PortId, underlayOf } from "./network.js";
import { framesOf, type Shape } from "./packets.js";
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
const MAP_SIZES = { flows: 65_536, states: 65_536, rules: 65_536, hops: 8192 };
const MOST_RUNS = 100;
const PORT_SCOPE = 0x8000_0000;
export const INSIDE = 0;
export const OUTSIDE = 1;

export const userMac = (tenantId: number) => mac(0x60 + tenantId);
const GATEWAY = { net: mac(0x71), ap: mac(0x72), aq: mac(0x73) };
const ROUTER = mac(0x74);

export interface Journey {
	readonly way: Way;
	/** The facts as they left, and the frame. */
	readonly left: Packet;
	readonly frame: Buffer;
}

export class KernelNetwork {
	readonly #worlds: ReadonlyMap<string, World>;
	/** What ports hold: node, port, side they come back on, tuple. */
	readonly held = new Set<string>();

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
	): Journey {
		const way: string[] = [];
		let facts = start.packet;
		let translated = false;
		let node = start.node;
		let at = start.interface;
		let outcome = this.world(node).run("access", at, frame);
		for (let runs = 0; runs < MOST_RUNS; runs++) {
			if (outcome.verdict === "pass") way.push(passed(node));
			if (outcome.verdict === "drop")
				way.push(dropped(node, outcome.drops.join("+")));
			if (outcome.verdict !== "redirect" || outcome.drops.length > 0)
				return { way, left: facts, frame: outcome.data };
			const to = this.#place(node, outcome);
			if (to.kind === "exit") {
				way.push(exits(node, to.interface));
				return { way, left: facts, frame: outcome.data };
			}
			if (to.kind === "node") {
				const nsh = layerOf(decodePacket(outcome.data), "nsh");
				const ttl = translated ? undefined : nsh?.ttl;
				way.push(wired(node, to.node, nsh?.spi, nsh?.si, ttl));
				node = to.node;
				at = "up";
				const { mac } = this.world(node).interface(at);
				outcome = this.world(node).run(
					"underlay",
					at,
					relink(outcome.data, ROUTER, mac),
				);
				continue;
			}
			const back = to.side === INSIDE ? OUTSIDE : INSIDE;
			const world = this.world(node);
			const state = world.maps.states.get(
				keyOf(PORT_SCOPE + 2 * to.port + back, facts),
			);
			way.push(
				given(
					node,
					to.port,
					state?.spi,
					(state?.si ?? 0) + 1,
					translated ? undefined : state?.ttl,
				),
			);
			translated ||= KINDS[to.port] === "nat";
			this.held.add(heldKey(node, to.port, back, facts));
			const answer = functions.handle(KINDS[to.port], facts);
			if (!answer) {
				way.push(dropped(node, "function"));
				return { way, left: facts, frame: outcome.data };
			}
			at = portName(to.port, back);
			const macs = { src: functionMac(at), dst: world.interface(at).mac };
			const next =
				answer === facts
					? relink(outcome.data, macs.src, macs.dst)
					: framesOf(answer, shape, macs)[nth];
			if (!next) throw new Error("a fragment has no frame");
			facts = answer;
			outcome = world.run("port", at, next);
		}
		throw new Error(`a packet goes round: ${way.join(", ")}`);
	}

	/** SPI that the flow table has for a packet. */
	chosen(start: Start): string {
		const { node, packet } = start;
		const { flows } = this.world(node).maps;
		const scope = this.#scopeOf(start);
		const flow =
			flows.get(keyOf(scope, packet, packet.dscp)) ??
			flows.get(keyOf(scope, packet));
		const special: Record<number, string> = { 0: "pass", 16777215: "drop" };
		return flowIs(node, flow ? (special[flow.spi] ?? flow.spi) : "none");
	}

	#scopeOf(start: Start): number {
		const { ifindex } = this.world(start.node).interface(start.interface);
		const key = { ifindex, vlan: start.vlan ?? 0 };
		return this.world(start.node).maps.ifaces.get(key)?.scope ?? 0;
	}

	/** Where a redirected frame goes, by its addresses. */
	#place(node: string, { data }: Outcome) {
		const dst = formatMac(data.subarray(0, 6));
		const src = formatMac(data.subarray(6, 12));
		const port = PORTS_BY_MAC.get(dst);
		if (port) return { kind: "port" as const, ...port };
		const world = this.world(node);
		if (src === world.interface("up").mac) {
			const to = NODES.find(
				(one) => underlayOf(one) === layerOf(decodePacket(data), "ipv4")?.dst,
			);
			if (to) return { kind: "node" as const, node: nameOf(to) };
		}
		const out = (["net", "ap", "aq"] as const).find(
			(name) => world.interface(name).mac === src,
		);
		if (out) return { kind: "exit" as const, interface: out };
		throw new Error(`node ${node}: sent a frame from ${src} to ${dst}`);
	}
}

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

/** ip(8) lines of a node: every neighbour is known, whatever leaves. */
function linesOf(nodeId: number): string[] {
	const behind = (
		name: "net" | "ap" | "aq",
		n: number,
		...routes: string[]
	) => [
		`addr add 172.31.${n}.1/24 dev ${name}`,
		`neigh add 172.31.${n}.2 lladdr ${GATEWAY[name]} dev ${name} nud permanent`,
		`addr add 2001:db8:f${n}::1/64 dev ${name} nodad`,
		`neigh add 2001:db8:f${n}::2 lladdr ${GATEWAY[name]} dev ${name} nud permanent`,
		...routes.map((to) =>
			to.includes(":")
				? `route add ${to} via 2001:db8:f${n}::2 dev ${name}`
				: `route add ${to} via 172.31.${n}.2 dev ${name}`,
		),
	];
	return [
		`addr add ${underlayOf(nodeId)}/24 dev up`,
		...NODES.filter((one) => one !== nodeId).map(
			(one) =>
				`neigh add ${underlayOf(one)} lladdr ${mac(0x80 + one)} dev up nud permanent`,
		),
		...behind("net", 0, "0.0.0.0/0", "::/0"),
		...behind("ap", 1, "10.1.0.0/16", "2001:db8:1::/48"),
		...behind("aq", 2, "10.2.0.0/16", "2001:db8:2::/48"),
	];
}
