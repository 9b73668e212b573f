/** Messages out of a stream, in whatever pieces it comes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Random } from "../plan/random.js";
import { MessageError } from "./codec.js";
import { Deframer, framed } from "./framing.js";

describe("framing", () => {
	it("gives messages back however the stream is cut", () => {
		const seed = Number(process.env.CHAINMAIL_SEED ?? Date.now() % 100_000);
		const random = new Random(seed);
		const messages = Array.from({ length: 50 }, (_, i) =>
			Buffer.alloc(1 + random.below(300), i),
		);
		const stream = Buffer.concat(
			messages.map((message) => framed(Buffer.from(message))),
		);
		const deframer = new Deframer();
		const found: Buffer[] = [];
		for (let at = 0; at < stream.length; ) {
			const bytes = 1 + random.below(9);
			found.push(
				...deframer.push(Buffer.from(stream.subarray(at, at + bytes))),
			);
			at += bytes;
		}
		assert.deepEqual(found, messages, `seed ${seed}`);
	});

	it("takes several messages in one piece", () => {
		const stream = Buffer.concat([
			framed(Buffer.from("a")),
			framed(Buffer.from("bc")),
		]);
		assert.deepEqual(new Deframer().push(stream).map(String), ["a", "bc"]);
	});

	it("refuses a message that is too long, or empty", () => {
		for (const length of [9, 0]) {
			const head = Buffer.alloc(4);
			head.writeUInt32BE(length);
			assert.throws(() => new Deframer(() => 8).push(head), MessageError);
		}
	});

	it("keeps nothing of a key where it has passed", () => {
		const message = Buffer.from("key");
		const frame = framed(message);
		assert.deepEqual(message, Buffer.alloc(3));
		new Deframer().push(frame);
		assert.deepEqual(frame, Buffer.alloc(7));
	});
});
