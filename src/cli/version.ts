/** chainmail version. */
import type { Command } from "commander";
import { PROTOCOL_VERSION } from "../plan/protocol.js";
import { show } from "./output.js";
import { formatOf, type Services } from "./session.js";

export function registerVersion(program: Command, services: Services): void {
	program
		.command("version")
		.summary("show the version")
		.description("Shows the versions of Chainmail, its protocol and Node.js.")
		.action(async (_: unknown, command: Command) => {
			const value = {
				chainmail: services.version,
				protocol: PROTOCOL_VERSION,
				node: process.versions.node,
			};
			await show(
				services.terminal,
				formatOf(command),
				value,
				() =>
					`chainmail ${value.chainmail} (agent protocol ${value.protocol}, Node.js ${value.node})`,
			);
		});
}
