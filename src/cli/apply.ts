/** chainmail apply: sends documents, and shows problems where they stand. */
import { type Command, Option } from "commander";
import type {
	Problem as ApiProblem,
	ApplyResponse,
	StatusResponse,
} from "../api/schemas.js";
import type { Loaded } from "../model/load.js";
import type { Problem } from "../model/problem.js";
import type { Client } from "./client.js";
import { CliFailure, ExitCode } from "./failure.js";
import { collect, milliseconds } from "./numbers.js";
import { show } from "./output.js";
import { formatOf, type Services, withClient } from "./session.js";
import type { Colour } from "./terminal.js";

interface Options {
	readonly file: string[];
	readonly dryRun?: boolean;
	readonly wait?: boolean;
	readonly timeout: number;
}

export function registerApply(program: Command, services: Services): void {
	program
		.command("apply")
		.summary(
			"create and change tenants, nodes, functions, flow classes and policies",
		)
		.description(
			"Sends YAML documents to the controller, which checks and plans them all together. Returns when all connected nodes have switched to the new plan; exit status 5 where one is not connected and gets it later.",
		)
		.requiredOption(
			"-f, --file <file>",
			"YAML file, directory of them, or - for standard input; may be repeated",
			collect,
		)
		.option(
			"--dry-run",
			"check and plan only, also on the nodes concerned; change nothing",
		)
		.option("--wait", "wait until every node runs it and old paths are gone")
		.addOption(
			new Option("--timeout <time>", "how long to wait for nodes")
				.argParser(milliseconds)
				.default(30_000, "30s"),
		)
		.addHelpText(
			"after",
			`
Examples:
  chainmail apply -f examples/mobile-edge.yaml
  chainmail apply -f policies/ --dry-run
  cat policy.yaml | chainmail apply -f - --wait`,
		)
		.action(async (options: Options, command: Command) => {
			const loaded = await load(options.file);
			await withClient(command, (client) =>
				apply(services, command, client, loaded, options),
			);
		});
}

/** Reads and checks everything here first: wrong files need no controller. */
async function load(files: readonly string[]): Promise<Loaded> {
	const [{ readTexts }, { loadDocuments }, { formatProblem }] =
		await Promise.all([
			import("./files.js"),
			import("../model/load.js"),
			import("../model/problem.js"),
		]);
	const loaded = loadDocuments(await readTexts(files));
	if (loaded.problems.length > 0)
		throw new CliFailure(
			`${loaded.problems.map(formatProblem).join("\n")}\napply: ${count(loaded.problems.length, "problem")}, nothing has changed`,
		);
	return loaded;
}

async function apply(
	services: Services,
	command: Command,
	client: Client,
	loaded: Loaded,
	options: Options,
): Promise<void> {
	const { Refusal } = await import("./client.js");
	const { formatProblem } = await import("../model/problem.js");
	const response = await client
		.post<ApplyResponse>("/v1/apply", {
			documents: loaded.documents,
			timeoutMs: options.timeout,
			...(options.dryRun === true ? { dryRun: true } : {}),
		})
		.catch((error: unknown) => {
			if (!(error instanceof Refusal) || error.body.problems.length === 0)
				throw error;
			const problems = error.body.problems.map((problem) =>
				formatProblem(locate(problem, loaded)),
			);
			throw new CliFailure(
				`${problems.join("\n")}\napply: ${count(problems.length, "problem")}, nothing has changed`,
				error.exitCode,
			);
		});
	for (const warning of response.warnings)
		services.terminal.err(
			formatProblem({ ...locate(warning, loaded), severity: "warning" }),
		);
	await show(services.terminal, formatOf(command), response, () =>
		summary(services, response, options.dryRun === true),
	);
	if (options.dryRun === true) return;
	if (options.wait === true) await settle(client, response, options.timeout);
	else confirmed(response);
}

/** Throws where a node has not said yes: scripts learn it from the exit status. */
export function confirmed(response: ApplyResponse): void {
	const { revision, pending, disconnected } = response;
	const causes = [
		...(pending.length === 0
			? []
			: [`no answer in time: ${pending.join(", ")}`]),
		...(disconnected.length === 0
			? []
			: [`not connected: ${disconnected.join(", ")}`]),
	];
	if (causes.length > 0)
		throw new CliFailure(
			`revision ${revision} is stored, but not every node has confirmed it: ${causes.join("; ")} (they get it when they come back; see: chainmail get nodes)`,
			ExitCode.pending,
		);
}

/** Finds the place in the user's files that a problem of the API points at. */
function locate(problem: ApiProblem, loaded: Loaded): Problem {
	const { message, hint } = problem;
	const text = { message, ...(hint === undefined ? {} : { hint }) };
	const document = loaded.documents[problem.document ?? -1];
	const source = document && loaded.sources.get(document);
	if (document === undefined || source === undefined)
		return { file: "controller", ...text };
	const path = pathOf(problem.pointer ?? "");
	const value = path.reduce<unknown>(
		(at, step) =>
			typeof at === "object" && at !== null
				? (at as Record<string, unknown>)[step]
				: undefined,
		document,
	);
	if (problem.offset === undefined || typeof value !== "string")
		return { ...source.value(path), ...text };
	const span = { offset: problem.offset, length: problem.length ?? 1 };
	return { ...source.value(path, { text: value, span }), ...text };
}

/** Steps of a JSON pointer (RFC 6901 §4). */
function pathOf(pointer: string): string[] {
	return pointer
		.split("/")
		.slice(1)
		.map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

const COLOURS: Readonly<Record<string, Colour>> = {
	created: "green",
	changed: "yellow",
	deleted: "red",
	unchanged: "dim",
};

export function summary(
	{ terminal }: Services,
	response: ApplyResponse,
	isDryRun = false,
): string {
	const lines = response.changes.map(
		({ kind, name, action }) =>
			`${kind.toLowerCase()}/${name} ${terminal.paint(COLOURS[action] ?? "dim", action)}`,
	);
	lines.push(
		isDryRun ? "dry run: nothing has changed" : `revision ${response.revision}`,
	);
	return lines.join("\n");
}

/** Waits until the change is complete: all nodes there, old paths removed. */
async function settle(
	client: Client,
	response: ApplyResponse,
	timeoutMs: number,
): Promise<void> {
	const deadline = Date.now() + timeoutMs;
	for (;;) {
		const left = Math.max(0, deadline - Date.now());
		const status = await client.get<StatusResponse>("/v1/status", {
			wait: "revision",
			timeoutMs: left,
		});
		const absent = status.nodes.filter((node) => !node.connected);
		if (status.settled && status.phase === "idle" && absent.length === 0)
			return;
		if (left === 0) {
			const who = absent.map(({ node }) => node).join(", ");
			throw new CliFailure(
				`apply: revision ${response.revision} is not complete after ${timeoutMs / 1000} s: ${who === "" ? `phase ${status.phase}` : `not connected: ${who}`} (see: chainmail get nodes)`,
				ExitCode.pending,
			);
		}
		await new Promise((resolve) => setTimeout(resolve, Math.min(100, left)));
	}
}

const count = (number: number, noun: string): string =>
	`${number} ${noun}${number === 1 ? "" : "s"}`;
