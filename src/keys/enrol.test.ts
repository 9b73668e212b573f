import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Random } from "../plan/random.js";
import { EnrolAuc, type EnrolAucCommand, type Enrolment } from "./enrol-auc.js";
import { EnrolEf } from "./enrol-ef.js";
import {
	type EnrolReply,
	type EnrolRequest,
	proofOf,
} from "./enrol-messages.js";
import { Secret } from "./secret.js";
import { TUNING } from "./tuning.js";

function noise(random: Random) {
	return (length: number) =>
		Buffer.from(Array.from({ length }, () => random.below(256)));
}

const KEY = Buffer.from("a pre-configured key of 32 bytes");
const NAME = "ef-1";

function parties(seed: number, keyOfEf = KEY) {
	const random = noise(new Random(seed));
	const enrolments = new Map<string, Enrolment>();
	const auc = new EnrolAuc(enrolments, random);
	auc.configure(NAME, new Secret(Buffer.from(KEY)));
	const ef = new EnrolEf({
		ef: NAME,
		key: new Secret(Buffer.from(keyOfEf)),
		request: "REQUEST",
		tuning: TUNING,
		random,
	});
	return { random, enrolments, auc, ef };
}

/** What the EF says next, as the centre's replies come in. */
function talk({ auc, ef }: Pick<ReturnType<typeof parties>, "auc" | "ef">) {
	const said: (EnrolRequest | EnrolReply)[] = [];
	let certificate: string | undefined;
	let audited = "";
	let todo = ef.time(0);
	while (todo.length > 0) {
		const [command] = todo.splice(0, 1);
		if (command?.type === "enrolled") certificate = command.certificate;
		if (command?.type !== "send") continue;
		said.push(command.message);
		const answers: EnrolAucCommand[] = auc.message(7, command.message);
		for (const answer of answers) {
			if (answer.type === "sign") {
				answers.push(...auc.signed(answer.ef, answer.request, "CERTIFICATE"));
			} else if (answer.type === "audit") {
				audited += `${answer.record.what} `;
			} else {
				said.push(answer.message);
				todo = [...todo, ...ef.message(answer.message, 0)];
			}
		}
	}
	return { said, certificate, audited };
}

test("both prove that they have the key, and it is never sent", () => {
	const both = parties(1);
	const { said, certificate, audited } = talk(both);
	assert.deepEqual(
		said.map(({ type }) => type),
		["enrol", "enrol-proof", "enrol-sign", "enrolled"],
	);
	assert.equal(certificate, "CERTIFICATE");
	assert.equal(audited, "enrolled ");
	const text = JSON.stringify(said);
	for (const encoding of ["utf8", "hex", "base64"] as const) {
		assert.ok(!text.includes(KEY.toString(encoding)));
	}
	assert.equal(both.ef.nextMs, Number.POSITIVE_INFINITY);
	/* Once the EF came with its certificate, the key opens nothing. */
	both.auc.forget(NAME);
	assert.deepEqual(
		talk({ ...parties(2), auc: both.auc }).certificate,
		undefined,
	);
});

test("with another key neither believes the other", () => {
	const other = Buffer.from("another key: quite as long, 32 b");
	const { said, certificate } = talk(parties(1, other));
	assert.equal(certificate, undefined);
	assert.deepEqual(
		said.map(({ type }) => type),
		["enrol", "enrol-proof"],
	);
	/* One that skips the check is refused by the centre. */
	const { auc } = parties(3);
	const [answer] = auc.message(1, { type: "enrol", ef: NAME, nonce: "n" });
	assert.ok(answer?.type === "reply" && answer.message.type === "enrol-proof");
	const { aucNonce, proof } = answer.message;
	const forged = proofOf(new Secret(other), "ef", NAME, "n", aucNonce, "R");
	for (const bad of [forged, proof, "", "ü"]) {
		const [refused] = auc.message(1, {
			type: "enrol-sign",
			ef: NAME,
			nonce: "n",
			request: "R",
			proof: bad,
		});
		assert.ok(refused?.type === "audit");
		assert.equal(refused.record.what, "enrol-refused");
	}
});

