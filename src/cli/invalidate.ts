/** chainmail function invalidate: what was learned of a function holds no more. */
import { Argument, type Command } from "commander";
import type { InvalidateResponse } from "../api/schemas.js";
import { CliFailure, ExitCode } from "./failure.js";
import {
	type FunctionOrInstance,
	functionOrInstance,
} from "./instance-name.js";
import { show } from "./output.js";
import { formatOf, type Services, withClient } from "./session.js";

export function registerInvalidate(group: Command, services: Services): void {
	group
		.command("invalidate")
		.summary("forget every verdict of a function on running flows")
		.description(
			"Forgets what was learned of a function, or of one of its instances, and looks anew at what may be learned of it. Ends when every node has done so: from then on all flows pass the function again until it has judged them.",
		)
		.addArgument(
			new Argument("<function>", "its name, or NAME/INSTANCE").argParser(
				functionOrInstance,
			),
		)
		.addHelpText(
			"after",
			`
Examples:
  chainmail function invalidate firewall
  chainmail function invalidate firewall/a`,
		)
		.action(
			async (
				{ name, instance }: FunctionOrInstance,
				_: unknown,
				command: Command,
			) => {
				await withClient(command, async (client) => {
					const response = await client.post<InvalidateResponse>(
						`/v1/functions/${encodeURIComponent(name)}/invalidate`,
						instance === undefined ? {} : { instance },
					);
					await show(services.terminal, formatOf(command), response, () =>
						summary(response),
					);
					confirmed(response);
				});
			},
		);
}

function summary({ items }: InvalidateResponse): string {
	return items
		.map(
			({ node, function: name, instance }) =>
				`${name}/${instance}@${node}: forgotten`,
		)
		.join("\n");
}

/** Throws where a node has not said that it forgot. */
function confirmed({ missing }: InvalidateResponse): void {
	if (missing.length === 0) return;
	const reasons = missing.map(({ reason }) => reason).join("; ");
	throw new CliFailure(
		`function invalidate: ${reasons} (what was learned there still holds: repeat it when the node is back)`,
		ExitCode.pending,
	);
}
