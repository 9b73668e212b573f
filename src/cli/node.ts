/** chainmail node: shuts a node out that is not to be trusted any more. */
import type { Command } from "commander";
import { type Services, withClient } from "./session.js";

export function registerNode(program: Command, services: Services): void {
	program
		.command("node")
		.summary("shut a node out")
		.description("Says which nodes the controller no longer trusts.")
		.command("revoke")
		.summary("refuse a node's certificate at once")
		.description(
			"Ends the node's session and refuses its certificate and unused join tokens from now on; only a new token lets it join again. What is declared stays, and packets go on through it: `delete node` takes it out of all paths.",
		)
		.argument("<name>", "the node's name")
		.addHelpText(
			"after",
			`
Example:
  chainmail node revoke edge1`,
		)
		.action(async (name: string, _: unknown, command: Command) => {
			await withClient(command, (client) =>
				client.post(`/v1/nodes/${encodeURIComponent(name)}/revoke`, undefined),
			);
			services.terminal.err(
				`node ${name} revoked (to let it in again: chainmail token join ${name}, and for keys: chainmail keys admit ${name})`,
			);
		});
}
