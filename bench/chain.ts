/**
 * A chain of routed functions on one node, against Linux policy routing through
 * the same functions.
 */
import { type Figure, figureOf, measurePairs } from "./lib/figure.js";
import type { Measurement } from "./lib/report.js";
import { Chainmail } from "./systems/chainmail.js";
import { PlainRouting } from "./systems/plain-routing.js";
import { PolicyRouting } from "./systems/policy-routing.js";
import { closeAll } from "./systems/system.js";

const LENGTHS = [1, 3, 5, 10];
const PAIRS = 9;
const NODE = "node";

export async function chain(): Promise<Measurement> {
	const plain = await PlainRouting.open();
	try {
		const figures: Figure[] = [];
		for (const length of LENGTHS)
			figures.push(...(await compare(length, plain)));
		return { figures };
	} finally {
		await plain.close();
	}
}

async function compare(length: number, plain: PlainRouting): Promise<Figure[]> {
	const through = `through ${length} function${length === 1 ? "" : "s"}`;
	const nodes = Array<string>(length).fill(NODE);
	const open: (Chainmail | PolicyRouting)[] = [];
	try {
		const chainmail = await Chainmail.open([NODE], nodes);
		open.push(chainmail);
		const routing = await PolicyRouting.open(length);
		open.push(routing);
		return [
			await measurePairs(
				{
					figure: `TCP ${through}`,
					unit: "Gbit/s",
					reach: ">= 1.0",
					pairs: PAIRS,
				},
				() => chainmail.throughput(),
				() => routing.throughput(),
			),
			await measurePairs(
				{
					figure: `64-byte UDP ${through}`,
					unit: "kpps",
					...(length >= 3 && { reach: ">= 1.3" }),
					pairs: PAIRS,
				},
				() => chainmail.packets(),
				() => routing.packets(),
			),
			...(await roundTrips(through, chainmail, routing, plain)),
		];
	} finally {
		await closeAll(open);
	}
}

/** Whole, and what the chain adds to user, server and the way between them. */
async function roundTrips(
	through: string,
	chainmail: Chainmail,
	routing: PolicyRouting,
	plain: PlainRouting,
): Promise<Figure[]> {
	const values: number[] = [];
	const baselines: number[] = [];
	const floors: number[] = [];
	for (let run = 0; run < PAIRS; run++) {
		floors.push(await plain.roundTrip());
		values.push(await chainmail.roundTrip());
		baselines.push(await routing.roundTrip());
	}
	const floor = (i: number) => floors[i] ?? Number.NaN;
	return [
		figureOf(
			{ figure: `round trip ${through}`, unit: "µs", reach: "<= 0.8" },
			values,
			baselines,
		),
		figureOf(
			{ figure: `added to the round trip ${through}`, unit: "µs" },
			values.map((value, i) => value - floor(i)),
			baselines.map((value, i) => value - floor(i)),
		),
	];
}
