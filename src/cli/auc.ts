/** chainmail auc: the authentication centre as a program of its own. */
import { type Command, Option } from "commander";
import { AUC_PORT } from "../keys/enrol-messages.js";
import { CliFailure, ExitCode } from "./failure.js";
import { port } from "./numbers.js";
import { type Listen, listen, serve } from "./serve.js";
import type { Services } from "./session.js";

const CONTROL_PORT = 8445;

interface AucOptions {
	readonly dataDir: string;
	readonly listen: Listen;
	readonly controlPort: number;
	readonly name?: string;
	readonly kekFile?: string;
}

export function registerAuc(program: Command, services: Services): void {
	program
		.command("auc")
		.summary("run the keys' service apart from the controller")
		.description(
			"Runs the authentication centre in the foreground, which gives encryption functions their keys; without it the controller does that itself. Writes controller.json, with which a controller commands it, into its data directory.",
		)
		.option(
			"--data-dir <directory>",
			"keys, sealed state and controller.json; made with mode 0700",
			"/var/lib/chainmail-auc",
		)
		.addOption(
			new Option(
				"--listen <host:port>",
				"address for encryption functions; port 0 takes a free one",
			)
				.argParser(listen)
				.default(
					{ host: "127.0.0.1", port: AUC_PORT },
					`127.0.0.1:${AUC_PORT}`,
				),
		)
		.addOption(
			new Option("--control-port <port>", "port for the controller, same host")
				.argParser(port)
				.default(CONTROL_PORT),
		)
		.option(
			"--name <name>",
			"name or address by which nodes and the controller reach it (default: the host of --listen)",
		)
		.option(
			"--kek-file <file>",
			"32 bytes that its stored state is encrypted with (default: made in the data directory)",
		)
		.addHelpText(
			"after",
			`
Example:
  chainmail auc --listen 172.31.0.2:8444
  chainmail controller --listen 172.31.0.1:8443 --auc controller.json`,
		)
		.action(async (options: AucOptions) => {
			const { dataDir, listen: at, controlPort, name, kekFile } = options;
			const isAnywhere = at.host === "0.0.0.0" || at.host === "::";
			if (isAnywhere && name === undefined)
				throw new CliFailure(
					`auc: --listen ${at.host} does not say by which address it is reached (add --name)`,
					ExitCode.usage,
				);
			await serve(services, () =>
				services.startAuc({
					dataDir,
					...at,
					controlPort,
					...(name !== undefined && { name }),
					...(kekFile !== undefined && { kekFile }),
				}),
			);
		});
}