test("whatever is changed on the way, no certificate is believed", () => {
	fc.assert(
		fc.property(
			fc.integer({ min: 0, max: 3 }),
			fc.string({ minLength: 1, maxLength: 8 }),
			fc.nat(),
			(at, by, which) => {
				const { auc, ef } = parties(4);
				let message = 0;
				const spoil = <T extends object>(good: T): T => {
					if (message++ !== at) return good;
					const fields = Object.keys(good).filter((name) => name !== "type");
					const name = fields[which % fields.length] ?? "";
					const old = (good as Record<string, string>)[name];
					return { ...good, [name]: `${old}${by}` };
				};
				const proxy = {
					message: (connection: number, request: EnrolRequest) => {
						const answers = auc.message(connection, spoil(request));
						return answers.map((one) =>
							one.type === "reply"
								? { ...one, message: spoil(one.message) }
								: one,
						);
					},
					signed: (...args: Parameters<EnrolAuc["signed"]>) =>
						auc
							.signed(...args)
							.map((one) =>
								one.type === "reply"
									? { ...one, message: spoil(one.message) }
									: one,
							),
				} as EnrolAuc;
				const { certificate } = talk({ auc: proxy, ef });
				assert.equal(certificate, undefined);
			},
		),
	);
});

test("losses, doubles, a centre that starts anew: it enrols in the end", () => {
	for (let seed = 1; seed <= 200; seed++) {
		const random = new Random(seed);
		const both = parties(seed);
		const { ef, enrolments } = both;
		let { auc } = both;
		let certificate: string | undefined;
		let nowMs = 0;
		const replies: EnrolReply[] = [];
		const take = (commands: ReturnType<EnrolEf["time"]>) => {
			for (const command of commands) {
				if (command.type === "enrolled") {
					assert.equal(certificate, undefined, "enrolled twice");
					({ certificate } = command);
				} else if (!random.chance(30)) {
					for (const times of random.chance(20) ? [1, 2] : [1]) {
						const answers = auc.message(times, command.message);
						for (const answer of answers) {
							if (answer.type === "sign") {
								const { ef: name, request } = answer;
								answers.push(...auc.signed(name, request, "CERTIFICATE"));
							} else if (answer.type === "reply" && !random.chance(30)) {
								replies.push(answer.message);
							}
						}
					}
				}
			}
		};
		while (certificate === undefined && nowMs < 1_000_000) {
			nowMs = Math.max(nowMs, ef.nextMs);
			take(ef.time(nowMs));
			if (random.chance(10)) auc = new EnrolAuc(enrolments, both.random);
			while (replies.length > 0) {
				const at = random.below(replies.length);
				for (const reply of replies.splice(at, 1))
					take(ef.message(reply, nowMs));
			}
		}
		assert.equal(certificate, "CERTIFICATE", `seed ${seed}`);
	}
});

test("one that is signed once is not signed again, and a failure ends nothing", () => {
	const { auc, ef } = parties(5);
	const [hello] = ef.time(0);
	assert.ok(hello?.type === "send");
	const [proof] = auc.message(1, hello.message);
	assert.ok(proof?.type === "reply");
	const [sign] = ef.message(proof.message, 0);
	assert.ok(sign?.type === "send");
	const kinds = (commands: EnrolAucCommand[]) =>
		commands.map(({ type }) => type);
	assert.deepEqual(kinds(auc.message(1, sign.message)), ["sign"]);
	assert.deepEqual(kinds(auc.message(2, sign.message)), []);
	assert.deepEqual(kinds(auc.unsigned(NAME, "REQUEST", "no")), ["audit"]);
	assert.deepEqual(kinds(auc.message(3, sign.message)), ["sign"]);
	assert.deepEqual(kinds(auc.signed(NAME, "OTHER", "C")), []);
	assert.deepEqual(kinds(auc.signed(NAME, "REQUEST", "C")), ["audit", "reply"]);
	assert.deepEqual(kinds(auc.message(4, sign.message)), ["reply"]);
	assert.throws(
		() => auc.configure(NAME, new Secret(Buffer.alloc(31))),
		/shorter than 32/,
	);
});
