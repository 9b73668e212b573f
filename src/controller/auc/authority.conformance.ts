/** What every way to a centre must do: in the same process, and from another. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import type { AuditRecord } from "../../keys/audit.js";
import { Secret } from "../../keys/secret.js";
import { espSpi } from "../../keys/spi.js";
import type { KeyAuthority } from "./authority.js";
import { linkFrom, Site, sharedKey, until } from "./testing/site.js";

const READY_MS = 10_000;
const LINK = linkFrom("a", "b");
const BACK = linkFrom("b", "a", 6);

export function conformsToKeyAuthority(
	name: string,
	open: (site: Site) => Promise<KeyAuthority>,
): void {
	const check = (
		what: string,
		work: (authority: KeyAuthority, site: Site) => Promise<void>,
	) =>
		test(`${name}: ${what}`, async () => {
			const site = new Site();
			try {
				const authority = await open(site);
				await work(authority, site);
			} finally {
				await site.close();
			}
		});

	check(
		"EFs enrol, and links get keys before they are ready",
		async (authority, site) => {
			const [a, b] = [
				await site.enrolled("a", authority),
				await site.enrolled("b", authority),
			];
			await authority.declare([LINK, BACK]);
			assert.deepEqual(await authority.ready([LINK, BACK], READY_MS), []);
			assert.ok(sharedKey(LINK, a, b));
			assert.ok(sharedKey(BACK, b, a));
			assert.notEqual(sharedKey(LINK, a, b), sharedKey(BACK, b, a));
			const { links, present, revoked } = await authority.status();
			assert.deepEqual(
				links.map(({ link, isReady }) => [link, isReady]),
				[
					[LINK, true],
					[BACK, true],
				],
			);
			assert.deepEqual([...present].sort(), ["a", "b"]);
			assert.deepEqual(revoked, []);
			a.use(7);
			await until("the use is told", async () => {
				const [first] = (await authority.status()).links;
				return first?.sas.at(-1)?.packets === 7;
			});
		},
	);

	check(
		"ready names what has no keys when the time is over",
		async (authority, site) => {
			await site.enrolled("a", authority);
			await authority.declare([LINK]);
			assert.deepEqual(await authority.ready([LINK], 100), [LINK]);
			assert.deepEqual(await authority.ready([BACK], 0), [BACK], "unknown");
			const gone = AbortSignal.abort();
			assert.deepEqual(await authority.ready([LINK], READY_MS, gone), [LINK]);
		},
	);

	check(
		"what is declared no more loses its keys at both ends",
		async (authority, site) => {
			const a = await site.enrolled("a", authority);
			const b = await site.enrolled("b", authority);
			await authority.declare([LINK]);
			await authority.ready([LINK], READY_MS);
			await authority.declare([]);
			await until("keys are gone", () => a.loaded.size + b.loaded.size === 0);
		},
	);

	check(
		"another lifetime takes another key, without a gap",
		async (authority, site) => {
			const a = await site.enrolled("a", authority);
			const b = await site.enrolled("b", authority);
			await authority.declare([LINK]);
			await authority.ready([LINK], READY_MS);
			const before = sharedKey(LINK, a, b);
			const other = linkFrom("a", "b", 5, { algorithm: "aes-gcm-128" });
			await authority.declare([other]);
			assert.deepEqual(await authority.ready([other], READY_MS), []);
			const after = sharedKey(LINK, a, b);
			assert.ok(after && after !== before);
			await until("the old goes", () => a.loaded.size + b.loaded.size === 2);
		},
	);

	check(
		"rekey and revoke: by path, by node, by SA",
		async (authority, site) => {
			const a = await site.enrolled("a", authority);
			const b = await site.enrolled("b", authority);
			const records: AuditRecord[] = [];
			const stop = authority.follow((record) => records.push(record));
			await authority.declare([LINK]);
			await authority.ready([LINK], READY_MS);
			const seen = new Set([sharedKey(LINK, a, b)]);
			const next = async (what: string) => {
				await until(what, async () => {
					const key = sharedKey(LINK, a, b);
					/* One that is on its way would take the next request over. */
					const [link] = (await authority.status()).links;
					const isDone = link?.sas.every(({ phase }) => phase === "current");
					return key !== undefined && !seen.has(key) && isDone === true;
				});
				seen.add(sharedKey(LINK, a, b));
			};
			await authority.rekey({ eSpi: 5 });
			await next("rekeyed by path");
			await authority.rekey({ node: "b" });
			await next("rekeyed by node");
			await authority.revoke({ eSpi: 5 }, "tester");
			await next("path revoked");
			const { links } = await authority.status();
			const generation = links[0]?.sas.at(-1)?.generation ?? 0;
			await authority.revoke(
				{ spi: espSpi({ ...LINK, generation }) },
				"tester",
			);
			await next("SA revoked");
			for (const target of [{ eSpi: 99 }, { spi: 12_345 }]) {
				await assert.rejects(authority.revoke(target, "tester"), {
					code: "not_found",
				});
			}
			await assert.rejects(authority.rekey({ node: "c" }), {
				code: "not_found",
			});
			await until("told", () =>
				records.some((one) => one.what === "revoke" && one.by === "tester"),
			);
			stop();
		},
	);

	check(
		"a revoked node loses its keys, and its certificate",
		async (authority, site) => {
			const a = await site.enrolled("a", authority);
			const b = await site.enrolled("b", authority);
			await authority.declare([LINK]);
			await authority.ready([LINK], READY_MS);
			await authority.revoke({ node: "b" }, "tester");
			await until("its peer stops", () => a.active.size === 0);
			assert.deepEqual(await authority.ready([LINK], 50), [LINK]);
			assert.deepEqual((await authority.status()).revoked, ["b"]);
			b.close();
			const stolen = site.ef("b", b.at);
			stolen.start(null);
			await until("its certificate is refused", () => stolen.refused > 0);
			await assert.rejects(authority.admit("a", "tester"), {
				code: "not_found",
			});
			await authority.admit("b", "tester");
			stolen.close();
			/* The certificate that was revoked is of no use after that, either. */
			const again = site.ef("b", b.at);
			again.start(null);
			await until("it still is", () => again.refused > 0);
			assert.equal(again.loaded.size, 0);
			const key = again.start() ?? Buffer.alloc(0);
			await authority.configure("b", new Secret(key));
			assert.deepEqual(await authority.ready([LINK], READY_MS), []);
			assert.ok(sharedKey(LINK, a, again));
		},
	);

	check("refuses links that cannot be, and weak keys", async (authority) => {
		const loop = linkFrom("a", "a");
		await assert.rejects(authority.declare([loop]), /both ends/);
		const weak = new Secret(randomBytes(16));
		await assert.rejects(authority.configure("a", weak), /shorter/);
	});
}
