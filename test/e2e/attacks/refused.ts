/** What a node has refused, its encryption function included, to the last packet. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import type { Fleet } from "../../../lab/fleet.js";
import { efDirectory } from "../../../src/agent/ef/ef.js";
import { efFiles } from "../../../src/functions/ef-process/config.js";
import type { EfReport } from "../../../src/functions/ef-process/report.js";
import { until } from "../until.js";

/** Packets by what became of them: `unsealed` (a drop), `ef badIcv`, `ef opened`. */
export type Counts = Readonly<Record<string, number>>;

/** An encryption function measures every second. */
const COUNTED_MS = 5000;
/** What functions' kernels say of their own accord. */
const NOISE = "port_link_local";

export class Refused {
	readonly #fleet: Fleet;
	readonly #node: string;
	#known: Counts = {};

	constructor(fleet: Fleet, node: string) {
		this.#fleet = fleet;
		this.#node = node;
	}

	/** What happened until now is not counted. */
	async start(): Promise<void> {
		this.#known = await this.#read();
	}

	/**
	 * Asserts that whatever `act` sends is counted just so, and nothing else is.
	 * `a|b`: so many under any of these together.
	 */
	async counts(want: Counts, act: () => unknown): Promise<void> {
		const before = this.#known;
		const number = sum(Object.values(want));
		await act();
		let risen: Counts = {};
		const met = until(
			"all is counted",
			async () => {
				this.#known = await this.#read();
				risen = difference(this.#known, before);
				return sum(Object.values(risen)) >= number;
			},
			COUNTED_MS,
		);
		/* What is missing shows in the comparison. */
		await met.catch(() => {});
		assert.deepEqual(grouped(risen, Object.keys(want)), want);
	}

	async #read(): Promise<Counts> {
		const node = this.#fleet.node(this.#node);
		const drops = node
			.counters()
			.drops.filter(({ reason }) => reason !== NOISE)
			.map(({ reason, packets }) => [reason, packets] as const);
		const ef = await reportOf(this.#fleet.stateDir(this.#node));
		const refused = (["in", "out"] as const).flatMap((way) =>
			Object.entries(ef[way].refused),
		);
		const counts: Record<string, number> = {};
		for (const [name, packets] of [
			...drops,
			...refused.map(([name, packets]) => [`ef ${name}`, packets] as const),
			["ef opened", ef.in.packets] as const,
		])
			counts[name] = (counts[name] ?? 0) + packets;
		return counts;
	}
}

/** What the EF of a node, whose agent keeps its files there, says of itself. */
async function reportOf(stateDir: string): Promise<EfReport> {
	const socket = connect(efFiles(efDirectory(stateDir)).socket);
	try {
		const [line] = (await once(createInterface(socket), "line")) as [string];
		return JSON.parse(line) as EfReport;
	} finally {
		socket.destroy();
	}
}

function sum(numbers: readonly number[]): number {
	return numbers.reduce((all, one) => all + one, 0);
}

function difference(now: Counts, before: Counts): Counts {
	return Object.fromEntries(
		Object.entries(now)
			.map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
			.filter(([, count]) => count !== 0),
	);
}

/** Adds up what `names` put together. */
function grouped(counts: Counts, names: readonly string[]): Counts {
	const all: Record<string, number> = {};
	for (const [name, count] of Object.entries(counts)) {
		const group = names.find((one) => one.split("|").includes(name)) ?? name;
		all[group] = (all[group] ?? 0) + count;
	}
	return all;
}
