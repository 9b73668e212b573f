/** Prints figures as a table and keeps them, and plots, in bench/results/. */

import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import Table from "cli-table3";
import { root } from "../../tools/root.js";
import { type Figure, reached } from "./figure.js";
import { type Plot, svgOf } from "./plot.js";

/** What a benchmark returns. */
export interface Measurement {
	readonly figures: readonly Figure[];
	readonly plots?: readonly Plot[];
}

const VERDICTS = new Map([
	[true, "yes"],
	[false, "NO"],
]);

export function printFigures(figures: readonly Figure[]): void {
	const table = new Table({
		head: ["figure", "value", "baseline", "ratio", "reach", "reached"],
		style: { head: [], border: [] },
	});
	for (const one of figures)
		table.push([
			one.figure,
			`${one.value} ${one.unit}`,
			one.baseline === undefined ? "" : `${one.baseline} ${one.unit}`,
			one.ratio?.toFixed(2) ?? "",
			one.reach ?? "",
			VERDICTS.get(reached(one) ?? true) && one.reach
				? (VERDICTS.get(reached(one) ?? true) ?? "")
				: "",
		]);
	console.log(table.toString());
	console.log(JSON.stringify(figures));
}

/** Results carry machine and commit: a figure without them says nothing. */
export function save(name: string, { figures, plots = [] }: Measurement): void {
	const folder = join(root, "bench/results");
	mkdirSync(folder, { recursive: true });
	const machine = {
		cpu: cpus()[0]?.model ?? "unknown",
		cores: cpus().length,
		kernel: release(),
		node: process.version,
	};
	const result = {
		name,
		commit: commit(),
		machine,
		figures,
		...(plots.length > 0 && { plots }),
	};
	writeFileSync(
		join(folder, `${name}.json`),
		`${oneLinePoints(JSON.stringify(result, null, 2))}\n`,
	);
	for (const plot of plots)
		writeFileSync(join(folder, `${name}-${plot.name}.svg`), svgOf(plot));
}

/** A point of a plot takes one line, not four. */
function oneLinePoints(json: string): string {
	return json.replace(/\[\s+([\d.e+-]+),\s+([\d.e+-]+)\s+\]/g, "[$1, $2]");
}

function commit(): string {
	try {
		return execFileSync("git", ["rev-parse", "--short", "HEAD"], {
			cwd: root,
			encoding: "utf8",
		}).trim();
	} catch {
		return "unknown";
	}
}
