/**
 * Keeps a function's program running. It outlives the agent: the next one knows
 * it by pid and start time, from a file beside its log.
 */
import {
	accessSync,
	constants,
	mkdirSync,
	readFileSync,
	renameSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
	DEFAULT_PATH,
	isRunning,
	type ProcessId,
	spawnDetached,
	terminate,
	type Watch,
	watchExit,
} from "../../kernel/process.js";
import type { Health } from "../runtime.js";

const FIRST_DELAY_MS = 100;
const LAST_DELAY_MS = 30_000;
/** A program that ran this long is no longer failing to start. */
const STABLE_MS = 10_000;
/** One that lived this long counts as up. */
const SETTLED_MS = 200;

export type Argv = readonly [string, ...string[]];

export interface CommandOptions {
	readonly argv: Argv;
	/** Where this process is if undefined. */
	readonly netns: string | undefined;
	/** Directory for the log and the record, made with mode 0700. */
	readonly directory: string;
	readonly env: Readonly<Record<string, string>>;
	/** Called after every change of `health`. */
	readonly changed: (message: string) => void;
}

interface ProcessRecord {
	readonly id: ProcessId;
	readonly argv: Argv;
}

export class Command {
	readonly #options: CommandOptions;
	readonly #recordFile: string;
	readonly #logFile: string;
	#id: ProcessId | undefined;
	#watch: Watch | undefined;
	#timer: NodeJS.Timeout | undefined;
	#startedMs = 0;
	#failures = 0;
	#restarts = 0;
	#reason = "";

	private constructor(options: CommandOptions) {
		this.#options = options;
		this.#recordFile = join(options.directory, "process.json");
		this.#logFile = join(options.directory, "log");
	}

	/** Adopts the running program, or starts it. Rejects where it cannot start. */
	static async open(options: CommandOptions): Promise<Command> {
		mkdirSync(options.directory, { recursive: true, mode: 0o700 });
		const command = new Command(options);
		const record = readRecord(command.#recordFile);
		if (record && isRunning(record.id)) {
			if (record.argv.join("\0") === options.argv.join("\0")) {
				command.#follow(record.id, 0);
				return command;
			}
			await terminate(record.id);
		}
		await command.#start();
		return command;
	}

	/** Ends the program of this directory, if one runs; its log stays. */
	static async end(directory: string): Promise<void> {
		const file = join(directory, "process.json");
		const record = readRecord(file);
		if (record) await terminate(record.id);
		rmSync(file, { force: true });
	}

	/** Ends the program of this directory, if one runs, and removes its files. */
	static async purge(directory: string): Promise<void> {
		await Command.end(directory);
		rmSync(directory, { recursive: true, force: true });
	}

	get argv(): Argv {
		return this.#options.argv;
	}

	health(): Health {
		const restarts = this.#restarts;
		if (this.#id === undefined)
			return { state: "down", reason: this.#reason, restarts };
		const settled = Date.now() - this.#startedMs >= SETTLED_MS;
		return { state: settled ? "up" : "starting", reason: "process", restarts };
	}

	/** Stops watching; the program runs on. */
	close(): void {
		clearTimeout(this.#timer);
		this.#watch?.close();
	}

	/** Ends the program. */
	async stop(): Promise<void> {
		this.close();
		if (this.#id) await terminate(this.#id);
		rmSync(this.#recordFile, { force: true });
	}

	async #start(): Promise<void> {
		const { argv, netns, env } = this.#options;
		const id = await spawnDetached(argv, {
			netns,
			logFile: this.#logFile,
			env,
		});
		const next = `${this.#recordFile}.new`;
		writeFileSync(next, JSON.stringify({ id, argv } satisfies ProcessRecord), {
			mode: 0o600,
		});
		renameSync(next, this.#recordFile);
		this.#follow(id, Date.now());
	}

	#follow(id: ProcessId, startedMs: number): void {
		this.#id = id;
		this.#startedMs = startedMs;
		this.#watch = watchExit(id, () =>
			this.#ended(`process: ended (see ${this.#logFile})`),
		);
	}

	#ended(reason: string): void {
		if (this.#id && Date.now() - this.#startedMs >= STABLE_MS)
			this.#failures = 0;
		this.#id = undefined;
		this.#reason = reason;
		const delay = Math.min(
			FIRST_DELAY_MS * 2 ** this.#failures++,
			LAST_DELAY_MS,
		);
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => void this.#restart(), delay);
		this.#options.changed(`${reason}; starts again in ${delay} ms`);
	}

	async #restart(): Promise<void> {
		this.#restarts++;
		try {
			await this.#start();
			/* Not before it counts as up. */
			this.#timer = setTimeout(
				() => this.#options.changed("process: started again"),
				SETTLED_MS,
			);
		} catch (error) {
			this.#ended(error instanceof Error ? error.message : String(error));
		}
	}
}

/** Throws where no such program can be run here: looked for as execvp(3) does. */
export function checkProgram(program: string): void {
	const paths = program.includes("/")
		? [program]
		: (process.env.PATH ?? DEFAULT_PATH)
				.split(":")
				.map((directory) => join(directory, program));
	if (!paths.some(isExecutable))
		throw new Error(
			`command ${program}: there is no such program (install it on this node, or give its whole path)`,
		);
}

function isExecutable(path: string): boolean {
	try {
		accessSync(path, constants.X_OK);
		return statSync(path).isFile();
	} catch {
		return false;
	}
}

/** A record that cannot be read is that of no process of ours. */
function readRecord(file: string): ProcessRecord | undefined {
	try {
		return JSON.parse(readFileSync(file, "utf8")) as ProcessRecord;
	} catch {
		return undefined;
	}
}
