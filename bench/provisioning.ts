/**
 * What a flow is without while sealed paths change, keys change and nodes die:
 * the encrypted-chain paper's Table 1 as ours. 1,000 packets a second go through
 * three providers and back, so that a lost packet is a millisecond.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Calls, Providers } from "../lab/providers.js";
import { type Figure, median, round } from "./lib/figure.js";
import type { Measurement } from "./lib/report.js";

const CHANGES = 3;
const FAILURES = 5;
const FULL = 5;
/** Of a stream, before something happens and after it. */
const CALM_MS = 500;
const REKEY_MS = 20_000;
const POLL_MS = 50;
/** After a failure, and until a node that came back is used again. */
const PATIENCE_MS = 60_000;

/** Its Table 1, ms. */
const PAPER = {
	soft: 1200,
	rule: 100,
	rekey: 5000,
	full: 206_000,
	failover: 211_000,
} as const;

const WORDS = {
	kill: "whose programs are killed",
	hang: "that loses its power",
} as const;

const SEALED: Calls = { encrypt: "between-nodes", mail: true };

export async function provisioning(): Promise<Measurement> {
	return {
		figures: [
			...(await fullProvisioning()),
			...(await withProviders(changes)),
			...(await withProviders((open) => failover(open, true, "kill"))),
			...(await withProviders((open) => failover(open, false, "kill"))),
			...(await withProviders((open) => failover(open, false, "hang"))),
		],
	};
}

async function withProviders<T>(
	measure: (open: Providers) => Promise<T>,
): Promise<T> {
	const providers = await Providers.open();
	try {
		return await measure(providers);
	} finally {
		await providers.close();
	}
}

/** Of packets that go and come back: how many are missing, and the longest gap. */
interface Outage {
	readonly lostMs: number;
	readonly gapMs: number;
}

/** A stream around something that happens; a packet lost is a millisecond. */
async function outage(
	providers: Providers,
	happens: () => Promise<void>,
): Promise<Outage> {
	const stream = await providers.stream();
	await delay(CALM_MS);
	await happens();
	await delay(CALM_MS);
	const { lostBothWays, longestGapMs } = await stream.stop();
	return { lostMs: lostBothWays, gapMs: longestGapMs };
}

/** From `chainmail apply`, to nodes that have nothing, to the first packet. */
async function fullProvisioning(): Promise<Figure[]> {
	const tookMs: number[] = [];
	while (tookMs.length < FULL)
		tookMs.push(
			await withProviders((one) =>
				one.firstPacketMs({ encrypt: "between-nodes" }),
			),
		);
	return [
		{
			figure: "full provisioning, from `apply` to the first packet",
			value: round(median(tookMs)),
			unit: "ms",
			baseline: PAPER.full,
			reach: "<= 2000",
			runs: FULL,
		},
	];
}

async function changes(providers: Providers): Promise<Figure[]> {
	const change = async (to: Calls): Promise<Outage> =>
		outage(providers, async () => {
			await providers.apply(to);
			await providers.settled();
		});
	await providers.apply({ ...SEALED, encrypt: "never" });
	const soft: Outage[] = [];
	const moved: Outage[] = [];
	const ruled: Outage[] = [];
	for (let run = 0; run < CHANGES; run++) {
		soft.push(await change(SEALED));
		moved.push(await change({ ...SEALED, scanner: "c1" }));
		ruled.push(
			await change({
				...SEALED,
				terms: " & dport=7000-7999",
				chain: "scanner -> filter",
			}),
		);
		await providers.apply({ ...SEALED, encrypt: "never" });
		await providers.settled();
	}
	return [
		...lossless("soft provisioning: the flow is sealed", soft, PAPER.soft),
		...lossless("the same: to another sealed path", moved, PAPER.soft),
		...lossless("flow-rule change of a sealed flow", ruled, PAPER.rule),
		...(await rekeys(providers, 5)),
		...(await rekeys(providers, 1)),
	];
}

async function rekeys(
	providers: Providers,
	seconds: number,
): Promise<Figure[]> {
	const encrypt = { when: "between-nodes", rekey: { seconds } } as const;
	await providers.apply({ ...SEALED, encrypt });
	await providers.settled();
	const newest = async () =>
		(await providers.links()).map(({ sas }) =>
			Math.max(...sas.map(({ generation }) => generation)),
		);
	const before = await newest();
	const seen = await outage(providers, () => delay(REKEY_MS));
	const after = await newest();
	const fewest = Math.min(...after.map((one, i) => one - (before[i] ?? 0)));
	const due = Math.floor(REKEY_MS / 1000 / seconds);
	if (fewest < due)
		throw new Error(
			`rekey every ${seconds} s: a link had ${fewest} new keys in ${REKEY_MS / 1000} s (see its encryption functions' logs)`,
		);
	return lossless(
		`rekey every ${seconds} s, over ${REKEY_MS / 1000} s`,
		[seen],
		PAPER.rekey,
	);
}

/** The worst of all runs: one lost packet is one too many. */
function lossless(
	figure: string,
	outages: readonly Outage[],
	paperMs: number,
): Figure[] {
	return [
		{
			figure: `${figure}, packets lost (1 ms each)`,
			value: Math.max(...outages.map(({ lostMs }) => lostMs)),
			unit: "ms",
			baseline: paperMs,
			reach: "<= 0",
			runs: outages.length,
		},
	];
}

async function failover(
	providers: Providers,
	protect: boolean,
	ends: "kill" | "hang",
): Promise<Figure[]> {
	await providers.apply({ encrypt: { when: "between-nodes", protect } });
	const failures: Outage[] = [];
	const returns: Outage[] = [];
	while (failures.length < FAILURES) {
		await carriedBy(providers, "b1");
		failures.push(
			await outage(providers, async () => {
				await providers[ends]("isp-b");
				await passes(providers, "c1");
			}),
		);
		returns.push(
			await outage(providers, async () => {
				await providers.revive("isp-b");
				await passes(providers, "b1");
			}),
		);
	}
	const way = protect ? "protected" : "unprotected";
	const name = `failover, ${way}, of a node ${WORDS[ends]}`;
	const figure = (which: string, value: number): Figure => ({
		figure: `${name}, ${which}`,
		value: round(value),
		unit: "ms",
		baseline: PAPER.failover,
		reach: protect ? "<= 100" : "<= 3000",
		runs: FAILURES,
	});
	const lost = failures.map(({ lostMs }) => lostMs);
	return [
		figure("median", median(lost)),
		figure("longest", Math.max(...lost)),
		figure("longest gap", Math.max(...failures.map(({ gapMs }) => gapMs))),
		{
			...figure(
				"back to the node, most lost",
				Math.max(...returns.map(({ lostMs }) => lostMs)),
			),
			baseline: 0,
			reach: "<= 0",
		},
	];
}

/** Waits until calls go by an instance, with traffic of its own. */
async function carriedBy(
	providers: Providers,
	instance: string,
): Promise<void> {
	await outage(providers, () => passes(providers, instance));
}

/** Waits until an instance gives back packets that were not there before. */
async function passes(providers: Providers, instance: string): Promise<void> {
	const before = await providers.passed(instance);
	const endMs = performance.now() + PATIENCE_MS;
	while ((await providers.passed(instance)) <= before) {
		if (performance.now() > endMs)
			throw new Error(
				`provisioning: no packet through ${instance} in ${PATIENCE_MS / 1000} s`,
			);
		await delay(POLL_MS);
	}
}
