import assert from "node:assert/strict";
import { createCipheriv, createDecipheriv } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { dataTest } from "../../test/data.js";
import { DecodeError } from "./bytes.js";
import {
	decodeEsp,
	decodeEspPayload,
	ESP,
	encodeEsp,
	encodeEspPayload,
	espAad,
	espNonce,
	espPadding,
} from "./esp.js";
import { decodeIpv4, IpProto } from "./ipv4.js";

interface Vector {
	readonly name: string;
	readonly key: string;
	readonly salt: string;
	readonly iv: string;
	readonly input: string;
	readonly output: string;
	readonly spi: string;
}

dataTest(
	"esp: takes the vectors of DPDK apart and builds them again",
	(data) => {
		const file = join(data, "esp/dpdk-ipsec-aes-128-gcm.json");
		const { vectors } = JSON.parse(readFileSync(file, "utf8")) as {
			vectors: Vector[];
		};
		assert.equal(vectors.length, 2);
		for (const vector of vectors) {
			const hex = (text: string) => Buffer.from(text, "hex");
			const packet = hex(vector.output);
			const { header, next } = decodeEsp(packet, decodeIpv4(packet).next);
			assert.equal(next, packet.length);
			assert.equal(header.spi, Number(vector.spi), vector.name);
			assert.equal(header.sequence, 1);
			assert.deepEqual(header.iv, hex(vector.iv));

			const nonce = espNonce(hex(vector.salt), header.iv);
			const aad = espAad(header.spi, header.sequence);
			const open = createDecipheriv("aes-128-gcm", hex(vector.key), nonce);
			open.setAAD(aad).setAuthTag(header.icv);
			const plaintext = Buffer.concat([
				open.update(header.ciphertext),
				open.final(),
			]);
			const { payload, nextHeader } = decodeEspPayload(plaintext);
			assert.deepEqual(payload, hex(vector.input), vector.name);
			assert.equal(nextHeader, IpProto.ipv4);

			const seal = createCipheriv("aes-128-gcm", hex(vector.key), nonce);
			seal.setAAD(aad);
			const ciphertext = seal.update(encodeEspPayload(payload, nextHeader));
			seal.final();
			const again = encodeEsp({
				...header,
				ciphertext,
				icv: seal.getAuthTag(),
			});
			assert.deepEqual(again, packet.subarray(20), vector.name);
		}
	},
);

test("esp: payloads of any length come back, padded to whole words", () => {
	fc.assert(
		fc.property(
			fc.uint8Array({ maxLength: 70 }),
			fc.integer({ min: 0, max: 255 }),
			(payload, nextHeader) => {
				const plaintext = encodeEspPayload(payload, nextHeader);
				assert.equal(plaintext.length % ESP.alignment, 0);
				const back = decodeEspPayload(plaintext);
				assert.deepEqual([...back.payload], [...payload]);
				assert.equal(back.nextHeader, nextHeader);
				assert.equal(back.padding, espPadding(payload.length));
			},
		),
	);
});

test("esp: any header comes back as it was", () => {
	const word = fc.integer({ min: 0, max: 0xffffffff });
	const exactly = (length: number) =>
		fc.uint8Array({ minLength: length, maxLength: length });
	fc.assert(
		fc.property(
			word,
			word,
			exactly(ESP.iv),
			fc.integer({ min: 1, max: 20 }).chain((words) => exactly(4 * words)),
			exactly(ESP.icv),
			(spi, sequence, iv, ciphertext, icv) => {
				const header = { spi, sequence, iv, ciphertext, icv };
				const back = decodeEsp(encodeEsp(header)).header;
				assert.deepEqual(encodeEsp(back), encodeEsp(header));
				assert.equal(back.spi, spi);
				assert.equal(back.sequence, sequence);
			},
		),
	);
});

test("esp: the authenticated words, short and extended", () => {
	assert.equal(espAad(0xa5f8, 1).toString("hex"), "0000a5f800000001");
	assert.equal(
		espAad(0xa5f8, 1, 7).toString("hex"),
		"0000a5f80000000700000001",
	);
});

test("esp: what is no ESP is refused with its reason", () => {
	const shortest = ESP.header + ESP.iv + ESP.alignment + ESP.icv;
	decodeEsp(Buffer.alloc(shortest));
	for (let length = 0; length < shortest; length++)
		assert.throws(() => decodeEsp(Buffer.alloc(length)), DecodeError);
	assert.throws(() => decodeEsp(Buffer.alloc(shortest + 1)), /whole words/);
	assert.throws(() => decodeEspPayload(Buffer.from([4])), /no trailer/);
	assert.throws(() => decodeEspPayload(Buffer.from([1, 2, 4])), /too long/);
	assert.throws(() => decodeEspPayload(Buffer.from([1, 3, 2, 4])), /1, 2, 3/);
});
