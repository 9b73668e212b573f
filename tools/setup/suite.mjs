// Runs the test files: unit tests side by side, those that build namespaces one by one, one summary.
import { existsSync, readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { say } from "./say.mjs";

/** Folders whose tests build namespaces, load programs or measure time. */
const SERIAL = ["test/bpf/", "test/kernel/", "test/e2e/", "test/vm/", "lab/"];
/** A test file that takes longer hangs. */
const FILE_TIMEOUT_MS = 300_000;
const UNIT_CONCURRENCY = 2;

/** Built test files whose source still exists, relative to dist/, in order. */
export function testFiles(root, filters = []) {
	const dist = join(root, "dist");
	return readdirSync(dist, { recursive: true })
		.map((name) => name.split(sep).join("/"))
		.filter((name) => name.endsWith(".test.js"))
		.filter((name) => existsSync(join(root, name.replace(/js$/, "ts"))))
		.filter(
			(name) =>
				filters.length === 0 || filters.some((part) => name.includes(part)),
		)
		.sort();
}

/** True for a test file that must not run beside another. */
export function isSerial(name) {
	return SERIAL.some((folder) => name.startsWith(folder));
}

/**
 * Runs all matching tests and prints one report. Returns the exit status: 0
 * only when at least one file ran and nothing failed.
 */
export async function runSuite(root, filters) {
	const files = testFiles(root, filters);
	if (files.length === 0) {
		say(`test: no test file matches: ${filters.join(" ")}`);
		return 1;
	}
	process.env.NODE_OPTIONS =
		`${process.env.NODE_OPTIONS ?? ""} --enable-source-maps`.trim();
	const paths = (names) => names.map((name) => join(root, "dist", name));
	const stages = [
		{
			files: paths(files.filter((name) => !isSerial(name))),
			concurrency: UNIT_CONCURRENCY,
		},
		{ files: paths(files.filter(isSerial)), concurrency: 1 },
	].filter((stage) => stage.files.length > 0);
	const totals = new Totals();
	const report = new spec();
	report.pipe(process.stdout);
	for await (const event of events(stages, totals)) {
		if (!report.write(event))
			await new Promise((resolve) => report.once("drain", resolve));
	}
	report.end();
	await new Promise((resolve) => report.once("end", resolve));
	say(`test: ${files.length} files, ${relative(process.cwd(), root) || "."}`);
	return totals.ok ? 0 : 1;
}

/** The events of all stages in turn, with their closing counts summed up. */
async function* events(stages, totals) {
	for (const stage of stages) {
		for await (const event of run({ ...stage, timeout: FILE_TIMEOUT_MS })) {
			if (event.type === "test:fail" && event.data.todo === undefined)
				totals.failed = true;
			if (!totals.take(event)) yield event;
		}
	}
	yield* totals.events();
}

/** Sums the count lines ("tests 12", "pass 11" …) that each run ends with. */
class Totals {
	failed = false;
	#sums = new Map();

	/** Takes a count line out of the stream; false for every other event. */
	take(event) {
		if (event.type !== "test:diagnostic" || event.data.nesting !== 0)
			return false;
		const match = /^([a-z_]+) ([\d.]+)$/.exec(event.data.message);
		if (match === null) return false;
		const [, name, value] = match;
		this.#sums.set(name, (this.#sums.get(name) ?? 0) + Number(value));
		return true;
	}

	get ok() {
		return !this.failed && (this.#sums.get("tests") ?? 0) > 0;
	}

	*events() {
		for (const [name, value] of this.#sums)
			yield {
				type: "test:diagnostic",
				data: { nesting: 0, message: `${name} ${value}` },
			};
	}
}
