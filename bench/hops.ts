/**
 * TCP throughput through 1 to 25 functions with a pair of encryption functions
 * before each (the encrypted-chain paper's Figure 9), the same without
 * encryption, and what the processor time of one hop lets one expect.
 */
import { cpus } from "node:os";
import { type Figure, figureOf, median, round } from "./lib/figure.js";
import type { Plot } from "./lib/plot.js";
import type { Measurement } from "./lib/report.js";
import { Chainmail } from "./systems/chainmail.js";
import { closeAll } from "./systems/system.js";

const NODES = ["node1", "node2"] as const;
/**
 * Users are at the first node and the exit is at the second: a chain whose every
 * hop crosses between the two crosses an odd number of times.
 */
const LENGTHS = [1, 3, 5, 7, 11, 17, 25];
const ROUNDS = 5;
const SECONDS = 1;
/** How far below what is expected is still within what measurements swing. */
const REACH = ">= 0.9";

/** One length, measured in turn with encryption and without, Gbit/s. */
interface Measured {
	readonly length: number;
	readonly sealed: readonly number[];
	readonly plain: readonly number[];
	/** Processor time of both encryption functions for a gigabit, in seconds. */
	readonly efSecondsPerGbit: readonly number[];
}

export async function hops(): Promise<Measurement> {
	const all: Measured[] = [];
	for (const length of LENGTHS) all.push(await measure(length));
	const [first] = all;
	if (!first) throw new Error("hops: no length was measured");
	const hopSeconds = median(first.efSecondsPerGbit);
	const expected = expectation(first, hopSeconds);
	return {
		figures: [
			{
				figure: "processor time of one sealed hop, both ends and its function",
				value: round(hopSeconds),
				unit: "s/Gbit",
				runs: first.efSecondsPerGbit.length,
			},
			...all.map(({ length, sealed, plain }) =>
				figureOf(
					{
						figure: `TCP through ${named(length)}, sealed, against not`,
						unit: "Gbit/s",
					},
					sealed,
					plain,
				),
			),
			...all.slice(1).map((one) => against(one, expected(one.length))),
		],
		plots: [picture(all, expected)],
	};
}

/** The function of each hop is on the node where the packet is not. */
async function measure(length: number): Promise<Measured> {
	const at = Array.from(
		{ length },
		(_, i) => NODES[(i + 1) % NODES.length] ?? NODES[0],
	);
	const open: Chainmail[] = [];
	try {
		const sealed = await Chainmail.sealed(NODES, at);
		open.push(sealed);
		const plain = await Chainmail.open(NODES, at);
		open.push(plain);
		/* Compilers and caches get to know it. */
		await sealed.throughput(SECONDS);
		const rates = { sealed: [] as number[], plain: [] as number[] };
		const efSecondsPerGbit: number[] = [];
		const busy = () =>
			NODES.reduce((sum, node) => sum + sealed.efSeconds(node), 0);
		while (rates.sealed.length < ROUNDS) {
			const before = busy();
			const rate = await sealed.throughput(SECONDS);
			efSecondsPerGbit.push((busy() - before) / (rate * SECONDS));
			rates.sealed.push(rate);
			rates.plain.push(await plain.throughput(SECONDS));
		}
		return { length, ...rates, efSecondsPerGbit };
	} finally {
		await closeAll(open);
	}
}

/**
 * Throughput in Gbit/s by length: each further hop adds its processor time,
 * shared by all processors, to the time that a gigabit takes through one.
 */
function expectation(
	{ sealed }: Measured,
	hopSeconds: number,
): (length: number) => number {
	const first = 1 / median(sealed);
	const added = hopSeconds / cpus().length;
	return (length) => 1 / (first + (length - 1) * added);
}

function against({ length, sealed }: Measured, expected: number): Figure {
	return figureOf(
		{
			figure: `TCP through ${named(length)}, sealed, against what one hop's cost explains`,
			unit: "Gbit/s",
			reach: REACH,
		},
		sealed,
		sealed.map(() => expected),
	);
}

function picture(
	all: readonly Measured[],
	expected: (length: number) => number,
): Plot {
	const series = (name: string, value: (one: Measured) => number) => ({
		name,
		points: all.map((one): [number, number] => [one.length, round(value(one))]),
	});
	return {
		name: "throughput",
		title: "TCP throughput through functions on alternating nodes",
		x: {
			label: "functions, each with a pair of encryption functions",
			ticks: LENGTHS,
		},
		y: { label: "throughput, Gbit/s", log: true },
		series: [
			{
				...series("cost of a hop, added up", ({ length }) => expected(length)),
				reference: true,
			},
			series("encrypted", ({ sealed }) => median(sealed)),
			series("not encrypted", ({ plain }) => median(plain)),
		],
	};
}

function named(length: number): string {
	return `${length} function${length === 1 ? "" : "s"}`;
}
