/**
 * TCP throughput through 1 to 25 functions with a pair of encryption functions
 * before each (the encrypted-chain paper's Figure 9), the same without
 * encryption, and what the processor time of one hop lets one expect.
 */
import { cpus } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
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
const SECONDS = 2;
/** One alone would wait for its own window where the way is long. */
const CONNECTIONS = 8;
/** What an encryption function has counted is known a second later. */
const COUNTED_MS = 1500;
/** How far below what is expected is still within what measurements swing. */
const REACH = ">= 0.9";

/** One length, measured in turn with encryption and without, Gbit/s. */
interface Measured {
	readonly length: number;
	readonly sealed: readonly number[];
	readonly plain: readonly number[];
	/** Packets sealed for a gigabit, on all hops, acknowledgements as well. */
	readonly packetsPerGbit: number;
	/** Processor time of both encryption functions for one of them, in seconds. */
	readonly packetSeconds: number;
}

export async function hops(): Promise<Measurement> {
	const all: Measured[] = [];
	for (const length of LENGTHS) all.push(await measure(length));
	const [first] = all;
	if (!first) throw new Error("hops: no length was measured");
	const expected = expectation(first);
	return {
		figures: [
			...all.flatMap(costs),
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
			...all.slice(1).map((one) => against(one, expected(one))),
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
		await sealed.throughput(SECONDS, CONNECTIONS);
		const rates = { sealed: [] as number[], plain: [] as number[] };
		const before = await efTotals(sealed);
		while (rates.sealed.length < ROUNDS) {
			rates.sealed.push(await sealed.throughput(SECONDS, CONNECTIONS));
			rates.plain.push(await plain.throughput(SECONDS, CONNECTIONS));
		}
		const after = await efTotals(sealed);
		const gbit = rates.sealed.reduce((sum, rate) => sum + rate * SECONDS, 0);
		const packets = after.packets - before.packets;
		return {
			length,
			...rates,
			packetsPerGbit: packets / gbit,
			packetSeconds: (after.seconds - before.seconds) / packets,
		};
	} finally {
		await closeAll(open);
	}
}

/** What both encryption functions have done so far. */
async function efTotals(system: Chainmail) {
	await delay(COUNTED_MS);
	const total = (of: (node: string) => number) =>
		NODES.reduce((sum, node) => sum + of(node), 0);
	return {
		packets: total((node) => system.efPackets(node)),
		seconds: total((node) => system.efSeconds(node)),
	};
}

/**
 * Throughput in Gbit/s: each packet that is sealed more often than through one
 * function adds what one costs there, shared by all processors, to the time that
 * a gigabit takes through one.
 */
function expectation(first: Measured): (one: Measured) => number {
	const added = first.packetSeconds / cpus().length;
	return ({ packetsPerGbit }) =>
		1 /
		(1 / median(first.sealed) +
			(packetsPerGbit - first.packetsPerGbit) * added);
}

function costs({ length, packetsPerGbit, packetSeconds }: Measured): Figure[] {
	return [
		{
			figure: `packets sealed for a gigabit through ${named(length)}`,
			value: Math.round(packetsPerGbit),
			unit: "packets",
			runs: ROUNDS,
		},
		{
			figure: `processor time of a packet through ${named(length)}, both ends of a hop`,
			value: round(packetSeconds * 1e6),
			unit: "µs",
			runs: ROUNDS,
		},
	];
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
	expected: (one: Measured) => number,
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
				...series("cost of a sealed packet, added up", expected),
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
