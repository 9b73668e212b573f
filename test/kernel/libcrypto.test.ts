import assert from "node:assert/strict";
import { createCipheriv, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import type { AesGcmKey } from "../../src/kernel/aes-gcm.js";
import { KernelError } from "../../src/kernel/error.js";
import { MbAesGcm } from "../../src/kernel/ipsec-mb.js";
import { AesGcm } from "../../src/kernel/libcrypto.js";
import { Memory } from "../../src/kernel/memory.js";
import { dataTest } from "../data.js";
import { Random, REPLAY, SEED } from "../random.js";

const AT = { nonce: 0, tag: 32, aad: 64, from: 1024, to: 4096 };
const memory = Memory.allocate(8192);
const { address } = memory;

function put(at: number, bytes: Uint8Array): void {
	memory.bytes.set(bytes, at);
}

function seal(key: AesGcmKey, aadBytes: number, bytes: number) {
	const { nonce, aad, from, to, tag } = AT;
	key.seal(
		address + nonce,
		address + aad,
		aadBytes,
		address + from,
		bytes,
		address + to,
		address + tag,
	);
	return {
		ciphertext: Buffer.from(memory.bytes.subarray(to, to + bytes)),
		tag: Buffer.from(memory.bytes.subarray(tag, tag + 16)),
	};
}

function open(key: AesGcmKey, aadBytes: number, bytes: number) {
	const { nonce, aad, from, to, tag } = AT;
	const genuine = key.open(
		address + nonce,
		address + aad,
		aadBytes,
		address + from,
		bytes,
		address + to,
		memory,
		tag,
	);
	return genuine
		? Buffer.from(memory.bytes.subarray(to, to + bytes))
		: undefined;
}

interface Wycheproof {
	readonly testGroups: readonly {
		readonly keySize: number;
		readonly ivSize: number;
		readonly tagSize: number;
		readonly tests: readonly Record<
			"key" | "iv" | "aad" | "msg" | "ct" | "tag" | "result" | "comment",
			string
		>[];
	}[];
}

/** Every library passes the same. */
const LIBRARIES = [
	{
		name: "libcrypto",
		make: (direction: "seal" | "open", key: Uint8Array): AesGcmKey =>
			new AesGcm(direction, key),
		skip: false,
	},
	{
		name: "libIPSec_MB",
		make: (_: "seal" | "open", key: Uint8Array): AesGcmKey => new MbAesGcm(key),
		skip: MbAesGcm.available
			? false
			: "no libIPSec_MB (apt-get install libipsec-mb1), or no AES of AVX2",
	},
] as const;

for (const { name, make, skip } of LIBRARIES) {
	if (skip === false)
		dataTest(
			`${name}: Wycheproof's vectors, valid and invalid ones`,
			(data) => {
				const file = join(data, "esp/wycheproof_aes_gcm_test.json");
				const { testGroups } = JSON.parse(
					readFileSync(file, "utf8"),
				) as Wycheproof;
				const seen = { valid: 0, invalid: 0 };
				for (const { keySize, ivSize, tagSize, tests } of testGroups) {
					if (keySize === 192 || ivSize !== 96 || tagSize !== 128) continue;
					for (const vector of tests) {
						const hex = (name: "key" | "iv" | "aad" | "msg" | "ct" | "tag") =>
							Buffer.from(vector[name], "hex");
						const [aad, message, ciphertext] = [
							hex("aad"),
							hex("msg"),
							hex("ct"),
						];
						put(AT.nonce, hex("iv"));
						put(AT.aad, aad);
						put(AT.tag, hex("tag"));
						put(AT.from, ciphertext);
						const opener = make("open", hex("key"));
						const opened = open(opener, aad.length, ciphertext.length);
						opener.free();
						if (vector.result === "invalid") {
							assert.equal(opened, undefined, vector.comment);
							seen.invalid++;
							continue;
						}
						assert.deepEqual(opened, message, vector.comment);
						put(AT.from, message);
						const sealer = make("seal", hex("key"));
						const sealed = seal(sealer, aad.length, message.length);
						sealer.free();
						assert.deepEqual(sealed.ciphertext, ciphertext, vector.comment);
						assert.deepEqual(sealed.tag, hex("tag"), vector.comment);
						seen.valid++;
					}
				}
				assert.ok(seen.valid > 50 && seen.invalid > 40, JSON.stringify(seen));
			},
		);

	test(`${name}: one context encrypts packet after packet as node:crypto does`, {
		skip,
	}, () => {
		const random = new Random(SEED);
		for (const keyBytes of [16, 32]) {
			const secret = randomBytes(keyBytes);
			const key = make("seal", Buffer.from(secret));
			for (let i = 0; i < 200; i++) {
				const bytes = random.below(2000) + 1;
				const aadBytes = random.pick([8, 12]);
				const nonce = randomBytes(12);
				const aad = randomBytes(aadBytes);
				const message = randomBytes(bytes);
				put(AT.nonce, nonce);
				put(AT.aad, aad);
				put(AT.from, message);
				const twin = createCipheriv(
					keyBytes === 16 ? "aes-128-gcm" : "aes-256-gcm",
					secret,
					nonce,
				);
				twin.setAAD(aad);
				const ciphertext = twin.update(message);
				twin.final();
				assert.deepEqual(
					seal(key, aadBytes, bytes),
					{ ciphertext, tag: twin.getAuthTag() },
					REPLAY,
				);
			}
			key.free();
		}
	});

	test(`${name}: a forged packet spoils none that follow`, { skip }, () => {
		const secret = randomBytes(16);
		const sealer = make("seal", Buffer.from(secret));
		const opener = make("open", Buffer.from(secret));
		const message = randomBytes(100);
		put(AT.from, message);
		const { ciphertext } = seal(sealer, 8, 100);
		put(AT.from, ciphertext);
		assert.deepEqual(open(opener, 8, 100), message);
		memory.bytes[AT.tag] = (memory.bytes[AT.tag] ?? 0) ^ 1;
		assert.equal(open(opener, 8, 100), undefined);
		memory.bytes[AT.tag] = (memory.bytes[AT.tag] ?? 0) ^ 1;
		assert.deepEqual(open(opener, 8, 100), message);
		sealer.free();
		opener.free();
	});

	test(`${name}: keys are wiped, shown nowhere, and gone when freed`, {
		skip,
	}, () => {
		const secret = Buffer.from("0123456789abcdef");
		const key = make("seal", secret);
		assert.deepEqual(secret, Buffer.alloc(16));
		assert.doesNotMatch(inspect(key, { showHidden: true }), /0123|3031/);
		key.free();
		key.free();
		assert.throws(() => seal(key, 8, 16), /freed already/);

		const odd = Buffer.from("0123456789");
		assert.throws(
			() => make("open", odd),
			(error) =>
				error instanceof KernelError &&
				/it has 10 bytes/.test(error.message) &&
				!inspect(error).includes("0123456789"),
		);
		assert.deepEqual(odd, Buffer.alloc(10));
	});
}
