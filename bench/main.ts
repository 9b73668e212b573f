/**
 * npm run bench [-- NAME…]: runs benchmarks, prints a table, keeps the results.
 * Each runs in a process of its own: some move into other namespaces.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { awake } from "./lib/awake.js";
import type { Figure } from "./lib/figure.js";
import { type Measurement, printFigures, save } from "./lib/report.js";

type Benchmark = () => Promise<Measurement>;

const benchmarks: Readonly<Record<string, () => Promise<Benchmark>>> = {
	programs: async () => (await import("./programs.js")).programs,
	chain: async () => (await import("./chain.js")).chain,
	"two-nodes": async () => (await import("./two-nodes.js")).twoNodes,
	rules: async () => (await import("./rules.js")).rules,
	stateful: async () => (await import("./stateful.js")).stateful,
	learning: async () => (await import("./learning.js")).learning,
	failover: async () => (await import("./failover.js")).failover,
	provisioning: async () => (await import("./provisioning.js")).provisioning,
	hops: async () => (await import("./hops.js")).hops,
	esp: async () => (await import("./esp.js")).esp,
};

const names = Object.keys(benchmarks);

function inChild(name: string): Promise<Measurement> {
	return new Promise((resolve, reject) => {
		const child = fork(fileURLToPath(import.meta.url), ["--in-child", name]);
		let measured: Measurement | undefined;
		child.on("message", (message) => {
			measured = message as Measurement;
		});
		child.on("exit", (status) => {
			if (status === 0 && measured) resolve(measured);
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
		const measured = await inChild(name);
		save(name, measured);
		all.push(...measured.figures);
	}
	printFigures(all);
	return 0;
}

const [first, ...rest] = process.argv.slice(2);
if (first === "--in-child") await child(rest[0] ?? "");
else process.exitCode = await parent(process.argv.slice(2));
