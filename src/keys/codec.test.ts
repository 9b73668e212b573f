import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
	decodeAucMessage,
	decodeEfMessage,
	decodeEnrolReply,
	decodeEnrolRequest,
	encodeAucMessage,
	encodeEfMessage,
	encodeEnrolment,
	MessageError,
} from "./codec.js";
import type { AucMessage, EfMessage } from "./messages.js";
import { entryOfLink } from "./testing/fixtures.js";

const sa = { eSpi: 1, eSi: 255, generation: 9 };
const session = "s";
const fromEf: readonly EfMessage[] = [
	{ type: "hello", boot: "b" },
	{
		type: "report",
		session,
		held: [{ ...sa, role: "sender", ageMs: 0, active: true }],
	},
	{ type: "done", session, step: "install", sa },
	{ type: "refuse", session, step: "switch", sa, reason: "ü", floor: 3 },
	{ type: "expire", session, sa, soft: true, by: "seq-overflow" },
	{ type: "usage", session, uses: [{ sa, bytes: 1, packets: 2 }] },
];
const fromAuc: readonly AucMessage[] = [
	{ type: "challenge", boot: "b", session },
	{ type: "accepted", session, keep: [sa] },
	{ type: "switch", session, sa },
	{ type: "remove", session, sa },
	{ type: "noted", session, sa, soft: false },
	{ type: "stale", session },
];

test("every message arrives as it was sent", () => {
	for (const one of fromEf)
		assert.deepEqual(decodeEfMessage(encodeEfMessage(one)), one);
	for (const one of fromAuc)
		assert.deepEqual(decodeAucMessage(encodeAucMessage(one)), one);
});

test("so does what enrols an EF, and hostile forms of it do not", () => {
	const hex = "0".repeat(64);
	const request = {
		type: "enrol-sign",
		ef: "a",
		nonce: hex,
		request: "PEM",
		proof: hex,
	} as const;
	const reply = {
		type: "enrolled",
		nonce: hex,
		certificate: "PEM",
		proof: hex,
	} as const;
	const asked = encodeEnrolment(request);
	assert.deepEqual(decodeEnrolRequest(asked), request);
	assert.deepEqual(decodeEnrolReply(encodeEnrolment(reply)), reply);
	for (const bad of [
		{ ...request, ef: "" },
		{ ...request, proof: "00" },
		{ ...request, request: "x".repeat(20_000) },
		reply,
	]) {
		const bytes = encodeEnrolment(bad);
		assert.throws(() => decodeEnrolRequest(bytes), MessageError);
	}
	assert.throws(() => decodeEnrolReply(asked), MessageError);
	assert.throws(() => decodeEfMessage(asked), MessageError);
});

test("a key travels behind the JSON, once, and is wiped on arrival", () => {
	const entry = entryOfLink(1, "sender");
	const frame = encodeAucMessage({ type: "install", session, entry });
	const key = entry.key.reveal();
	assert.equal(frame.indexOf(key), frame.length - key.length);
	const arrived = decodeAucMessage(frame);
	assert.ok(arrived.type === "install");
	assert.ok(arrived.entry.key.equals(key));
	assert.equal(frame.indexOf(key), -1);
	const { key: _, ...rest } = arrived.entry;
	const { key: __, ...sent } = entry;
	assert.deepEqual(rest, sent);
});

test("what is no message is a MessageError that quotes nothing of it", () => {
	const entry = entryOfLink(1, "sender");
	const install = encodeAucMessage({ type: "install", session, entry });
	const hello = encodeEfMessage({ type: "hello", boot: "b" });
	const bad: readonly Buffer[] = [
		Buffer.alloc(0),
		Buffer.alloc(3),
		Buffer.from([0xff, 0xff, 0xff, 0xff]),
		Buffer.from([0, 0, 0, 1, 0x7b]),
		hello.subarray(0, -1),
		Buffer.concat([hello, Buffer.from("more")]),
		install.subarray(0, -1),
		Buffer.concat([install, Buffer.from([0])]),
		...[
			{ type: "hello" },
			{ type: "hello", boot: "" },
			{ type: "hello", boot: "b", more: 1 },
			{ type: "done", session, step: "jump", sa },
			{ type: "done", session, step: "switch", sa: { ...sa, eSpi: 0 } },
			{ type: "done", session, step: "switch", sa: { ...sa, eSi: 256 } },
			{ type: "done", session, step: "switch", sa: { ...sa, generation: 0.5 } },
			null,
			[],
		].map((value) => {
			const json = Buffer.from(JSON.stringify(value));
			const length = Buffer.alloc(4);
			length.writeUInt32BE(json.length);
			return Buffer.concat([length, json]);
		}),
	];
	for (const bytes of bad) {
		for (const decode of [decodeEfMessage, decodeAucMessage]) {
			assert.throws(() => decode(Buffer.from(bytes)), MessageError);
		}
	}
});

test("hostile bytes end in a MessageError, or in a message", () => {
	const good = [
		...fromEf.map(encodeEfMessage),
		...fromAuc.map(encodeAucMessage),
	];
	fc.assert(
		fc.property(
			fc.constantFrom(...good),
			fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
				maxLength: 4,
			}),
			(frame, changes) => {
				const bytes = Buffer.from(frame);
				for (const [at, value] of changes) bytes[at % bytes.length] = value;
				for (const decode of [decodeEfMessage, decodeAucMessage]) {
					try {
						assert.ok(decode(Buffer.from(bytes)).type);
					} catch (error) {
						assert.ok(error instanceof MessageError, `${error}`);
					}
				}
			},
		),
	);
});
