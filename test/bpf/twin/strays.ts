/** Packets that begin in the middle: at a function's port, or at the underlay. */
import assert from "node:assert/strict";
import type { Random } from "../../../src/plan/random.js";
import { replyTo } from "../../../src/plan/twin/flows.js";
import { Network } from "../../../src/plan/walk.js";
import { functionMac } from "../world.js";
import { arrival } from "./arrivals.js";
import { compare } from "./conversation.js";
import type { Field } from "./field.js";
import { type Held, heldKey, INSIDE, OUTSIDE, portName } from "./kernel.js";
import { KINDS, NODES, nameOf, underlayOf } from "./network.js";
import {
	answering,
	framesOf,
	PLAIN,
	randomShape,
	tunnelled,
} from "./packets.js";
import { dropped } from "./ways.js";

/** Packets that come back late, at every change. */
const LATE = 100;

/** A function sends what it was never given. */
export function forge(field: Field, random: Random): void {
	const node = nameOf(random.pick(NODES));
	const port = random.pick([1, 2, 3, 4] as const);
	const tap = KINDS[port] === "tap";
	const side = tap ? INSIDE : random.pick([INSIDE, OUTSIDE]);
	const { start, shape } = field.randomStart(random);
	const { packet } = start;
	/* What it was given, and answers to it, by either side, are its own. */
	const { held } = field.kernel;
	if (
		held.has(heldKey(node, port, side, packet)) ||
		held.has(heldKey(node, port, INSIDE, replyTo(packet))) ||
		held.has(heldKey(node, port, OUTSIDE, replyTo(packet)))
	)
		return;
	const expected = dropped(node, tap ? "port_tap" : "port_unbound");
	fromPort(field, { node, port, side, packet }, shape, expected);
	field.count("forged");
}

/** Functions give back what they got on paths that have gone since, or have come anew. */
export function giveBackLate(field: Field, random: Random): void {
	const old = [...field.kernel.held.values()].filter(
		({ spi, epoch }) => !field.isStill(spi, epoch),
	);
	for (let i = 0; i < LATE && old.length > 0; i++) {
		const held = random.pick(old);
		/* An error has the tuple of what it was about: any type does. */
		const icmpType = held.packet.family === 4 ? 8 : 128;
		const packet = { ...held.packet, icmpType };
		fromPort(field, { ...held, packet }, PLAIN, dropped(held.node, "no_path"));
		const again = field.network.routes.some(
			({ spi }) => spi === held.spi || spi + 1 === held.spi,
		);
		field.count(again ? "late on another path" : "late");
	}
}

function fromPort(
	field: Field,
	{ node, port, side, packet }: Pick<Held, "node" | "port" | "side" | "packet">,
	shape: typeof PLAIN,
	expected: string,
): void {
	const { kernel } = field;
	const on = portName(port, side);
	const macs = {
		src: functionMac(on),
		dst: kernel.world(node).interface(on).mac,
	};
	const [frame] = framesOf(packet, shape, macs);
	assert.ok(frame);
	const run = { program: "port", on, frame } as const;
	const { word } = kernel.arrive(node, run, packet, true, 0);
	field.agree(word, expected, { node, interface: on, packet }, frame);
}

/** Another node sends a packet at any place of any path. */
export function fromElsewhere(field: Field, random: Random): void {
	const node = nameOf(random.pick(NODES));
	const { start } = field.randomStart(random);
	const route = random.pick(field.network.routes);
	const place = {
		spi: random.chance(95) ? route.spi + random.below(2) : 9_998,
		si: random.chance(80) ? 255 - random.below(6) : random.below(256),
		ttl: random.pick([0, 1, 2, 60, random.below(64)]),
	};
	const index = new Network([field.state(node)]).nodes.get(node);
	const expected = index && arrival(index, place);
	if (!expected) return;
	for (const port of expected.taps) field.give(node, port);
	const { nodeId } = field.state(node);
	const { kernel, epoch } = field;
	const frame = tunnelled(place, start.packet, {
		src: underlayOf((nodeId % NODES.length) + 1),
		dst: underlayOf(nodeId),
		mac: kernel.world(node).interface("up").mac,
	});
	const run = { program: "underlay", on: "up", frame } as const;
	const { word, to } = kernel.arrive(node, run, start.packet, true, epoch);
	if (to?.kind === "port") field.give(node, to.port);
	field.count("arrivals");
	field.agree(word, expected.word, { ...start, node, interface: "up" }, frame);
}

/** IP without a tunnel: often an answer to what a rule would judge. */
export function withoutTunnel(field: Field, random: Random): void {
	const { start } = field.randomStart(random);
	const packet = random.chance(70)
		? answering(replyTo(start.packet))
		: start.packet;
	const at = { node: start.node, interface: "up", packet };
	compare(field, at, randomShape(random, packet));
	field.count("plain");
}
