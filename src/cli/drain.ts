/** chainmail function drain and undrain: an instance's flows end, new ones go elsewhere. */
import { type Command, InvalidArgumentError } from "commander";
import type {
	DrainResponse,
	FunctionView,
	InstanceHealth,
} from "../api/schemas.js";
import type { Client } from "./client.js";
import { CliFailure, ExitCode } from "./failure.js";
import { functionOrInstance } from "./instance-name.js";
import { milliseconds } from "./numbers.js";
import { show } from "./output.js";
import { formatOf, type Services, withClient } from "./session.js";
import { duration } from "./table.js";

const POLL_MS = 500;

interface Target {
	readonly name: string;
	readonly instance: string;
}

export function registerDrain(group: Command, services: Services): void {
	const { terminal } = services;
	group
		.command("drain")
		.summary("lead new flows away from an instance, and wait for its last")
		.description(
			"Leads new flows to the function's other instances; those that run stay until they end. Waits until no path through the instance is left: one goes when no packet used it for as long as the controller's --keep-idle says. It holds until `undrain`, also over restarts.",
		)
		.argument("<instance>", "FUNCTION/INSTANCE", target)
		.option(
			"--timeout <time>",
			"wait no longer than this; 0s: do not wait",
			milliseconds,
		)
		.addHelpText(
			"after",
			`
Examples:
  chainmail function drain firewall/a
  chainmail function drain firewall/a --timeout 10m`,
		)
		.action(
			async (
				{ name, instance }: Target,
				options: { timeout?: number },
				command: Command,
			) => {
				await withClient(command, async (client) => {
					await ask(client, services, "drain", { name, instance });
					const end =
						Date.now() + (options.timeout ?? Number.POSITIVE_INFINITY);
					const left = await emptied(client, { name, instance }, end, (line) =>
						terminal.err(line),
					);
					await show(
						terminal,
						formatOf(command),
						{ function: name, instance, paths: left },
						() =>
							left === 0
								? `${name}/${instance}: drained`
								: `${name}/${instance}: no new flows`,
					);
					if (left > 0 && options.timeout !== 0)
						throw unfinished({ name, instance }, left);
				});
			},
		);
	group
		.command("undrain")
		.summary("let an instance have new flows again")
		.description("Ends what `drain` began.")
		.argument("<instance>", "FUNCTION/INSTANCE", target)
		.addHelpText(
			"after",
			`
Example:
  chainmail function undrain firewall/a`,
		)
		.action(async (of: Target, _: unknown, command: Command) => {
			await withClient(command, async (client) => {
				const response = await ask(client, services, "undrain", of);
				await show(
					terminal,
					formatOf(command),
					response,
					() => `${of.name}/${of.instance}: gets new flows again`,
				);
			});
		});
}

async function ask(
	client: Client,
	{ terminal }: Services,
	verb: "drain" | "undrain",
	{ name, instance }: Target,
): Promise<DrainResponse> {
	const response = await client.post<DrainResponse>(
		`/v1/functions/${encodeURIComponent(name)}/${verb}`,
		{ instance },
	);
	for (const { message } of response.warnings)
		terminal.err(`warning: ${message}`);
	if (response.pending.length === 0) return response;
	throw new CliFailure(
		`${verb} ${name}/${instance}: no acknowledgement from ${response.pending.join(", ")} (see: chainmail get nodes)`,
		ExitCode.pending,
	);
}

/** Waits until no path through it is left, or the time is up: how many are left. */
async function emptied(
	client: Client,
	of: Target,
	endMs: number,
	tell: (line: string) => void,
): Promise<number> {
	let told = "";
	for (;;) {
		const draining = await drainingOf(client, of);
		const { paths } = draining;
		const leftMs = endMs - Date.now();
		if (paths === 0 || leftMs <= 0) return paths;
		const line = progress(of, draining);
		if (line !== told) tell(line);
		told = line;
		await new Promise((resolve) =>
			setTimeout(resolve, Math.min(POLL_MS, leftMs)),
		);
	}
}

async function drainingOf(
	client: Client,
	{ name, instance }: Target,
): Promise<NonNullable<InstanceHealth["draining"]>> {
	const view = await client.get<FunctionView>(
		`/v1/functions/${encodeURIComponent(name)}`,
	);
	const found = view.status.instances.find((one) => one.instance === instance);
	if (found?.draining) return found.draining;
	throw new CliFailure(
		`drain ${name}/${instance}: ${found ? "somebody undrained it" : "it was deleted"} meanwhile (see: chainmail get events)`,
	);
}

/** Told when it changes, so the time is rounded: every ten seconds is enough. */
function progress(
	{ name, instance }: Target,
	{ paths, idleMs }: NonNullable<InstanceHealth["draining"]>,
): string {
	const left = `${paths} path${paths === 1 ? "" : "s"} left`;
	const idle = Math.floor((idleMs ?? 0) / 10_000) * 10_000;
	const since =
		idleMs === undefined || idle === 0
			? "in use"
			: `unused for ${duration(idle)}`;
	return `${name}/${instance}: ${left}, ${since}`;
}

function unfinished({ name, instance }: Target, left: number): CliFailure {
	return new CliFailure(
		`drain ${name}/${instance}: ${left} path${left === 1 ? " is" : "s are"} left (its flows may go on; repeat the command to wait for them)`,
		ExitCode.pending,
	);
}

function target(text: string): Target {
	const { name, instance } = functionOrInstance(text);
	if (instance === undefined)
		throw new InvalidArgumentError("Expected an instance as in firewall/a.");
	return { name, instance };
}
