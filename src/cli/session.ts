/** What every command gets: terminal, output form, and a client on demand. */
import type { Command } from "commander";
import type { Client } from "./client.js";
import { configPath, readConfig } from "./config.js";
import { type Format, show } from "./output.js";
import { type Column, type TableOptions, table } from "./table.js";
import type { Terminal } from "./terminal.js";

export interface GlobalOptions {
	readonly config?: string;
	readonly output: Format;
}

/** What the composition root gives the CLI: programs it starts but does not know. */
export interface Services {
	readonly terminal: Terminal;
	readonly version: string;
	startController(options: ControllerSettings): Promise<Service>;
	startAuc(options: AucSettings): Promise<Service>;
	startAgent(options: AgentSettings): Promise<Service>;
	/** Removes all that agents of this node made. */
	purgeAgent(
		options: Pick<AgentSettings, "node" | "prefix" | "stateDir">,
	): Promise<void>;
}

export interface Service {
	/** One line for the user once it runs. */
	readonly ready: string;
	/** Resolves when it ends by itself, with the reason. */
	readonly ended: Promise<string>;
	close(): Promise<void>;
}

export interface ControllerSettings {
	readonly dataDir: string;
	readonly host: string;
	readonly port: number;
	readonly names: readonly string[];
	/** Where EFs get their keys, unless `aucFile` names a centre elsewhere. */
	readonly auc: { readonly host: string; readonly port: number };
	readonly aucFile?: string;
	readonly kekFile?: string;
	/** How long old paths stay for flows of policies with `onChange: keep`. */
	readonly keepIdleMs: number;
	readonly keepMaxMs: number;
	readonly logLevel: LogLevel;
}

export interface AucSettings {
	readonly dataDir: string;
	readonly host: string;
	readonly port: number;
	readonly controlPort: number;
	readonly name?: string;
	readonly kekFile?: string;
}

export const logLevels = ["error", "warn", "info", "debug", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

export interface AgentSettings {
	readonly node: string;
	/** Either a controller, or a state file for a node that stands alone. */
	readonly controller?: string;
	readonly stateFile?: string;
	/** Needed until the node has joined. */
	readonly joinToken?: string;
	readonly stateDir: string;
	readonly prefix: string;
	/** Removes pinned maps of another layout instead of refusing to start. */
	readonly replaceLayout?: boolean;
	/** Entries of the flow table and of the state list, where they are made. */
	readonly maxFlows?: number;
}

/** Runs a command's work with a client that is closed afterwards. */
export async function withClient<T>(
	command: Command,
	work: (client: Client) => Promise<T>,
): Promise<T> {
	const { config } = command.optsWithGlobals<GlobalOptions>();
	const admin = readConfig(configPath(config));
	const { Client } = await import("./client.js");
	const client = new Client(admin);
	try {
		return await work(client);
	} finally {
		await client.close();
	}
}

export function formatOf(command: Command): Format {
	return command.optsWithGlobals<GlobalOptions>().output;
}

/** Shows rows as a table or CSV, or `value` (default: the rows) as JSON or YAML. */
export function showRows<Row extends object>(
	services: Services,
	command: Command,
	columns: readonly Column<Row>[],
	rows: readonly Row[],
	value: unknown = rows,
): Promise<void> {
	const { terminal } = services;
	return show(
		terminal,
		formatOf(command),
		value,
		() =>
			rows.length === 0 ? "nothing yet" : table(columns, rows, look(terminal)),
		rows,
	);
}

export function look(terminal: Terminal): TableOptions {
	return { width: terminal.width, paint: terminal.paint };
}
