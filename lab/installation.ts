/**
 * Chainmail installed in a lab as a user would: controller and agents are
 * processes of their own in their hosts, driven by the command line alone.
 */
import {
	closeSync,
	mkdtempSync,
	openSync,
	readFileSync,
	writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Lab } from "./lab.js";
import type { LabProcess, RunResult } from "./process.js";

const CHAINMAIL = fileURLToPath(
	new URL("../../bin/chainmail", import.meta.url),
);
const PORT = 8443;
const START_MS = 15_000;
const POLL_MS = 50;

export interface InstallationOptions {
	readonly lab: Lab;
	/** Host of the controller, and its address for agents. */
	readonly controller: { readonly host: string; readonly address: string };
	/** Further arguments of the controller. */
	readonly settings?: readonly string[];
	/** Hosts that are nodes, by the node's name. */
	readonly nodes: readonly string[];
}

export class Installation {
	readonly directory: string;
	readonly #options: InstallationOptions;
	readonly #programs = new Map<string, LabProcess>();

	constructor(options: InstallationOptions) {
		this.#options = options;
		const { lab } = options;
		this.directory = mkdtempSync(join(tmpdir(), `chainmail-${lab.run}-`));
		lab.removeWithLab(this.directory);
		lab.removeWithLab(`/sys/fs/bpf/${this.prefix}`);
	}

	/** Begins the names of all that the agents make, so that the lab finds it. */
	get prefix(): string {
		return `cm${this.#options.lab.run}`;
	}

	get configFile(): string {
		return join(this.directory, "controller/admin.json");
	}

	get url(): string {
		return `https://${this.#options.controller.address}:${PORT}`;
	}

	/** Controller first, then each agent with a one-time token. */
	async start(): Promise<void> {
		await this.startController();
		await Promise.all(
			this.#options.nodes.map(async (node) => {
				await this.invite(node);
				await this.startAgent(node);
			}),
		);
	}

	async startController(): Promise<LabProcess> {
		const { host, address } = this.#options.controller;
		const argv = [
			"controller",
			"--data-dir",
			join(this.directory, "controller"),
		];
		return this.#start("controller", host, /listens on/, [
			...argv,
			"--listen",
			`${address}:${PORT}`,
			"--log-level",
			"warn",
			...(this.#options.settings ?? []),
		]);
	}

	/** Makes a join token and carries it to the node. */
	async invite(node: string): Promise<void> {
		const { stdout } = await this.expect(["token", "join", node]);
		const file = openSync(this.#tokenFile(node), "w", 0o600);
		writeSync(file, stdout);
		closeSync(file);
	}

	async startAgent(node: string): Promise<LabProcess> {
		return this.#start(node, node, /node \S+ runs/, [
			"agent",
			"--node",
			node,
			"--controller",
			this.url,
			"--join-token-file",
			this.#tokenFile(node),
			"--state-dir",
			join(this.directory, node),
			"--prefix",
			this.prefix,
		]);
	}

	/** A running controller ("controller") or agent, by its node. */
	program(name: string): LabProcess {
		const found = this.#programs.get(name);
		if (found === undefined)
			throw new Error(`installation: no program ${name}`);
		return found;
	}

	/** What a program has said so far. */
	log(name: string): string {
		return readFileSync(join(this.directory, `${name}.log`), "utf8");
	}

	/** Runs the CLI on the controller's host. */
	cli(argv: readonly string[], input?: string): Promise<RunResult> {
		const { lab, controller } = this.#options;
		return lab.host(controller.host).run([CHAINMAIL, ...argv], {
			env: { ...process.env, CHAINMAIL_CONFIG: this.configFile },
			timeoutMs: 60_000,
			...(input === undefined ? {} : { input }),
		});
	}

	/** Runs a CLI command that has to succeed. */
	async expect(argv: readonly string[], input?: string): Promise<RunResult> {
		const result = await this.cli(argv, input);
		if (result.status !== 0)
			throw new Error(
				`chainmail ${argv.join(" ")}: exit status ${result.status}: ${result.stderr || result.stdout}`,
			);
		return result;
	}

	/** Result of a CLI command as JSON. */
	async json<T>(argv: readonly string[]): Promise<T> {
		const { stdout } = await this.expect([...argv, "--output", "json"]);
		return JSON.parse(stdout) as T;
	}

	/** Asks again and again until it holds; `what` names it when time is up. */
	async until<T>(
		what: string,
		argv: readonly string[],
		holds: (value: T) => boolean,
		timeoutMs = START_MS,
	): Promise<T> {
		const deadline = Date.now() + timeoutMs;
		for (;;) {
			const value = await this.json<T>(argv);
			if (holds(value)) return value;
			if (Date.now() > deadline)
				throw new Error(
					`waited ${timeoutMs / 1000} s until ${what}; chainmail ${argv.join(" ")} says: ${JSON.stringify(value).slice(0, 3000)}`,
				);
			await new Promise((resolve) => setTimeout(resolve, POLL_MS));
		}
	}

	#tokenFile(node: string): string {
		return join(this.directory, `${node}.token`);
	}

	async #start(
		name: string,
		host: string,
		ready: RegExp,
		argv: readonly string[],
	): Promise<LabProcess> {
		const program = await this.#options.lab
			.host(host)
			.startDetached(
				[CHAINMAIL, ...argv],
				join(this.directory, `${name}.log`),
				ready,
				START_MS,
			);
		this.#programs.set(name, program);
		return program;
	}
}
