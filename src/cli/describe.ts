/** chainmail describe: one thing with all that is known about it. */
import type { Command } from "commander";
import type {
	DocumentView,
	FlowClassView,
	FunctionView,
	NodeView,
	PathView,
	PolicyView,
} from "../api/schemas.js";
import { named, nounOf } from "./kinds.js";
import { show, yamlOf } from "./output.js";
import { formatOf, look, type Services, withClient } from "./session.js";
import { table } from "./table.js";

type Described = DocumentView | PathView;

export function registerDescribe(program: Command, services: Services): void {
	program
		.command("describe")
		.summary(
			"show one tenant, node, function, flow class, policy or path in full",
		)
		.description(
			"Shows what was declared, what became of it, and what runs now.",
		)
		.argument("<kind>", named.join(", "))
		.argument("<name>", "its name, or the SPI of a path")
		.addHelpText(
			"after",
			`
Examples:
  chainmail describe policy web
  chainmail describe path 7`,
		)
		.action(
			async (word: string, name: string, _: unknown, command: Command) => {
				const noun = nounOf(word, named);
				await withClient(command, async (client) => {
					const view = await client.get<Described>(
						`/v1/${noun}/${encodeURIComponent(name)}`,
					);
					const text = await describe(services, view);
					await show(services.terminal, formatOf(command), view, () => text);
				});
			},
		);
}

async function describe(services: Services, view: Described): Promise<string> {
	if (!("kind" in view)) return pathText(services, view);
	const { kind, name, spec } = view;
	const sections = [
		title(services, `${kind} ${name}`),
		await yamlOf(spec),
		...(await statusOf(services, view)),
	];
	return sections.filter((section) => section !== "").join("\n\n");
}

async function statusOf(
	services: Services,
	view: DocumentView,
): Promise<string[]> {
	switch (view.kind) {
		case "Tenant":
			return [`policies: ${view.status.policies}\npaths: ${view.status.paths}`];
		case "Node":
			return nodeText(services, view);
		case "Function":
			return functionText(services, view);
		case "FlowClass":
			return [classText(view)];
		case "Policy":
			return policyText(services, view);
	}
}

async function nodeText(
	services: Services,
	{ status }: NodeView,
): Promise<string[]> {
	const { instances } = await import("./columns.js");
	const { connected, revision, desired, version, lastError } = status;
	const { checks = [] } = status;
	const facts = [
		`connected: ${connected ? "yes" : "no"}`,
		`revision: ${revision} (should be ${desired})`,
		...(version === undefined ? [] : [`version: ${version}`]),
		...(lastError === undefined ? [] : [`last error: ${lastError}`]),
		...efFacts(status),
	].join("\n");
	const failed = checks.filter(({ ok }) => !ok);
	return [
		facts,
		...(status.instances.length === 0
			? []
			: [table(instances, status.instances, look(services.terminal))]),
		...(checks.length === 0
			? []
			: [
					failed.length === 0
						? `all ${checks.length} checks passed`
						: failed
								.map(
									({ name, required, detail }) =>
										`${required ? "fails" : "lacks"} ${name}: ${detail}`,
								)
								.join("\n"),
				]),
	];
}

/** Of the node's encryption function. */
function efFacts({ ef }: NodeView["status"]): string[] {
	if (!ef) return [];
	const { state, reason, engine, sas, active } = ef;
	return [
		`encryption: ${state}${reason === "" ? "" : `, ${reason}`}`,
		...(engine === undefined ? [] : [`engine: ${engine.kind} (${engine.why})`]),
		`keys: ${sas}, of which ${active} seal`,
	];
}

async function functionText(
	services: Services,
	{ status }: FunctionView,
): Promise<string[]> {
	const { instances } = await import("./columns.js");
	return [
		table(instances, status.instances, look(services.terminal)),
		`paths: ${status.paths.length === 0 ? "none" : status.paths.join(", ")}`,
	];
}

function classText({ status: { policies } }: FlowClassView): string {
	return `excepted by: ${policies.length === 0 ? "no policy" : policies.join(", ")}`;
}

async function policyText(
	services: Services,
	{ status }: PolicyView,
): Promise<string[]> {
	if (status.paths.length === 0) return ["no paths"];
	return Promise.all(status.paths.map((path) => pathText(services, path)));
}

/** A path with its hops and their counters. */
export async function pathText(
	services: Services,
	path: PathView,
): Promise<string> {
	const { hops } = await import("./columns.js");
	const { spi, reverseSpi, direction, policy, tenant, state, mtu } = path;
	const { flowClass = policy, backup } = path;
	const standIn = backup === undefined ? "" : `, backup path ${backup}`;
	return [
		title(
			services,
			`Path ${spi} (${direction}, ${state}; the other direction is ${reverseSpi})`,
		),
		`policy ${flowClass}, tenant ${tenant}, MTU ${mtu}${standIn}`,
		table(hops, path.hops, look(services.terminal)),
	].join("\n");
}

function title({ terminal }: Services, text: string): string {
	return terminal.paint("bold", text);
}
