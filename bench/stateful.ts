/**
 * What learned verdicts are worth: the time a packet takes through chains whose
 * functions see every packet (stateless) or the head of each flow (stateful), and
 * throughput with learned verdicts against the same node without a chain.
 */
import { type Figure, figureOf, measurePairs, median } from "./lib/figure.js";
import type { Plot, Series } from "./lib/plot.js";
import type { Measurement } from "./lib/report.js";
import { Chainmail } from "./systems/chainmail.js";
import { closeAll } from "./systems/system.js";

const NODE = "node";
const LENGTHS = [1, 2, 3, 5, 7, 10];
const LONGEST = 10;
/** Firewalls of the picture that shows packet by packet. */
const SHOWN = 3;
const ROUNDS = 9;
/** Packets of each flow that the picture shows. */
const HEAD = 1000;
const MODES = { stateless: "none", stateful: "verdict" } as const;
type Mode = keyof typeof MODES;
const LEGEND: Readonly<Record<Mode, string>> = {
	stateless: "stateless: functions see every packet",
	stateful: "stateful: learned verdicts",
};

/** One system under test and a value for each round. */
class Chain {
	/** Mean over a flow's packets from interface to interface, µs. */
	readonly averageUs: number[] = [];
	/** Half the median round trip from program to program, µs. */
	readonly halfUs: number[] = [];
	readonly #heads: (readonly number[])[] = [];

	private constructor(readonly system: Chainmail) {}

	static async open(length: number, mode: Mode): Promise<Chain> {
		const at = Array<string>(length).fill(NODE);
		return new Chain(
			await Chainmail.open([NODE], at, { offload: MODES[mode] }),
		);
	}

	async measure(): Promise<void> {
		const { oneWayUs, halfUs } = await this.system.transmission();
		const sum = oneWayUs.reduce((total, one) => total + one, 0);
		this.averageUs.push(sum / oneWayUs.length);
		this.halfUs.push(halfUs);
		this.#heads.push(oneWayUs.slice(0, HEAD));
	}

	/** Time of each packet, the median of all flows. */
	head(): number[] {
		const length = Math.min(...this.#heads.map((head) => head.length));
		return Array.from({ length }, (_, packet) =>
			median(this.#heads.map((head) => head[packet] ?? Number.NaN)),
		);
	}
}

type Chains = Readonly<Record<Mode, ReadonlyMap<number, Chain>>>;

interface Observed {
	readonly plain: Chain;
	readonly chains: Chains;
}

export async function stateful(): Promise<Measurement> {
	const { plain, chains } = await observe();
	return {
		figures: [...times(chains, plain), ...(await rates())],
		plots: [packetByPacket(chains, plain), averages(chains, plain)],
	};
}

/** Measures all chains side by side; none is left when it returns. */
async function observe(): Promise<Observed> {
	const open: Chain[] = [];
	const opened = async (length: number, mode: Mode) => {
		const chain = await Chain.open(length, mode);
		open.push(chain);
		return chain;
	};
	const all = async (mode: Mode) => {
		const chains = new Map<number, Chain>();
		for (const length of LENGTHS)
			chains.set(length, await opened(length, mode));
		return chains;
	};
	try {
		const plain = await opened(0, "stateless");
		const chains = {
			stateless: await all("stateless"),
			stateful: await all("stateful"),
		};
		/* To and fro, so that no chain always comes behind the same one. */
		for (let round = 0; round < ROUNDS; round++)
			for (const chain of round % 2 ? open.toReversed() : open)
				await chain.measure();
		return { plain, chains };
	} finally {
		await closeAll(open.map(({ system }) => system));
	}
}

function of(chains: Chains, mode: Mode, length: number): Chain {
	const chain = chains[mode].get(length);
	if (!chain) throw new Error(`stateful: no chain of ${length} was measured`);
	return chain;
}

function times(chains: Chains, plain: Chain): Figure[] {
	const learned = (length: number) => of(chains, "stateful", length);
	const unlearned = (length: number) => of(chains, "stateless", length);
	const unit = "µs";
	const third = (length: number) => length === SHOWN && { reach: "<= 0.334" };
	const flat = { reach: "<= 1.1" };
	const ways = [
		["transmission time", ({ averageUs }: Chain) => averageUs],
		["half a round trip of programs", ({ halfUs }: Chain) => halfUs],
	] as const;
	const added = (chain: Chain) =>
		chain.averageUs.map((value, i) => value - (plain.averageUs[i] ?? 0));
	return [
		...ways.flatMap(([what, values]) => [
			...LENGTHS.map((length) =>
				figureOf(
					{
						figure: `${what} through ${named(length)}, learned against not`,
						unit,
						...third(length),
					},
					values(learned(length)),
					values(unlearned(length)),
				),
			),
			figureOf(
				{
					figure: `${what}, learned, through ${LONGEST} firewalls against 1`,
					unit,
					...flat,
				},
				values(learned(LONGEST)),
				values(learned(1)),
			),
		]),
		...[SHOWN, LONGEST].map((length) =>
			figureOf(
				{
					figure: `added to transmission by ${named(length)}, learned against not`,
					unit,
				},
				added(learned(length)),
				added(unlearned(length)),
			),
		),
	];
}

async function rates(): Promise<Figure[]> {
	const through = `through ${LONGEST} learned firewalls, against no chain`;
	const open: Chain[] = [];
	try {
		const learned = await Chain.open(LONGEST, "stateful");
		open.push(learned);
		const plain = await Chain.open(0, "stateless");
		open.push(plain);
		return [
			await measurePairs(
				{
					figure: `TCP ${through}`,
					unit: "Gbit/s",
					reach: ">= 0.95",
					pairs: ROUNDS,
				},
				() => learned.system.throughput(),
				() => plain.system.throughput(),
			),
			await measurePairs(
				{
					figure: `64-byte UDP ${through}`,
					unit: "kpps",
					reach: ">= 0.9",
					pairs: ROUNDS,
				},
				() => learned.system.packets(),
				() => plain.system.packets(),
			),
		];
	} finally {
		await closeAll(open.map(({ system }) => system));
	}
}

function packetByPacket(chains: Chains, plain: Chain): Plot {
	const series = (name: string, chain: Chain): Series => ({
		name,
		points: chain.head().map((us, i) => [i + 1, precise(us)]),
	});
	return {
		name: "packets",
		title: `Transmission time of each packet of a flow through ${SHOWN} firewalls`,
		x: { label: "packet of the flow", log: true },
		y: { label: "transmission time, µs", log: true },
		series: [
			{ ...series("no chain", plain), reference: true },
			...(["stateless", "stateful"] as const).map((mode) =>
				series(LEGEND[mode], of(chains, mode, SHOWN)),
			),
		],
	};
}

function averages(chains: Chains, plain: Chain): Plot {
	const floor = precise(median(plain.averageUs));
	return {
		name: "average",
		title: "Average transmission time through chains of firewalls",
		x: { label: "firewalls in the chain", ticks: LENGTHS },
		y: { label: "average transmission time, µs" },
		series: [
			{
				name: "no chain",
				reference: true,
				points: LENGTHS.map((length) => [length, floor]),
			},
			...(["stateless", "stateful"] as const).map((mode) => ({
				name: LEGEND[mode],
				points: LENGTHS.map((length): [number, number] => [
					length,
					precise(median(of(chains, mode, length).averageUs)),
				]),
			})),
		],
	};
}

function named(length: number): string {
	return `${length} firewall${length === 1 ? "" : "s"}`;
}

/** To the ns: more is not measured. */
function precise(us: number): number {
	return Math.round(us * 1000) / 1000;
}
