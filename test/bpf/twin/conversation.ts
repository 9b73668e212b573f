/** Packets, what answers them, and errors about them, through kernel and twin. */
import assert from "node:assert/strict";
import type { Packet } from "../../../src/model/packet.js";
import type { Random } from "../../../src/plan/random.js";
import type { Start, TraceStep } from "../../../src/plan/twin/trace.js";
import { formatMac } from "../../../src/wire/address.js";
import type { Field, Sent } from "./field.js";
import { type Journey, userMac } from "./kernel.js";
import { answering, errorAbout, framesOf, type Shape } from "./packets.js";
import { OUTSIDE, partyOf, randomAddress } from "./tenants.js";
import { choiceOf, dropped, wayOf } from "./ways.js";

/** The packet, what answers it, and now and then an error about it. */
export function thereAndBack(
	field: Field,
	random: Random,
	{ start, shape }: Sent,
): Start | undefined {
	const { left, home, chained, learned } = compare(field, start, shape);
	if (!home) return undefined;
	const { packet } = start;
	const translated = left.src !== packet.src || left.dst !== packet.dst;
	const back = compare(field, home, shape);
	if (back.chained && chained && field.tenantAt(start) > 0 && !learned)
		expectHome(field, start, back.journey);
	if (random.chance(10) && !translated && shape.fragmentId === undefined)
		compareError(field, random, home, left, shape);
	return home;
}

/** Every frame of the packet goes the twin's way. */
export function compare(field: Field, start: Start, shape: Shape) {
	let journey: Journey | undefined;
	let steps: TraceStep[] = [];
	const frames = framesOf(start.packet, shape, field.macs(start), start.vlan);
	for (const [nth, frame] of frames.entries()) {
		steps = field.sendTwin(start);
		journey = expect(field, start, frame, shape, nth, steps);
		if (nth + 1 < frames.length) sibling(field, start, shape);
	}
	assert.ok(journey);
	const { left } = journey;
	const reply = field.reply(steps, left);
	return {
		journey,
		left,
		home: reply && { ...reply, packet: answering(reply.packet) },
		chained: steps.some(({ kind }) => kind === "exit"),
		learned: steps.some((step) => step.kind === "flow" && step.learned),
	};
}

/** Fragments of another packet come in between: only their number differs. */
function sibling(field: Field, start: Start, shape: Shape): void {
	const { packet } = start;
	const other = { ...start, packet: { ...packet, sport: packet.sport ^ 1 } };
	const own = { ...shape, fragmentId: (shape.fragmentId ?? 0) ^ 1 };
	const macs = field.macs(other);
	const [frame] = framesOf(other.packet, own, macs, other.vlan);
	assert.ok(frame);
	expect(field, other, frame, own, 0, field.sendTwin(other));
}

function expect(
	field: Field,
	start: Start,
	frame: Buffer,
	shape: Shape,
	nth: number,
	steps: readonly TraceStep[],
): Journey {
	const { kernel, functions, epoch } = field;
	const journey = kernel.send(start, frame, shape, nth, functions, epoch);
	const choice = choiceOf(steps);
	const expected = { choice, way: wayOf(steps) };
	const actual = {
		choice: choice && kernel.chosen(start, field.dscpOf(start)),
		way: journey.way,
	};
	for (const word of journey.way) field.count(kindOf(word));
	field.count("packets");
	field.agree(actual, expected, start, frame, steps);
	if (steps.some(({ kind }) => kind === "pass"))
		field.agree(ttlOf(journey.frame), ttlOf(frame) - 1, start, frame, steps);
	return journey;
}

/** An ICMP error takes the way of the packet it would be about. */
function compareError(
	field: Field,
	random: Random,
	reply: Start,
	left: Packet,
	shape: Shape,
): void {
	const { family } = left;
	const tenant = field.tenantAt(reply);
	const own = tenant > 0 && random.chance(70);
	const prefixes = own ? partyOf(tenant).subnets : OUTSIDE;
	const errorFrom = randomAddress(random, prefixes, family);
	const icmpType = family === 4 ? 11 : 3;
	const start = { ...reply, errorFrom, packet: { ...reply.packet, icmpType } };
	const ends = { from: errorFrom, to: left.src };
	const macs = field.macs(start);
	const frame = errorAbout(left, ends, macs, start.vlan);
	expect(field, start, frame, shape, 0, field.sendTwin(start));
	field.count("errors");
	/* For somebody else than who sent what it quotes. */
	const to = randomAddress(random, OUTSIDE, family);
	if (to === left.src) return;
	const stray = errorAbout(left, { ...ends, to }, macs, start.vlan);
	const { way } = field.kernel.send(start, stray, shape, 0, field.functions, 0);
	field.agree(way, [dropped(start.node, "bad_header")], start, stray);
}

/** Replies go to the user's own MAC, whoever else has the address. */
function expectHome(field: Field, start: Start, { frame }: Journey): void {
	assert.equal(
		formatMac(frame.subarray(0, 6)),
		userMac(field.tenantAt(start)),
		`${field.label}: the reply to ${JSON.stringify(start)}`,
	);
	field.count("home");
}

/** TTL or hop limit. */
function ttlOf(frame: Buffer): number {
	const at = frame.readUInt16BE(12) === 0x8100 ? 18 : 14;
	return frame.readUInt8(at + (frame.readUInt8(at) >> 4 === 4 ? 8 : 7));
}

const kindOf = (word: string) =>
	word.replace(/^n\d /, "").replace(/ (to|by|at) .*$| \d+.*$/, "");
