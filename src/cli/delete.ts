/** chainmail delete: takes one declared thing away. */
import type { Command } from "commander";
import type { ApplyResponse } from "../api/schemas.js";
import { summary } from "./apply.js";
import { declared, nounOf } from "./kinds.js";
import { show } from "./output.js";
import { formatOf, type Services, withClient } from "./session.js";

export function registerDelete(program: Command, services: Services): void {
	program
		.command("delete")
		.summary("delete a tenant, node, function or policy")
		.description(
			"Deletes what was declared. Refused while something that stays refers to it.",
		)
		.argument("<kind>", declared.join(", "))
		.argument("<name>", "its name")
		.addHelpText(
			"after",
			`
Example:
  chainmail delete policy web`,
		)
		.action(
			async (word: string, name: string, _: unknown, command: Command) => {
				const noun = nounOf(word, declared);
				await withClient(command, async (client) => {
					const response = await client.delete<ApplyResponse>(
						`/v1/${noun}/${encodeURIComponent(name)}`,
					);
					await show(services.terminal, formatOf(command), response, () =>
						summary(services, response),
					);
				});
			},
		);
}
