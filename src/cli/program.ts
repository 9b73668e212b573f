/** The command line: all verbs, and how mistakes in it are told. */
import { Command, CommanderError, Option } from "commander";
import { registerApply } from "./apply.js";
import { registerAuc } from "./auc.js";
import { registerCompletion } from "./completion.js";
import { DEFAULT_CONFIG } from "./config.js";
import { registerDelete } from "./delete.js";
import { registerDescribe } from "./describe.js";
import { registerDoctor } from "./doctor.js";
import { CliFailure, ExitCode, exitCodeHelp } from "./failure.js";
import { registerFunction } from "./function.js";
import { registerGet } from "./get.js";
import { registerKeys } from "./keys.js";
import { registerNode } from "./node.js";
import { formats } from "./output.js";
import { registerAgent, registerController } from "./serve.js";
import { formatOf, type Services } from "./session.js";
import { registerToken } from "./token.js";
import { registerTrace } from "./trace.js";
import { registerVersion } from "./version.js";

/** In the order a user meets them; each loads its heavy parts when it runs. */
const verbs = [
	registerController,
	registerAuc,
	registerAgent,
	registerToken,
	registerNode,
	registerKeys,
	registerFunction,
	registerApply,
	registerDelete,
	registerGet,
	registerDescribe,
	registerTrace,
	registerDoctor,
	registerCompletion,
	registerVersion,
];

export function createProgram(services: Services): Command {
	const program = new Command("chainmail")
		.description(
			"Steers the traffic of tenants through ordered chains of security functions.",
		)
		.option(
			"-c, --config <file>",
			`the controller's admin.json (default: $CHAINMAIL_CONFIG or ${DEFAULT_CONFIG})`,
		)
		.addOption(
			new Option("-o, --output <format>", "form of results")
				.choices(formats)
				.default("table"),
		)
		.showSuggestionAfterError(true)
		.addHelpText("after", `\n${exitCodeHelp}`);
	for (const register of verbs) register(program, services);
	program.hook("preAction", (_, command) => checkOutput(command));
	prepare(program, services);
	return program;
}

/** Commands whose result is a list of records. */
const LISTS: readonly string[] = ["get", "list"];

/** Refused before anything is done: the result could not be shown afterwards. */
function checkOutput(command: Command): void {
	if (formatOf(command) !== "csv" || LISTS.includes(command.name())) return;
	throw new CliFailure(
		`${command.name()}: --output csv is for lists alone (use json or yaml)`,
		ExitCode.usage,
	);
}

/** Settings that commander does not hand down to commands already made. */
function prepare(command: Command, services: Services): void {
	const { terminal } = services;
	command
		.helpCommand(false)
		.exitOverride()
		.configureHelp({ showGlobalOptions: true })
		.configureOutput({
			writeOut: (text) => terminal.out(text.trimEnd()),
			writeErr: (text) => terminal.err(text.trimEnd()),
			getOutHelpWidth: () => terminal.width ?? 80,
			getErrHelpWidth: () => terminal.width ?? 80,
			// Told once, by `run`, in our own words.
			outputError: () => {},
		});
	for (const child of command.commands) prepare(child, services);
}

/** Runs one command line (without `node` and script); returns the exit status. */
export async function run(
	argv: readonly string[],
	services: Services,
): Promise<number> {
	const { terminal } = services;
	const program = createProgram(services);
	if (argv.length === 0) {
		program.outputHelp();
		return ExitCode.usage;
	}
	try {
		await program.parseAsync([...argv], { from: "user" });
		return ExitCode.ok;
	} catch (error) {
		if (error instanceof CliFailure) {
			terminal.err(error.message);
			return error.exitCode;
		}
		if (error instanceof CommanderError) {
			if (error.exitCode === 0) return ExitCode.ok;
			terminal.err(usageText(argv, program, error));
			return ExitCode.usage;
		}
		throw error;
	}
}

/** The command that the words name, as far as they do. */
function commandOf(
	argv: readonly string[],
	program: Command,
): { name: string; command: Command } {
	let command = program;
	let name = "chainmail";
	for (const word of argv) {
		const child = command.commands.find((one) => one.name() === word);
		if (child === undefined) break;
		command = child;
		name = `${name} ${word}`;
	}
	return { name, command };
}

/** "operation: cause (likely fix)". */
function usageText(
	argv: readonly string[],
	program: Command,
	error: CommanderError,
): string {
	const { name, command } = commandOf(argv, program);
	const [cause = "", ...rest] = error.message
		.replace(/^error: /, "")
		.replace(/\.$/, "")
		.split("\n");
	const wanted = command.options.find(({ flags }) =>
		cause.includes(`'${flags}'`),
	);
	const choices =
		error.code === "commander.missingMandatoryOptionValue" && wanted?.argChoices
			? `one of ${wanted.argChoices.join(", ")};`
			: "";
	const suggestion = rest.join(" ").replace(/^\((.*)\)$/, "$1") || choices;
	if (error.code === "commander.help")
		return `${name}: a command is missing (see: ${name} --help)`;
	return `${name}: ${cause} (${suggestion === "" ? "" : `${suggestion} `}see: ${name} --help)`;
}
