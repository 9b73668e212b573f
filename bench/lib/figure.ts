/** A measured figure, what it is measured against, and what it has to reach. */

export interface Figure {
	readonly figure: string;
	/** Median over `runs`. */
	readonly value: number;
	readonly unit: string;
	/** What it is compared with, in the same unit. */
	readonly baseline?: number;
	/** Median of the ratios pair by pair, not the ratio of the medians. */
	readonly ratio?: number;
	/** Like `>= 1.0`; judged on `ratio` where there is one, else on `value`. */
	readonly reach?: string;
	readonly runs: number;
}

export function median(values: readonly number[]): number {
	const sorted = [...values].sort((a, b) => a - b);
	const middle = sorted.length >> 1;
	const upper = sorted[middle];
	const lower = sorted[(sorted.length - 1) >> 1];
	if (upper === undefined || lower === undefined)
		throw new Error("median: no values (a measurement returned nothing)");
	return (upper + lower) / 2;
}

/** Whether a figure reaches what it has to; undefined where nothing is asked. */
export function reached(figure: Figure): boolean | undefined {
	if (figure.reach === undefined) return undefined;
	const [, sign, bound] = /^(>=|<=)\s*([\d.]+)$/.exec(figure.reach) ?? [];
	if (sign === undefined)
		throw new Error(`reach "${figure.reach}": neither >= nor <= a number`);
	const judged = figure.ratio ?? figure.value;
	return sign === ">=" ? judged >= Number(bound) : judged <= Number(bound);
}

interface Title {
	readonly figure: string;
	readonly unit: string;
	readonly reach?: string;
}

interface PairOptions extends Title {
	readonly pairs: number;
}

/**
 * Measures a value and its baseline in turn, `pairs` times, the order changing
 * from pair to pair: on a machine whose speed drifts only neighbours compare.
 */
export async function measurePairs(
	options: PairOptions,
	value: () => Promise<number> | number,
	baseline: () => Promise<number> | number,
): Promise<Figure> {
	const values: number[] = [];
	const baselines: number[] = [];
	for (let pair = 0; pair < options.pairs; pair++) {
		const turns = [
			async () => values.push(await value()),
			async () => baselines.push(await baseline()),
		];
		if (pair % 2 === 1) turns.reverse();
		for (const turn of turns) await turn();
	}
	return figureOf(options, values, baselines);
}

/** A figure of values and baselines that were measured side by side. */
export function figureOf(
	{ figure, unit, reach }: Title,
	values: readonly number[],
	baselines: readonly number[],
): Figure {
	const ratios = values.map((one, i) => one / (baselines[i] ?? Number.NaN));
	return {
		figure,
		value: round(median(values)),
		unit,
		baseline: round(median(baselines)),
		ratio: round(median(ratios)),
		...(reach !== undefined && { reach }),
		runs: values.length,
	};
}

/** Four significant digits: more is noise. */
export function round(value: number): number {
	return Number(value.toPrecision(4));
}
