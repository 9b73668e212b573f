import assert from "node:assert/strict";
import { test } from "node:test";
import { decodePacket, layerOf } from "../../wire/decode.js";
import { wrongChecksums } from "../../wire/verify.js";
import { Heart, heartbeat, readHeartbeat } from "./heartbeat.js";

const SIDE = {
	dst: Buffer.from("020000000003", "hex"),
	src: Buffer.from("020000000004", "hex"),
};

function heart() {
	const sent: Buffer[] = [];
	const told: string[] = [];
	const subject = new Heart(
		{ nodeId: 7, peers: [8, 9], intervalMs: 10 },
		SIDE,
		1000,
		(frame) => sent.push(Buffer.from(frame)),
		(nodeId, alive) => told.push(`${nodeId} ${alive ? "lives" : "is silent"}`),
	);
	return { subject, sent, told };
}

function view(frame: Buffer): DataView {
	return new DataView(frame.buffer, frame.byteOffset, frame.length);
}

test("heartbeat: one to each peer an interval, by the clock", () => {
	const { subject, sent } = heart();
	assert.equal(subject.beat(1000), 1010);
	assert.equal(sent.length, 2);
	assert.equal(subject.beat(1009), 1010);
	assert.equal(subject.beat(1013), 1020);
	assert.equal(sent.length, 4);
	/* Kept from running: the rhythm stays, nothing is made up. */
	assert.equal(subject.beat(1047), 1050);
	assert.equal(sent.length, 6);
	const read = sent.slice(0, 2).map((f) => readHeartbeat(view(f), 0, f.length));
	assert.deepEqual(read, [
		{ asker: 7, to: 8 },
		{ asker: 7, to: 9 },
	]);
});

test("heartbeat: three missing in a row are silence, one is life", () => {
	const { subject, told } = heart();
	subject.hear(8, 7, 1015);
	subject.judge(1029);
	assert.deepEqual(told, ["8 lives"]);
	subject.judge(1030);
	assert.deepEqual(told, ["8 lives", "9 is silent"]);
	subject.hear(9, 7, 1040);
	subject.judge(1045);
	subject.judge(1046);
	assert.deepEqual(told.slice(2), ["9 lives", "8 is silent"]);
	/* Of nobody known, and for somebody else. */
	subject.hear(10, 7, 1047);
	subject.hear(8, 9, 1047);
	assert.equal(told.length, 4);
});

test("heartbeat: an OAM frame in order, and nothing else is taken for one", () => {
	const frame = heartbeat(SIDE, 7, 0x10008);
	const decoded = decodePacket(frame);
	assert.deepEqual(wrongChecksums(decoded), []);
	const nsh = layerOf(decoded, "nsh");
	assert.deepEqual([nsh?.oam, nsh?.spi, nsh?.si], [true, 0, 255]);
	const read = (change: (copy: Buffer) => void, bytes = frame.length) => {
		const copy = Buffer.from(frame);
		change(copy);
		return readHeartbeat(view(copy), 0, bytes);
	};
	const expected = { asker: 7, to: 0x10008 };
	assert.deepEqual(
		read(() => {}),
		expected,
	);
	/* Its TTL may have been counted down. */
	assert.deepEqual(
		read((copy) => copy.writeUInt16BE(0x2f86, 50)),
		expected,
	);
	assert.equal(
		read(() => {}, frame.length - 1),
		undefined,
	);
	/* No O bit, another SPI, index or kind, another port or EtherType. */
	for (const [at, value] of [
		[50, 0x0f],
		[55, 1],
		[57, 254],
		[65, 1],
		[37, 0],
		[13, 1],
	] as const)
		assert.equal(
			read((copy) => copy.writeUInt8(value, at)),
			undefined,
		);
});
