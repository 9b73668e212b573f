/** Prints figures as a table and keeps them in bench/results/. */

import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import Table from "cli-table3";
import { root } from "../../tools/root.js";
import { type Figure, reached } from "./figure.js";

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
export function saveFigures(name: string, figures: readonly Figure[]): void {
	const folder = join(root, "bench/results");
	mkdirSync(folder, { recursive: true });
	const machine = {
		cpu: cpus()[0]?.model ?? "unknown",
		cores: cpus().length,
		kernel: release(),
		node: process.version,
	};
	writeFileSync(
		join(folder, `${name}.json`),
		`${JSON.stringify({ name, commit: commit(), machine, figures }, null, 2)}\n`,
	);
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
