/** Composition root of the command line: what bin/chainmail runs. */
import { failureText } from "../cli/failure.js";
import { run } from "../cli/program.js";
import type {
	AgentSettings,
	AucSettings,
	ControllerSettings,
	Service,
	Services,
} from "../cli/session.js";
import { processTerminal } from "../cli/terminal.js";
import { packageVersion } from "../kernel/installation.js";

const terminal = processTerminal();
const version = packageVersion();

const services: Services = {
	terminal,
	version,
	// Loaded only where they run: a listing should not wait for a server.
	async startController(settings: ControllerSettings): Promise<Service> {
		await keepSecrets();
		const { startController } = await import("./controller.js");
		let lost = (_reason: string) => {};
		const ended = new Promise<string>((resolve) => {
			lost = resolve;
		});
		const controller = await startController({
			...settings,
			onLost: () =>
				lost("controller: another one took its store over (run only one)"),
		});
		return {
			ready: `controller: listens on ${controller.url}`,
			ended,
			close: () => controller.close(),
		};
	},
	async startAuc(settings: AucSettings): Promise<Service> {
		await keepSecrets();
		const { startAuc } = await import("./auc.js");
		const auc = await startAuc({ ...settings, log });
		return {
			ready: `auc: takes commands at ${auc.url}, gives keys at port ${auc.port}`,
			ended: new Promise(() => {}),
			close: () => auc.close(),
		};
	},
	async startAgent(settings: AgentSettings): Promise<Service> {
		const { startAgent } = await import("./agent.js");
		const agent = await startAgent({ ...settings, version, log });
		return {
			ready: `agent: node ${settings.node} runs`,
			ended: new Promise(() => {}),
			close: () => agent.close(),
		};
	},
	async purgeAgent(settings): Promise<void> {
		const { purgeAgent } = await import("./agent.js");
		await purgeAgent(settings);
	},
};

/** Of those that keep an authority's keys. */
async function keepSecrets(): Promise<void> {
	const { makeUndumpable } = await import("../kernel/undumpable.js");
	makeUndumpable();
}

function log(line: string): void {
	terminal.err(`${new Date().toISOString()} ${line}`);
}

try {
	process.exitCode = await run(process.argv.slice(2), services);
} catch (error) {
	// Messages of the layers below are written for users; a stack is for us.
	const wantsStack = process.env.CHAINMAIL_DEBUG !== undefined;
	const { stack } = error as Error;
	terminal.err((wantsStack ? stack : undefined) ?? failureText(error));
	process.exitCode = 1;
}
