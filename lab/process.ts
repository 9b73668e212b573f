/** Runs programs: to their end, or in the background with their output at hand. */
import { type ChildProcess, spawn } from "node:child_process";

/** Output may arrive this much later than the program's end. */
const PIPE_GRACE_MS = 200;

export interface RunOptions {
	/** Written to the program's standard input, which is then closed. */
	readonly input?: string;
	/** Milliseconds until the program is killed (default 30,000). */
	readonly timeoutMs?: number;
	readonly env?: NodeJS.ProcessEnv;
	readonly cwd?: string;
}

export interface RunResult {
	/** Exit status; null when a signal ended it. */
	readonly status: number | null;
	readonly signal: NodeJS.Signals | null;
	readonly stdout: string;
	readonly stderr: string;
}

export type Exit = Pick<RunResult, "status" | "signal">;

/** Runs a program to its end; its exit status is the caller's to judge. */
export async function run(
	argv: readonly string[],
	options: RunOptions = {},
): Promise<RunResult> {
	const program = new LabProcess(argv, options);
	const timer = setTimeout(
		() => program.kill("SIGKILL"),
		options.timeoutMs ?? 30_000,
	);
	program.stdin?.end(options.input ?? "");
	const exit = await program.exited;
	clearTimeout(timer);
	return { ...exit, stdout: program.stdout, stderr: program.stderr };
}

/** Like `run`, but an exit status other than 0 is an error with its output. */
export async function must(
	argv: readonly string[],
	options: RunOptions = {},
): Promise<string> {
	const result = await run(argv, options);
	if (result.status === 0) return result.stdout;
	const output = `${result.stderr}${result.stdout}`.trim();
	throw new Error(
		`${argv.join(" ")}: ${output || "no output"} (exit status ${result.status ?? result.signal})`,
	);
}

/** A running program. Its output is kept whole: lab programs say little. */
export class LabProcess {
	readonly argv: readonly string[];
	readonly exited: Promise<Exit>;
	stdout = "";
	stderr = "";
	readonly #child: ChildProcess;
	readonly #listeners = new Set<() => void>();
	#exit: Exit | undefined;

	constructor(
		argv: readonly string[],
		options: Pick<RunOptions, "env" | "cwd"> & {
			/** Survives the process that started it. */
			readonly detached?: boolean;
			/** With `detached`: a file descriptor that takes all output. */
			readonly log?: number;
		} = {},
	) {
		this.argv = argv;
		const [program = "", ...args] = argv;
		const output = options.log ?? "pipe";
		this.#child = spawn(program, args, {
			stdio: [options.log === undefined ? "pipe" : "ignore", output, output],
			detached: options.detached ?? false,
			env: options.env ?? process.env,
			...(options.cwd === undefined ? {} : { cwd: options.cwd }),
		});
		// A program that ends early closes its input: the exit status says why.
		this.#child.stdin?.on("error", () => {});
		this.#collect("stdout");
		this.#collect("stderr");
		this.exited = new Promise((resolve) => {
			const end = (status: number | null, signal: NodeJS.Signals | null) => {
				if (this.#exit !== undefined) return;
				this.#exit = { status, signal };
				resolve(this.#exit);
				this.#notify();
			};
			this.#child.on("error", (error) => {
				this.stderr += `${error.message}\n`;
				end(127, null);
			});
			let grace: NodeJS.Timeout | undefined;
			this.#child.on("close", (status, signal) => {
				clearTimeout(grace);
				end(status, signal);
			});
			// A grandchild may hold the pipes open for as long as it lives.
			this.#child.on("exit", (status, signal) => {
				grace = setTimeout(() => {
					this.#child.stdout?.destroy();
					this.#child.stderr?.destroy();
					end(status, signal);
				}, PIPE_GRACE_MS);
			});
		});
		if (options.detached === true) this.#child.unref();
	}

	get pid(): number {
		return this.#child.pid ?? -1;
	}

	get stdin() {
		return this.#child.stdin;
	}

	get running(): boolean {
		return this.#exit === undefined;
	}

	kill(signal: NodeJS.Signals): void {
		this.#child.kill(signal);
	}

	/** Waits until the output matches; fails when the program ends or time is up. */
	async waitFor(
		pattern: RegExp,
		timeoutMs = 10_000,
	): Promise<RegExpMatchArray> {
		const deadline = Date.now() + timeoutMs;
		for (;;) {
			const match = `${this.stdout}\n${this.stderr}`.match(pattern);
			if (match !== null) return match;
			const left = deadline - Date.now();
			if (left <= 0 || !this.running)
				throw new Error(
					`${this.argv.join(" ")}: ${this.running ? `did not print ${pattern} in ${timeoutMs} ms` : `ended before it printed ${pattern}`}: ${this.stderr.slice(-2000)}${this.stdout.slice(-2000)}`,
				);
			await this.#change(left);
		}
	}

	/** Asks the program to end, and makes it after `graceMs`. */
	async stop(
		signal: NodeJS.Signals = "SIGTERM",
		graceMs = 3000,
	): Promise<Exit> {
		if (this.running) this.kill(signal);
		const timer = setTimeout(() => this.kill("SIGKILL"), graceMs);
		const exit = await this.exited;
		clearTimeout(timer);
		return exit;
	}

	#collect(stream: "stdout" | "stderr"): void {
		this.#child[stream]?.setEncoding("utf8").on("data", (text: string) => {
			this[stream] += text;
			this.#notify();
		});
	}

	#notify(): void {
		for (const listener of [...this.#listeners]) listener();
	}

	#change(timeoutMs: number): Promise<void> {
		return new Promise((resolve) => {
			const done = () => {
				clearTimeout(timer);
				this.#listeners.delete(done);
				resolve();
			};
			const timer = setTimeout(done, timeoutMs);
			this.#listeners.add(done);
		});
	}
}
