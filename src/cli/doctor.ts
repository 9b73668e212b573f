/** chainmail doctor: what this machine, or a node, can and cannot do. */
import type { Command } from "commander";
import type { NodeView } from "../api/schemas.js";
import type { DoctorCheck } from "../plan/protocol.js";
import { CliFailure } from "./failure.js";
import { show } from "./output.js";
import { formatOf, look, type Services, withClient } from "./session.js";
import { type Column, table } from "./table.js";

const columns: readonly Column<DoctorCheck>[] = [
	{
		title: "CHECK",
		value: (row) => row.name,
	},
	{
		title: "RESULT",
		value: resultOf,
		colour: (row) => (row.ok ? "green" : row.required ? "red" : "yellow"),
	},
	{ title: "WHAT FOLLOWS", value: (row) => row.detail },
];

export function registerDoctor(program: Command, services: Services): void {
	program
		.command("doctor")
		.summary("check what this machine, or a node, can do")
		.description(
			"Tries what the data plane needs and tells what is used where something is absent. Without --node it examines this machine and needs no controller; with it, it shows what the node's agent found when it connected. Exit status 1 when something required fails.",
		)
		.option("--node <name>", "ask the controller about this node instead")
		.action(async (options: { node?: string }, command: Command) => {
			const checks =
				options.node === undefined
					? await localChecks()
					: await nodeChecks(services, command, options.node);
			await show(services.terminal, formatOf(command), checks, () =>
				table(columns, checks, look(services.terminal)),
			);
			const failed = checks.filter(({ ok, required }) => required && !ok);
			if (failed.length > 0)
				throw new CliFailure(
					`doctor: ${failed.map(({ name }) => name).join(", ")}: required, but not there (the table says how to mend it)`,
				);
		});
}

function resultOf({ ok, required }: DoctorCheck): string {
	if (ok) return "ok";
	return required ? "FAILS" : "absent";
}

async function localChecks(): Promise<readonly DoctorCheck[]> {
	const { probe } = await import("../kernel/probe.js");
	return probe();
}

function nodeChecks(
	services: Services,
	command: Command,
	name: string,
): Promise<readonly DoctorCheck[]> {
	return withClient(command, async (client) => {
		const node = await client.get<NodeView>(
			`/v1/nodes/${encodeURIComponent(name)}`,
		);
		const { checks, checkedMs, connected } = node.status;
		if (checks !== undefined) {
			const when = new Date(checkedMs ?? 0).toISOString().slice(0, 19);
			services.terminal.err(
				connected
					? `checks of ${name} when its agent connected, ${when}`
					: `warning: node ${name} is not connected; its checks are from ${when}`,
			);
			return checks;
		}
		throw new CliFailure(
			`doctor: node ${name} has never connected (start \`chainmail agent\` there)`,
		);
	});
}
