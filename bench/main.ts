/**
 * npm run bench [-- NAME…]: runs benchmarks, prints a table, keeps the results.
 * Each runs in a process of its own: some move into other namespaces.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { awake } from "./lib/awake.js";
import type { Figure } from "./lib/figure.js";
import { printFigures, saveFigures } from "./lib/report.js";

type Benchmark = () => Promise<readonly Figure[]>;

const benchmarks: Readonly<Record<string, () => Promise<Benchmark>>> = {
	programs: async () => (await import("./programs.js")).programs,
	chain: async () => (await import("./chain.js")).chain,
	"two-nodes": async () => (await import("./two-nodes.js")).twoNodes,
	rules: async () => (await import("./rules.js")).rules,
};

const names = Object.keys(benchmarks);

function inChild(name: string): Promise<readonly Figure[]> {
	return new Promise((resolve, reject) => {
		const child = fork(fileURLToPath(import.meta.url), ["--in-child", name]);
		let figures: readonly Figure[] | undefined;
		child.on("message", (message) => {
			figures = message as readonly Figure[];
		});
		child.on("exit", (status) => {
			if (status === 0 && figures) resolve(figures);
			else reject(new Error(`bench ${name}: ended with status ${status}`));
		});
	});
}

async function child(name: string): Promise<void> {
	const load = benchmarks[name];
	if (!load) throw new Error(`bench: no benchmark ${name}`);
	const measure = await load();
	process.send?.(await awake(measure));
	process.disconnect();
}

async function parent(wanted: readonly string[]): Promise<number> {
	const unknown = wanted.filter((name) => !names.includes(name));
	if (unknown.length > 0) {
		console.error(
			`bench: no benchmark ${unknown.join(", ")} (there are: ${names.join(", ")})`,
		);
		return 2;
	}
	const all: Figure[] = [];
	for (const name of wanted.length > 0 ? wanted : names) {
		console.error(`bench ${name} …`);
		const figures = await inChild(name);
		saveFigures(name, figures);
		all.push(...figures);
	}
	printFigures(all);
	return 0;
}

const [first, ...rest] = process.argv.slice(2);
if (first === "--in-child") await child(rest[0] ?? "");
else process.exitCode = await parent(process.argv.slice(2));
