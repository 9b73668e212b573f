/** Frames made wrong in all the ways a sender may try. */
import type { Random } from "../../../src/plan/random.js";

/** An Ethernet header. */
const SHORTEST = 14;
/** What PROG_TEST_RUN can hold: a page less its head and tail room. */
export const LONGEST = 3000;
const IP = 14;
const EXTREMES = [0, 1, 0x0f, 0x10, 0x40, 0x60, 0x7f, 0x80, 0xff];

/** PROG_TEST_RUN takes no frame that ends inside an untagged IP header. */
export function isRunnable(frame: Buffer): boolean {
	if (frame.length < SHORTEST) return false;
	const header = IP_HEADERS.get(frame.readUInt16BE(12)) ?? 0;
	return frame.length >= SHORTEST + header;
}

const IP_HEADERS = new Map([
	[0x0800, 20],
	[0x86dd, 40],
]);

/** With an 802.1Q tag, which hides the IP header's end from PROG_TEST_RUN. */
export function tagged(frame: Buffer, tag: number): Buffer {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt16BE(0x8100, 0);
	bytes.writeUInt16BE(tag, 2);
	return insert(frame, 12, bytes);
}

/** The frame cut at every length there is. */
export function* truncations(frame: Buffer): Generator<Buffer> {
	for (let length = SHORTEST; length < frame.length; length++) {
		const part = frame.subarray(0, length);
		yield isRunnable(part) ? part : tagged(part, 0);
	}
}

/** One to three wrongs at once; `other` is a frame to take a tail from. */
export function mutated(random: Random, frame: Buffer, other: Buffer): Buffer {
	let result = frame;
	for (let i = 1 + random.below(3); i > 0; i--)
		result = random.pick(MUTATIONS)(random, Buffer.from(result), other);
	if (result.length < SHORTEST || result.length > LONGEST) return frame;
	return isRunnable(result) ? result : tagged(result, 0);
}

type Mutation = (random: Random, frame: Buffer, other: Buffer) => Buffer;

const MUTATIONS: readonly Mutation[] = [
	flipBits,
	flipBits,
	setExtreme,
	setExtreme,
	setWord,
	cut,
	insertTag,
	insertExtension,
	insertFragment,
	randomBytes,
	splice,
	lengthen,
];

/** Near the front, where headers are. */
function somewhere(random: Random, frame: Buffer): number {
	const end = random.chance(80) ? Math.min(frame.length, 110) : frame.length;
	return Math.min(frame.length - 1, 12 + random.below(Math.max(1, end - 12)));
}

function flipBits(random: Random, frame: Buffer): Buffer {
	for (let i = 1 + random.below(4); i > 0; i--) {
		const at = somewhere(random, frame);
		frame[at] = (frame[at] ?? 0) ^ (1 << random.below(8));
	}
	return frame;
}

function setExtreme(random: Random, frame: Buffer): Buffer {
	frame[somewhere(random, frame)] = random.pick(EXTREMES);
	return frame;
}

/** Length fields are words: total length, payload length, UDP's length. */
function setWord(random: Random, frame: Buffer): Buffer {
	const at = Math.min(somewhere(random, frame) & ~1, frame.length - 2);
	const near = frame.length - random.below(80);
	frame.writeUInt16BE(random.pick([0, 1, 20, 0xffff, Math.max(0, near)]), at);
	return frame;
}

function cut(random: Random, frame: Buffer): Buffer {
	return frame.subarray(0, SHORTEST + random.below(frame.length));
}

function insertTag(random: Random, frame: Buffer): Buffer {
	const tag = Buffer.alloc(4);
	tag.writeUInt16BE(random.pick([0x8100, 0x8100, 0x88a8]), 0);
	tag.writeUInt16BE(random.pick([0, 100, 4095, random.below(65536)]), 2);
	return insert(frame, 12, tag);
}

/** An extension header of IPv6 behind the fixed one, of any length it may claim. */
function insertExtension(random: Random, frame: Buffer): Buffer {
	if (frame.length < IP + 40 || (frame[IP] ?? 0) >> 4 !== 6) return frame;
	const extension = Buffer.alloc(8 * (1 + random.below(4)), 1);
	extension[0] = frame[IP + 6] ?? 0;
	extension[1] = random.chance(70)
		? extension.length / 8 - 1
		: random.pick(EXTREMES);
	frame[IP + 6] = random.pick([0, 43, 51, 60, 135]);
	return insert(grown(frame, extension.length), IP + 40, extension);
}

function insertFragment(random: Random, frame: Buffer): Buffer {
	if (frame.length < IP + 40) return frame;
	if ((frame[IP] ?? 0) >> 4 === 4) {
		frame.writeUInt16BE(random.below(65536), IP + 6);
		return frame;
	}
	const fragment = Buffer.alloc(8);
	fragment[0] = frame[IP + 6] ?? 0;
	fragment.writeUInt16BE(random.pick([0, 1, 8, 9, random.below(65536)]), 2);
	fragment.writeUInt32BE(random.below(4), 4);
	frame[IP + 6] = 44;
	return insert(grown(frame, 8), IP + 40, fragment);
}

/** IPv6's payload length, for bytes that are put in. */
function grown(frame: Buffer, bytes: number): Buffer {
	const length = frame.readUInt16BE(IP + 4) + bytes;
	frame.writeUInt16BE(length & 0xffff, IP + 4);
	return frame;
}

function randomBytes(random: Random, frame: Buffer): Buffer {
	const from = somewhere(random, frame);
	const to = from + random.below(24);
	for (let at = from; at < Math.min(to, frame.length); at++)
		frame[at] = random.below(256);
	return frame;
}

function splice(random: Random, frame: Buffer, other: Buffer): Buffer {
	const at = somewhere(random, frame);
	return Buffer.concat([
		frame.subarray(0, at),
		other.subarray(Math.min(other.length, somewhere(random, other))),
	]);
}

function lengthen(random: Random, frame: Buffer): Buffer {
	const more = random.pick([1, 40, 1400, 2000]);
	return Buffer.concat([frame, Buffer.alloc(more, random.below(256))]);
}

function insert(frame: Buffer, at: number, bytes: Buffer): Buffer {
	return Buffer.concat([frame.subarray(0, at), bytes, frame.subarray(at)]);
}
