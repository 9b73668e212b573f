/** What every engine of an encryption function must do: one suite for all. */
import assert from "node:assert/strict";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { test } from "node:test";
import type { EfEngine, EfUsage } from "../../src/functions/ef/engine.js";
import type { RefusalName } from "../../src/functions/ef/refusal.js";
import type { SaEvent, SaSpec } from "../../src/functions/ef/sa.js";
import { ipv4, ipv6, packet, raw, udp } from "../../src/wire/build.js";
import { decodePacket, layerOf } from "../../src/wire/decode.js";
import {
	decodeEsp,
	decodeEspPayload,
	encodeEsp,
	encodeEspPayload,
	espAad,
	espNonce,
} from "../../src/wire/esp.js";
import { IpProto } from "../../src/wire/ipv4.js";

/** An engine, and its two sides. */
export interface Subject {
	readonly engine: EfEngine;
	/** All that was told of SAs so far. */
	readonly events: readonly SaEvent[];
	/** What dummies count as, where the engine does not tell them apart. */
	readonly dummies?: RefusalName;
	/** IP packets go in on one side; those that came out on the other, in order. */
	give(
		from: "inside" | "outside",
		packets: readonly Buffer[],
	): Promise<Buffer[]>;
	close(): Promise<void>;
}

const TUNNELS = {
	ipv4: { src: "192.0.2.1", dst: "192.0.2.2" },
	ipv6: { src: "2001:db8::1", dst: "2001:db8::2" },
} as const;

/** One SA, of which the test knows both ends. */
class Association {
	readonly key: Buffer;
	readonly salt = randomBytes(4);
	readonly spi = 256 + Math.floor(Math.random() * 1e9);
	readonly tunnel: { readonly src: string; readonly dst: string };

	constructor(
		readonly options: {
			readonly keyBytes?: 16 | 32;
			readonly extended?: boolean;
			readonly tunnel?: keyof typeof TUNNELS;
		} = {},
	) {
		this.key = randomBytes(options.keyBytes ?? 16);
		this.tunnel = TUNNELS[options.tunnel ?? "ipv4"];
	}

	get extended(): boolean {
		return this.options.extended ?? false;
	}

	/** For an engine, which takes the copies of the secrets. */
	spec(
		direction: "out" | "in",
		more: Pick<SaSpec, "lastSequence" | "soft" | "hard"> = {},
	): SaSpec {
		const { spi, tunnel, extended } = this;
		const key = new Uint8Array(this.key);
		const salt = new Uint8Array(this.salt);
		const transform = "esp";
		return {
			direction,
			transform,
			spi,
			key,
			salt,
			tunnel,
			extended,
			path: 0,
			...more,
		};
	}

	/** As another implementation would send it, here node:crypto and wire/esp. */
	seal(
		sequence: bigint,
		inner: Buffer,
		change: {
			readonly plaintext?: Buffer;
			readonly ecn?: number;
		} = {},
	): Buffer {
		const { spi } = this;
		const iv = randomBytes(8);
		const [high, low] = halves(sequence);
		const cipher = createCipheriv(
			this.#algorithm,
			this.key,
			espNonce(this.salt, iv),
		);
		cipher.setAAD(espAad(spi, low, this.extended ? high : undefined));
		const ciphertext = cipher.update(
			change.plaintext ?? encodeEspPayload(inner, protocolOf(inner)),
		);
		cipher.final();
		const icv = cipher.getAuthTag();
		const esp = raw(encodeEsp({ spi, sequence: low, iv, ciphertext, icv }));
		const { ecn = 0 } = change;
		return this.options.tunnel === "ipv6"
			? packet(ipv6({ ...this.tunnel, proto: IpProto.esp, ecn }), esp)
			: packet(ipv4({ ...this.tunnel, proto: IpProto.esp, ecn }), esp);
	}

	/** Number and content of what an engine has sealed. */
	open(sealed: Buffer, high = 0): { sequence: bigint; inner: Buffer } {
		const [outer] = decodePacket(sealed, "ip").layers;
		assert.ok(outer && (outer.kind === "ipv4" || outer.kind === "ipv6"));
		const { src, dst, proto } = outer.header;
		assert.deepEqual(
			{ src, dst, proto },
			{ ...this.tunnel, proto: IpProto.esp },
		);
		const { header } = decodeEsp(sealed, outer.kind === "ipv4" ? 20 : 40);
		assert.equal(header.spi, this.spi);
		const nonce = espNonce(this.salt, header.iv);
		const decipher = createDecipheriv(this.#algorithm, this.key, nonce);
		const aad = espAad(
			header.spi,
			header.sequence,
			this.extended ? high : undefined,
		);
		decipher.setAAD(aad).setAuthTag(header.icv);
		const plaintext = decipher.update(header.ciphertext);
		decipher.final();
		const { payload, nextHeader } = decodeEspPayload(plaintext);
		assert.equal(nextHeader, protocolOf(Buffer.from(payload)));
		return {
			sequence: (BigInt(high) << 32n) | BigInt(header.sequence),
			inner: Buffer.from(payload),
		};
	}

	get #algorithm() {
		return this.key.length === 16 ? "aes-128-gcm" : "aes-256-gcm";
	}
}

