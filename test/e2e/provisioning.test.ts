/**
 * What changes of sealed paths and their keys cost the traffic on them: nothing.
 * Three providers with controller, agents and encryption functions as processes,
 * driven by the command line, 1,000 packets a second both ways.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Calls, Providers } from "../../lab/providers.js";
import { until } from "./until.js";

/** Rekeys of each link that the stream sees. */
const REKEYS = 3;

describe("calls that run", () => {
	let providers: Providers;
	before(async () => {
		providers = await Providers.open();
		await providers.apply({ encrypt: "never", mail: true });
	});
	after(async () => providers?.close());

	const newest = async (): Promise<Map<string, number>> =>
		new Map(
			(await providers.links()).map(({ path, index, sas }) => [
				`${path}/${index}`,
				Math.max(...sas.map(({ generation }) => generation)),
			]),
		);

	/** Where calls go, in the order of the way there: instances and sealed hops. */
	async function way(): Promise<string[]> {
		const out = (await providers.paths()).filter(
			({ direction, hops }) =>
				direction === "forward" && hops[0]?.node === "isp-a",
		);
		assert.equal(out.length, 1);
		return (out[0]?.hops ?? []).flatMap(({ kind, instance, sealed, to }) =>
			kind === "node" ? `${sealed ?? "plain"} to ${to}` : (instance ?? []),
		);
	}

	/** Not one packet is missing, either way, whatever `happens`. */
	async function losesNothing(happens: () => Promise<void>): Promise<void> {
		const stream = await providers.stream();
		try {
			await happens();
		} catch (error) {
			await stream.stop();
			throw error;
		}
		const { sent, lost, lostBothWays } = await stream.stop();
		assert.ok(sent > 100, `${sent} were sent`);
		const why = (await providers.counters()).map(({ node, drops, ef }) => ({
			node,
			drops: drops.filter(({ packets }) => packets > 0),
			ef,
		}));
		assert.deepEqual([lost, lostBothWays], [0, 0], JSON.stringify(why));
	}

	async function change(calls: Calls): Promise<void> {
		await losesNothing(async () => {
			await providers.apply(calls);
			await providers.settled();
		});
	}

	it("are sealed, by encryption functions that are there", async () => {
		const efs = [providers.efPid("isp-a"), providers.efPid("isp-b")];
		await change({ encrypt: "between-nodes", mail: true });
		assert.deepEqual(await way(), ["esp to isp-b", "b1", "esp to isp-c"]);
		assert.deepEqual([providers.efPid("isp-a"), providers.efPid("isp-b")], efs);
	});

	it("go another sealed way", async () => {
		await change({ encrypt: "between-nodes", mail: true, scanner: "c1" });
		assert.deepEqual(await way(), ["esp to isp-c", "c1"]);
		const before = await providers.passed("c1");
		await losesNothing(() =>
			until("it is taken", async () => (await providers.passed("c1")) > before),
		);
		await change({ encrypt: "between-nodes", mail: true });
		assert.deepEqual(await way(), ["esp to isp-b", "b1", "esp to isp-c"]);
	});

	it("fall under another rule, with another chain", async () => {
		const rule = { terms: " & dport=7000-7999", chain: "scanner -> filter" };
		await change({ encrypt: "between-nodes", mail: true, ...rule });
		assert.deepEqual(await way(), ["esp to isp-b", "b1", "b2", "esp to isp-c"]);
	});

	/* Every second is for bench/: what a machine then has time for decides it. */
	it("have other keys every three seconds", async () => {
		const rekey = { seconds: 3 };
		await change({ encrypt: { when: "between-nodes", rekey }, mail: true });
		const before = await newest();
		assert.equal(before.size, 8, "two hops, both ways, begun at either end");
		await losesNothing(() =>
			until(
				`each link has had ${REKEYS} new keys`,
				async () => {
					const after = await newest();
					return [...before].every(
						([link, generation]) =>
							(after.get(link) ?? 0) >= generation + REKEYS,
					);
				},
				60_000,
			),
		);
	});

	it("have keys that live longer, on the paths they have", async () => {
		const paths = (await providers.paths()).map(({ spi }) => spi);
		const rekey = { seconds: 3600 };
		await losesNothing(async () => {
			await providers.apply({
				encrypt: { when: "between-nodes", rekey },
				mail: true,
			});
			await until("they do", async () =>
				(await providers.links()).every(
					({ nextRekeyMs }) => (nextRekeyMs ?? 0) > 60_000,
				),
			);
		});
		assert.deepEqual(
			(await providers.paths()).map(({ spi }) => spi),
			paths,
		);
	});
});
