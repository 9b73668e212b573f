/** chainmail controller and chainmail agent: the two long-running programs. */
import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import { type Command, InvalidArgumentError, Option } from "commander";
import { AUC_PORT } from "../keys/enrol-messages.js";
import { CliFailure, ExitCode } from "./failure.js";
import { collect, milliseconds } from "./numbers.js";
import {
	type LogLevel,
	logLevels,
	type Service,
	type Services,
} from "./session.js";

interface ControllerOptions {
	readonly dataDir: string;
	readonly listen: Listen;
	readonly name?: string[];
	readonly aucListen?: Listen;
	readonly auc?: string;
	readonly kekFile?: string;
	readonly keepIdle: number;
	readonly keepMax: number;
	readonly logLevel: LogLevel;
}

interface AgentOptions {
	readonly node: string;
	readonly controller?: string;
	readonly state?: string;
	readonly joinTokenFile?: string;
	readonly stateDir?: string;
	readonly prefix: string;
	readonly purge?: boolean;
	readonly replaceLayout?: boolean;
	readonly maxFlows?: number;
}

export interface Listen {
	readonly host: string;
	readonly port: number;
}

export function registerController(program: Command, services: Services): void {
	program
		.command("controller")
		.summary("run the controller")
		.description(
			"Runs the controller in the foreground: store, planner, certificate authority and API. Writes admin.json, with which this CLI gets in, into its data directory.",
		)
		.option(
			"--data-dir <directory>",
			"keys, store and admin.json; made with mode 0700",
			"/var/lib/chainmail",
		)
		.addOption(
			new Option(
				"--listen <host:port>",
				"address for nodes and the API; port 0 takes a free one",
			)
				.argParser(listen)
				.default({ host: "127.0.0.1", port: 8443 }, "127.0.0.1:8443"),
		)
		.option(
			"--name <name>",
			"further name or address in its certificate; may be repeated",
			collect,
		)
		.option(
			"--auc-listen <host:port>",
			"address where encryption functions get their keys (default: the host of --listen, port 8444)",
			listen,
		)
		.option(
			"--auc <file>",
			"leave keys to a `chainmail auc` of its own: its controller.json",
		)
		.option(
			"--kek-file <file>",
			"32 bytes that the stored state of the keys' service is encrypted with (default: made in the data directory)",
		)
		.addOption(
			new Option(
				"--keep-idle <time>",
				"after a change of a policy with `onChange: keep`: an old path goes once no packet used it for so long",
			)
				.argParser(milliseconds)
				.default(300_000, "5m"),
		)
		.addOption(
			new Option(
				"--keep-max <time>",
				"and at the latest after so long; what still runs on it moves to the new path",
			)
				.argParser(milliseconds)
				.default(86_400_000, "24h"),
		)
		.addOption(
			new Option("--log-level <level>", "how much it says")
				.choices(logLevels)
				.default("info"),
		)
		.action(async (options: ControllerOptions) => {
			const { dataDir, listen: at, name, logLevel: level } = options;
			const { keepIdle: keepIdleMs, keepMax: keepMaxMs } = options;
			const { aucListen, auc: aucFile, kekFile } = options;
			if (aucFile !== undefined && (aucListen ?? kekFile) !== undefined)
				throw new CliFailure(
					"controller: --auc goes without --auc-listen and --kek-file (name those of `chainmail auc`)",
					ExitCode.usage,
				);
			const auc = aucListen ?? {
				host: at.host,
				port: at.port === 0 ? 0 : AUC_PORT,
			};
			await serve(services, () =>
				services.startController({
					dataDir,
					...at,
					names: name ?? [],
					auc,
					...(aucFile !== undefined && { aucFile }),
					...(kekFile !== undefined && { kekFile }),
					keepIdleMs,
					keepMaxMs,
					logLevel: level,
				}),
			);
		});
}