function halves(sequence: bigint): [high: number, low: number] {
	return [Number(sequence >> 32n), Number(sequence & 0xffffffffn)];
}

function protocolOf(inner: Buffer): number {
	return (inner[0] ?? 0) >> 4 === 6 ? IpProto.ipv6 : IpProto.ipv4;
}

function user4(bytes = 100, ecn = 0, content = randomBytes(bytes)): Buffer {
	const ends = { src: "10.1.0.1", dst: "10.2.0.1", ecn };
	return packet(ipv4(ends), udp({ dport: 9 }), raw(content));
}

function user6(bytes = 100): Buffer {
	const ends = { src: "fd00:1::1", dst: "fd00:2::1" };
	return packet(ipv6(ends), udp({ dport: 9 }), raw(randomBytes(bytes)));
}

/** Runs the suite; `open` gives a new engine for each test. */
export function conformance(
	name: string,
	open: () => Promise<Subject>,
	skip: string | false = false,
): void {
	const check = (title: string, body: (subject: Subject) => Promise<void>) =>
		test(`${name}: ${title}`, { skip }, async () => {
			const subject = await open();
			try {
				await body(subject);
			} finally {
				await subject.close();
			}
		});

	for (const keyBytes of [16, 32] as const)
		for (const extended of [false, true])
			for (const tunnel of ["ipv4", "ipv6"] as const) {
				const numbers = extended ? "extended" : "short";
				check(
					`AES-${8 * keyBytes}, ${numbers} numbers, over ${tunnel}: out and in`,
					async ({ engine, give }) => {
						const sa = new Association({ keyBytes, extended, tunnel });
						const packets = [0, 1, 2, 3, 700, 1300].flatMap((bytes) => [
							user4(bytes),
							user6(bytes),
						]);
						await engine.install(sa.spec("out"));
						const sealed = await give("inside", packets);
						assert.deepEqual(
							sealed.map((packet) => sa.open(packet)),
							packets.map((inner, i) => ({ sequence: BigInt(i + 1), inner })),
						);
						await engine.install(sa.spec("in"));
						assert.deepEqual(await give("outside", sealed), packets);
						const { out, in: back } = await engine.usage();
						const bytes = packets.reduce((sum, { length }) => sum + length, 0);
						for (const traffic of [out, back])
							assert.deepEqual(
								[traffic.packets, traffic.bytes],
								[packets.length, bytes],
							);
					},
				);
			}

	check("opens what another implementation has sealed", async (subject) => {
		const sa = new Association();
		await subject.engine.install(sa.spec("in"));
		const packets = [user4(), user6()];
		const sealed = packets.map((inner, i) => sa.seal(BigInt(i + 1), inner));
		assert.deepEqual(await subject.give("outside", sealed), packets);
		/* Between packet and padding there may be anything (RFC 4303 §2.7). */
		const inner = user4();
		const hidden = Buffer.concat([inner, randomBytes(200)]);
		const plaintext = encodeEspPayload(hidden, IpProto.ipv4);
		assert.deepEqual(
			await subject.give("outside", [sa.seal(3n, inner, { plaintext })]),
			[inner],
		);
	});

	check("takes each packet once, late ones within 1,024", async (subject) => {
		const sa = new Association();
		await subject.engine.install(sa.spec("in"));
		const at = (sequence: bigint) =>
			sa.seal(sequence, user4(Number(sequence % 7n)));
		await refuses(subject, [at(0n)], "replayed");
		const [first, late] = [at(5n), at(3n)];
		await passes(subject, [first, late]);
		await refuses(subject, [first, late], "replayed");
		await passes(subject, [at(2000n), at(977n)]);
		await refuses(subject, [at(976n)], "tooOld");
		await refuses(subject, [at(5n)], "tooOld");
	});

	check("what is forged uses no number up", async (subject) => {
		const sa = new Association();
		await subject.engine.install(sa.spec("in"));
		const genuine = sa.seal(7n, user4());
		for (const bit of [0, 3, 20, 60, 100]) {
			/* Number, IV, ciphertext and ICV. */
			const at = bit === 100 ? genuine.length - 1 : 20 + 4 + bit;
			const forged = Buffer.from(genuine);
			forged[at] = (forged[at] ?? 0) ^ 1;
			await refuses(subject, [forged], "badIcv");
		}
		await passes(subject, [genuine]);
		await refuses(subject, [genuine], "replayed");
	});

	check("numbers turn over where they are extended", async (subject) => {
		const sa = new Association({ extended: true });
		const turn = 1n << 32n;
		await subject.engine.install(sa.spec("out", { lastSequence: turn - 2n }));
		const packets = [user4(), user4(), user4()];
		const sealed = await subject.give("inside", packets);
		assert.deepEqual(
			sealed.map((packet, i) => sa.open(packet, i === 0 ? 0 : 1)),
			packets.map((inner, i) => ({ sequence: turn - 1n + BigInt(i), inner })),
		);
		await subject.engine.install(sa.spec("in", { lastSequence: turn - 4n }));
		const [before, ...after] = sealed;
		assert.ok(before);
		assert.deepEqual(await subject.give("outside", [...after, before]), [
			...packets.slice(1),
			packets[0],
		]);
		await refuses(subject, sealed, "replayed");
	});

	check("sends nothing beyond the last number", async (subject) => {
		for (const extended of [false, true]) {
			const sa = new Association({ extended });
			const lastSequence = (extended ? 1n << 64n : 1n << 32n) - 3n;
			await subject.engine.install(sa.spec("out", { lastSequence }));
			const sealed = await subject.give("inside", [user4(), user4(), user4()]);
			assert.equal(sealed.length, 2);
			const told = { direction: "out", spi: sa.spi, limit: "sequence" };
			assert.deepEqual(
				subject.events.filter(({ spi }) => spi === sa.spi),
				[
					{ kind: "expiring", ...told },
					{ kind: "expired", ...told },
				],
			);
			await subject.engine.remove("out", sa.spi);
		}
		assert.equal((await subject.engine.usage()).out.refused.expired, 2);
	});

	for (const direction of ["out", "in"] as const)
		for (const limit of ["packets", "bytes"] as const)
			check(`${direction}: a limit of ${limit} is kept`, async (subject) => {
				const sa = new Association();
				const inner = user4();
				const unit = limit === "packets" ? 1 : inner.length;
				await subject.engine.install(
					sa.spec(direction, {
						soft: { [limit]: 2 * unit },
						hard: { [limit]: 3 * unit },
					}),
				);
				const packets = [1n, 2n, 3n, 4n, 5n].map((n) =>
					direction === "out" ? inner : sa.seal(n, inner),
				);
				const side = direction === "out" ? "inside" : "outside";
				const passed = await subject.give(side, packets);
				assert.equal(passed.length, 3);
				const told = { direction, spi: sa.spi, limit };
				assert.deepEqual(subject.events, [
					{ kind: "expiring", ...told },
					{ kind: "expired", ...told },
				]);
				const usage = await subject.engine.usage();
				assert.equal(usage[direction].refused.expired, 2);
				const [carried] = usage.sas;
				assert.deepEqual(
					[carried?.packets, carried?.bytes, carried?.expired],
					[3, 3 * inner.length, true],
				);
			});

	check("a successor takes over between two packets", async (subject) => {
		const [old, young] = [new Association(), new Association()];
		await subject.engine.install(old.spec("out"));
		await subject.engine.install(old.spec("in"));
		const inner = user4();
		const [before] = await subject.give("inside", [inner]);
		await subject.engine.install(young.spec("in"));
		await subject.engine.install(young.spec("out"));
		const [after] = await subject.give("inside", [inner]);
		assert.ok(before && after);
		assert.deepEqual(young.open(after), { sequence: 1n, inner });
		assert.deepEqual(await subject.give("outside", [after, before]), [
			inner,
			inner,
		]);
		const gone = await subject.engine.remove("in", old.spi);
		assert.deepEqual([gone?.packets, gone?.lastSequence], [1, 1n]);
		assert.equal(await subject.engine.remove("in", old.spi), undefined);
		await refuses(subject, [old.seal(2n, inner)], "unknownSpi");
	});

	check("nothing is ever let through as it came", async (subject) => {
		const sa = new Association();
		assert.deepEqual(await subject.give("inside", [user4(), user6()]), []);
		await subject.engine.install(sa.spec("in"));
		await refuses(subject, [user4(), user6()], "notEsp");
		const { out } = await subject.engine.usage();
		assert.equal(out.refused.unknownPath, 2);
	});

	check("genuine packets without sense are malformed", async (subject) => {
		const sa = new Association();
		await subject.engine.install(sa.spec("in"));
		const inner = user4();
		const nonsense: Buffer[] = [
			/* IPv4 that says it is IPv6; transport mode; a length beyond the end. */
			encodeEspPayload(inner, IpProto.ipv6),
			encodeEspPayload(inner.subarray(20), IpProto.udp),
			encodeEspPayload(inner.subarray(0, 40), IpProto.ipv4),
			/* Padding longer than all; padding of zeroes. */
			Buffer.from([0, 0, 9, IpProto.ipv4]),
			Buffer.concat([inner.subarray(0, 20), Buffer.from([0, 0, 2, 4])]),
		];
		await refuses(
			subject,
			nonsense.map((plaintext, i) =>
				sa.seal(BigInt(i + 1), inner, { plaintext }),
			),
			"malformed",
		);
		const dummy = encodeEspPayload(randomBytes(64), IpProto.noNext);
		await refuses(
			subject,
			[sa.seal(9n, inner, { plaintext: dummy })],
			subject.dummies ?? "dummy",
		);
		const sealed = sa.seal(10n, inner);
		const short = packet(
			ipv4({ ...sa.tunnel, proto: IpProto.esp }),
			raw(sealed.subarray(20, 20 + 34)),
		);
		await refuses(subject, [short], "malformed");
		await passes(subject, [sealed]);
	});

	check("congestion on the way is passed on", async (subject) => {
		const sa = new Association();
		await subject.engine.install(sa.spec("in"));
		const content = randomBytes(50);
		const [incapable, capable, , congested] = [0, 1, 2, 3].map((ecn) =>
			user4(50, ecn, content),
		);
		assert.ok(incapable && capable && congested);
		const marked = { ecn: 3 };
		assert.deepEqual(
			await subject.give("outside", [sa.seal(1n, capable, marked)]),
			[congested],
		);
		await refuses(subject, [sa.seal(2n, incapable, marked)], "congested");
		await subject.engine.install(sa.spec("out"));
		const [out] = await subject.give("inside", [capable]);
		assert.ok(out);
		assert.equal(layerOf(decodePacket(out, "ip"), "ipv4")?.ecn, 1);
	});

	check(
		"SAs that cannot be are refused, their secrets wiped",
		async ({ engine }) => {
			const sa = new Association();
			const wrong: [Partial<SaSpec>, RegExp][] = [
				[{ spi: 0 }, /SPI is 0/],
				[{ key: new Uint8Array(24).fill(7) }, /24 bytes/],
				[{ salt: new Uint8Array(8).fill(7) }, /8 bytes/],
				[{ lastSequence: 1n << 32n }, /does not fit/],
				[{ tunnel: { src: "192.0.2.1", dst: "2001:db8::1" } }, /two families/],
				[{ hard: { bytes: 0 } }, /not above 0/],
			];
			for (const [change, message] of wrong) {
				const spec = { ...sa.spec("out"), ...change };
				await assert.rejects(engine.install(spec), message);
				for (const secret of [spec.key, spec.salt])
					assert.ok(secret.every((byte) => byte === 0));
			}
			const good = sa.spec("out");
			await engine.install(good);
			assert.ok([...good.key, ...good.salt].every((byte) => byte === 0));
			await assert.rejects(engine.install(sa.spec("out")), /already/);
		},
	);
}

async function passes({ give }: Subject, packets: Buffer[]): Promise<void> {
	assert.equal((await give("outside", packets)).length, packets.length);
}

/** All of them, under this reason and no other. */
async function refuses(
	{ engine, give }: Subject,
	packets: Buffer[],
	reason: RefusalName,
): Promise<void> {
	const before = await engine.usage();
	assert.deepEqual(await give("outside", packets), []);
	const after = await engine.usage();
	const more = Object.entries(after.in.refused)
		.map(([name, count]) => [
			name,
			count - before.in.refused[name as RefusalName],
		])
		.filter(([, count]) => count !== 0);
	assert.deepEqual(more, [[reason, packets.length]]);
}

/** Packets that an engine has dealt with, either way. */
export function settled({ out, in: back }: EfUsage): number {
	return [out, back]
		.flatMap(({ packets, refused }) => [packets, ...Object.values(refused)])
		.reduce((sum, count) => sum + count, 0);
}
