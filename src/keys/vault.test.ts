import assert from "node:assert/strict";
import { test } from "node:test";
import { Auc } from "./auc.js";
import { newAuc } from "./auc-state.js";
import { Secret } from "./secret.js";
import { LINK, noise } from "./testing/fixtures.js";
import { TUNING } from "./tuning.js";
import { seal, unseal, VaultError } from "./vault.js";

const KEK = noise(9)(32);
const PRECONFIGURED = "a pre-configured key of 32 bytes";
const kek = () => new Secret(Buffer.from(KEK));

/** With a key on its way, and one to enrol with. */
function busy(): Auc {
	const auc = new Auc({ tuning: TUNING, random: noise(1), nowMs: 1 });
	const key = new Secret(Buffer.from(PRECONFIGURED));
	auc.handle({ type: "configure", nowMs: 1, ef: "a", key });
	auc.handle({ type: "declare", nowMs: 1, links: [LINK] });
	auc.handle({
		type: "revoke",
		nowMs: 1,
		target: { node: "c" },
		by: "operator",
	});
	return auc;
}

/** Its links' state with keys in hexadecimal. */
function shown({ state }: Auc): string {
	const plain = (_: string, value: unknown) =>
		value instanceof Map || value instanceof Set ? [...value] : value;
	const keys = [...state.enrolments.values()].map(({ key }) => key);
	const hex = keys.map((key) => key.reveal().toString("hex"));
	return JSON.stringify([state, hex], plain);
}

test("what was sealed is what comes out, and the centre goes on with it", () => {
	const auc = busy();
	const sealed = seal(auc.state, kek(), noise(2));
	const state = unseal(sealed, kek());
	const again = new Auc({ tuning: TUNING, random: noise(3), nowMs: 1, state });
	assert.deepEqual(JSON.parse(shown(again)), JSON.parse(shown(auc)));
	assert.match(shown(again), /"install-receiver".*"c"/);
	assert.equal(again.nextMs, auc.nextMs);
	assert.deepEqual(unseal(seal(newAuc(), kek(), noise(2)), kek()), newAuc());
});

test("a link that its SAs share is written once, and is one again", () => {
	const { state } = busy();
	const [held] = state.links.values();
	assert.ok(held?.sas[0]);
	const bytes = () => seal(state, kek(), noise(2)).length;
	const one = bytes();
	held.sas.push({ ...held.sas[0] });
	const sa = bytes() - one;
	held.sas.push({ ...held.sas[0], link: { ...LINK } });
	const other = bytes() - one - sa;
	assert.ok(sa < 110 && other > sa + 60, `${sa} bytes, and ${other}`);
	const again = unseal(seal(state, kek(), noise(2)), kek());
	const [back] = again.links.values();
	assert.equal(back?.link, back?.sas[1]?.link);
	assert.equal(back?.link, [...again.desired.values()][0]);
});

test("no key is in it, and no two are alike", () => {
	const auc = busy();
	const one = seal(auc.state, kek(), noise(2));
	const two = seal(auc.state, kek(), noise(3));
	for (const key of [KEK, Buffer.from(PRECONFIGURED)]) {
		for (const form of [key, key.toString("hex"), key.toString("base64")]) {
			assert.ok(!one.includes(form));
		}
	}
	assert.ok(!one.includes("install-receiver"));
	assert.ok(!one.subarray(50).equals(two.subarray(50)));
});

test("another KEK, any changed bit and any cut are refused, with their cause", () => {
	const sealed = seal(busy().state, kek(), noise(2));
	const other = new Secret(noise(8)(32));
	assert.throws(() => unseal(sealed, other), /key is another one/);
	assert.throws(
		() => unseal(sealed, new Secret(Buffer.alloc(16))),
		/not 32 bytes long/,
	);
	assert.throws(() => unseal(Buffer.from("{}"), kek()), /is no snapshot/);
	const version = Buffer.from(sealed);
	version[5] = 2;
	assert.throws(() => unseal(version, kek()), /version 2, not 1/);
	for (let at = 0; at < sealed.length; at++) {
		const bad = Buffer.from(sealed);
		bad.writeUInt8(bad.readUInt8(at) ^ 1, at);
		assert.throws(() => unseal(bad, kek()), VaultError, `byte ${at}`);
	}
	for (const length of [0, 10, 50, sealed.length - 1]) {
		assert.throws(() => unseal(sealed.subarray(0, length), kek()), VaultError);
	}
});