export function registerAgent(program: Command, services: Services): void {
	program
		.command("agent")
		.summary("run the agent of one node (as root)")
		.description(
			"Runs a node's agent in the foreground. The first time it joins with a one-time token; afterwards its certificate suffices. Traffic flows on while it is down.",
		)
		.requiredOption("--node <name>", "name of this node, as declared")
		.option("--controller <url>", "https://host:port", httpsUrl)
		.option(
			"--state <file>",
			"without a controller: a node's desired state as JSON",
		)
		.option(
			"--join-token-file <file>",
			"file with the token of `chainmail token join`; - reads standard input",
		)
		.option(
			"--state-dir <directory>",
			"keys, journal and logs; made with mode 0700 (default: /var/lib/chainmail/NODE)",
		)
		.option(
			"--prefix <word>",
			"begins the names of pins and namespaces it makes",
			"chainmail",
		)
		.option(
			"--max-flows <number>",
			"entries of the flow table and of the state list, some 0.7 KB for one of each; of new maps only (default: 262144)",
			maxFlows,
		)
		.option(
			"--replace-layout",
			"after an upgrade that the agent refuses for its pinned maps: remove maps of another layout and fill new ones; running flows are classified anew and for that moment pass unchained, or not at all on a node with sealed hops. Maps of this version's layout are adopted all the same",
		)
		.option(
			"--purge",
			"remove all that agents of this node made, then end; keys stay",
		)
		.addHelpText(
			"after",
			`
Example:
  chainmail agent --node edge1 --controller https://172.31.0.1:8443 --join-token-file edge1.token`,
		)
		.action((options: AgentOptions) => agent(services, options));
}

async function agent(services: Services, options: AgentOptions): Promise<void> {
	const { node, controller, state, joinTokenFile, prefix } = options;
	const stateDir = options.stateDir ?? `/var/lib/chainmail/${node}`;
	if (options.purge === true) {
		await services.purgeAgent({ node, prefix, stateDir });
		services.terminal.err(`agent: node ${node} is clean`);
		return;
	}
	if ((controller === undefined) === (state === undefined))
		throw new CliFailure(
			"agent: needs either --controller or --state (to join: --controller https://HOST:8443 --join-token-file FILE)",
			ExitCode.usage,
		);
	const joinToken =
		joinTokenFile === undefined ? undefined : readToken(joinTokenFile);
	await serve(services, () =>
		services.startAgent({
			node,
			stateDir,
			prefix,
			...(controller === undefined ? {} : { controller }),
			...(state === undefined ? {} : { stateFile: state }),
			...(joinToken === undefined ? {} : { joinToken }),
			...(options.replaceLayout === true ? { replaceLayout: true } : {}),
			...(options.maxFlows === undefined ? {} : { maxFlows: options.maxFlows }),
		}),
	);
}

/** Runs until it ends by itself, or a signal asks it to. */
export async function serve(
	{ terminal }: Services,
	start: () => Promise<Service>,
): Promise<void> {
	const service = await start();
	terminal.err(service.ready);
	const asked = new Promise<undefined>((resolve) => {
		for (const signal of ["SIGINT", "SIGTERM"] as const)
			process.once(signal, () => resolve(undefined));
	});
	const reason = await Promise.race([service.ended, asked]);
	await service.close();
	if (reason !== undefined) throw new CliFailure(reason);
}

const FEWEST_FLOWS = 1024;
const MOST_FLOWS = 16_777_216;

function maxFlows(text: string): number {
	const number = /^\d{1,8}$/.test(text) ? Number(text) : 0;
	if (number < FEWEST_FLOWS || number > MOST_FLOWS)
		throw new InvalidArgumentError(
			`Expected a number from ${FEWEST_FLOWS} to ${MOST_FLOWS}.`,
		);
	return number;
}

/** `host:port`, `[v6]:port`. */
export function listen(text: string): Listen {
	const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text);
	const host = match?.[1] ?? match?.[2] ?? "";
	const port = Number(match?.[3]);
	const isHost =
		match?.[1] === undefined ? /^[\w.-]+$/.test(host) : isIP(host) === 6;
	if (match === null || !isHost || port > 65_535)
		throw new InvalidArgumentError(
			"Expected host:port, for example 0.0.0.0:8443 or [::]:8443.",
		);
	return { host, port };
}

function httpsUrl(text: string): string {
	if (!URL.canParse(text) || new URL(text).protocol !== "https:")
		throw new InvalidArgumentError(
			"Expected an address such as https://172.31.0.1:8443.",
		);
	return text;
}

/** A token never stands in the arguments: they are visible to everybody. */
function readToken(file: string): string {
	try {
		const source = file === "-" ? 0 : file;
		if (source !== 0 && statSync(source).size > 4096)
			throw new Error("too large");
		return readFileSync(source, "utf8").trim();
	} catch (error) {
		const { code, message } = error as NodeJS.ErrnoException;
		throw new CliFailure(
			`join token ${file}: ${code ?? message} (make one: chainmail token join NODE > ${file})`,
		);
	}
}
