/** A lab: network namespaces as hosts, built from a topology, always removed. */
import { closeSync, openSync, readFileSync } from "node:fs";
import {
	LabProcess,
	must,
	type RunOptions,
	type RunResult,
	run,
} from "./process.js";
import {
	namespacePrefix,
	newRun,
	type RunRecord,
	readRecord,
	removeRun,
	sweepStaleRuns,
	writeRecord,
} from "./runs.js";
import { planTopology, type Topology } from "./topology.js";

/** A file tells nobody that it grew. */
const LOG_POLL_MS = 20;

const alive = new Set<Lab>();
let watching = false;

/** Builds a topology; removes what earlier, dead runs left behind first. */
export async function buildLab(topology: Topology): Promise<Lab> {
	sweepStaleRuns();
	const lab = new Lab(newRun(), topology);
	alive.add(lab);
	removeAllAtExit();
	try {
		await lab.build();
	} catch (error) {
		await lab.destroy();
		throw error;
	}
	return lab;
}

/** Removes a run by its id, for example one that was kept. */
export function destroyRun(id: string): void {
	const record = readRecord(id);
	if (record === undefined)
		throw new Error(
			`lab: no run ${id} on this machine (ls /run/chainmail-lab shows them)`,
		);
	removeRun(record);
}

export class Lab {
	readonly topology: Topology;
	#record: RunRecord;
	readonly #processes = new Set<LabProcess>();

	constructor(record: RunRecord, topology: Topology) {
		this.#record = record;
		this.topology = topology;
	}

	/** Id of the run: six hexadecimal digits. */
	get run(): string {
		return this.#record.run;
	}

	/** Name of the namespace of a host. */
	netns(host: string): string {
		return `${namespacePrefix(this.run)}${host}`;
	}

	host(name: string): Host {
		if (!this.topology.hosts.includes(name))
			throw new Error(
				`lab: no host ${name} (hosts: ${this.topology.hosts.join(", ")})`,
			);
		return new Host(this, name);
	}

	async build(): Promise<void> {
		writeRecord(this.#record);
		const plan = planTopology(this.topology, (host) => this.netns(host));
		await must(["ip", "-batch", "-"], { input: plan.namespaces.join("\n") });
		await Promise.all(
			[...plan.hosts].map(([host, { sysctls }]) =>
				must([...this.enter(host), "sysctl", "-q", "-w", ...sysctls]),
			),
		);
		await must(["ip", "-batch", "-"], { input: plan.links.join("\n") });
		await Promise.all(
			[...plan.hosts].map(([host, { lines }]) =>
				must(["ip", "-n", this.netns(host), "-batch", "-"], {
					input: lines.join("\n"),
				}),
			),
		);
	}

	/** argv prefix that runs a program in a host's network (bpffs stays visible). */
	enter(host: string): string[] {
		return ["nsenter", `--net=/run/netns/${this.netns(host)}`];
	}

	/** Has a file or directory removed together with the lab. */
	removeWithLab(path: string): void {
		this.#record = {
			...this.#record,
			paths: [...this.#record.paths, path],
		};
		writeRecord(this.#record);
	}

	/** Keeps the lab after this process; `destroyRun` ends it. */
	keep(): void {
		this.#record = { ...this.#record, kept: true };
		writeRecord(this.#record);
		alive.delete(this);
	}

	/** Stops all processes, the newest first, and removes every trace. */
	async destroy(): Promise<void> {
		const processes = [...this.#processes].reverse();
		for (const process of processes) await process.stop();
		this.destroyNow();
	}

	/** The same without waiting for anybody. */
	destroyNow(): void {
		for (const process of this.#processes) process.kill("SIGKILL");
		alive.delete(this);
		removeRun(this.#record);
	}

	track(process: LabProcess): LabProcess {
		this.#processes.add(process);
		void process.exited.then(() => this.#processes.delete(process));
		return process;
	}
}

/** One host of a lab: runs programs in its network. */
export class Host {
	readonly name: string;
	readonly lab: Lab;

	constructor(lab: Lab, name: string) {
		this.lab = lab;
		this.name = name;
	}

	get netns(): string {
		return this.lab.netns(this.name);
	}

	/** Runs a program to its end. */
	run(argv: readonly string[], options?: RunOptions): Promise<RunResult> {
		return run(this.#inside(argv), options);
	}

	/** Runs a program that has to succeed; returns its output. */
	must(argv: readonly string[], options?: RunOptions): Promise<string> {
		return must(this.#inside(argv), options);
	}

	/** Starts a program that dies with this process at the latest. */
	start(
		argv: readonly string[],
		options: Pick<RunOptions, "env" | "cwd"> = {},
	): LabProcess {
		return this.lab.track(new LabProcess(this.#inside(argv), options));
	}

	/**
	 * Starts a program that may outlive this process, with its output appended
	 * to a file; resolves once what it writes there matches `ready`.
	 */
	async startDetached(
		argv: readonly string[],
		logFile: string,
		ready: RegExp,
		timeoutMs = 15_000,
	): Promise<LabProcess> {
		const log = openSync(logFile, "a", 0o600);
		const before = readFileSync(logFile).length;
		const program = this.lab.track(
			new LabProcess([...this.lab.enter(this.name), ...argv], {
				detached: true,
				log,
			}),
		);
		closeSync(log);
		const said = () => readFileSync(logFile).subarray(before).toString();
		const deadline = Date.now() + timeoutMs;
		while (!ready.test(said())) {
			if (!program.running || Date.now() > deadline)
				throw new Error(
					`${argv.join(" ")}: ${program.running ? `not ready after ${timeoutMs / 1000} s` : "ended"}: ${said().trim()}`,
				);
			await new Promise((resolve) => setTimeout(resolve, LOG_POLL_MS));
		}
		return program;
	}

	#inside(argv: readonly string[]): string[] {
		return [
			...this.lab.enter(this.name),
			"setpriv",
			"--pdeathsig",
			"KILL",
			...argv,
		];
	}
}

/** Ctrl-C, a kill and a crash end in the `exit` event; SIGKILL in the next sweep. */
function removeAllAtExit(): void {
	if (watching) return;
	watching = true;
	process.on("exit", () => {
		for (const lab of [...alive]) lab.destroyNow();
	});
	for (const [signal, status] of [
		["SIGINT", 130],
		["SIGTERM", 143],
		["SIGHUP", 129],
	] as const)
		process.on(signal, () => process.exit(status));
}
