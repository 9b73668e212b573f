/** chainmail delete: takes one declared thing away. */
import type { Command } from "commander";
import type { ApplyResponse } from "../api/schemas.js";
import { confirmed, summary } from "./apply.js";
import { declared, nounOf } from "./kinds.js";
import { show } from "./output.js";
import { formatOf, type Services, withClient } from "./session.js";

export function registerDelete(program: Command, services: Services): void {
	program
		.command("delete")
		.summary("delete a tenant, node, function, flow class or policy")
		.description(
			"Deletes what was declared. Refused while something that stays refers to it.",
		)
		.argument("<kind>", declared.join(", "))
		.argument("<name>", "its name")
		.option("--dry-run", "check and plan only, change nothing")
		.addHelpText(
			"after",
			`
Examples:
  chainmail delete policy web
  chainmail delete function firewall --dry-run`,
		)
		.action(
			async (
				word: string,
				name: string,
				options: { dryRun?: boolean },
				command: Command,
			) => {
				const noun = nounOf(word, declared);
				const { dryRun } = options;
				await withClient(command, async (client) => {
					const response = await client.delete<ApplyResponse>(
						`/v1/${noun}/${encodeURIComponent(name)}`,
						{ dryRun: dryRun === true ? "true" : undefined },
					);
					for (const { message } of response.warnings)
						services.terminal.err(`warning: ${message}`);
					await show(services.terminal, formatOf(command), response, () =>
						summary(services, response, dryRun === true),
					);
					if (dryRun !== true) confirmed(response);
				});
			},
		);
}
