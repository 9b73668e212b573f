/** chainmail trace: the way a packet would go, hop by hop, and why. */
import { type Command, Option } from "commander";
import type {
	FlowView,
	TraceRequest,
	TraceResponse,
	TraceStep,
} from "../api/schemas.js";
import type { Client } from "./client.js";
import { protocolNumber } from "./get.js";
import { integer, port } from "./numbers.js";
import { show } from "./output.js";
import { formatOf, look, type Services, withClient } from "./session.js";
import { table } from "./table.js";
import { printable } from "./terminal.js";

interface Options {
	readonly tenant: string;
	readonly src: string;
	readonly dst: string;
	readonly proto: number;
	readonly sport?: number;
	readonly dport?: number;
	readonly dscp?: number;
	readonly icmpType?: number;
	readonly node?: string;
	readonly live?: boolean;
	readonly count?: number;
}

const LIVE_MS = 1000;

export function registerTrace(program: Command, services: Services): void {
	program
		.command("trace")
		.summary("show the way a packet would go, and why")
		.description(
			"Asks the planner which way a packet would go: policy, path, every hop. Sends nothing. With --live it follows a real flow by its counters.",
		)
		.requiredOption("--tenant <name>", "tenant the packet belongs to")
		.requiredOption("--src <address>", "source address")
		.requiredOption("--dst <address>", "destination address")
		.addOption(
			new Option(
				"--proto <protocol>",
				"tcp, udp, icmp, icmpv6, sctp or a number",
			)
				.argParser(protocolNumber)
				.makeOptionMandatory(),
		)
		.option("--sport <port>", "source port", port)
		.option("--dport <port>", "destination port", port)
		.option("--dscp <value>", "DSCP", integer(0, 63))
		.option("--icmp-type <type>", "ICMP type", integer(0, 255))
		.option("--node <name>", "node where the packet arrives")
		.option("--live", "follow the real flow's counters until Ctrl-C")
		.option(
			"--count <times>",
			"with --live: stop after so many",
			integer(1, 1e6),
		)
		.addHelpText(
			"after",
			`
Examples:
  chainmail trace --tenant acme --src 10.0.1.10 --dst 203.0.113.10 --proto tcp --dport 443
  chainmail trace --tenant acme --src 10.0.1.10 --dst 203.0.113.10 --proto udp --dport 53 --live`,
		)
		.action(async (options: Options, command: Command) => {
			await withClient(command, (client) =>
				trace(services, command, client, options),
			);
		});
}

async function trace(
	services: Services,
	command: Command,
	client: Client,
	options: Options,
): Promise<void> {
	const { live, count = Number.POSITIVE_INFINITY, ...packet } = options;
	const request: TraceRequest = {
		...packet,
		...(live === true ? { live } : {}),
	};
	const ask = () => client.post<TraceResponse>("/v1/trace", request);
	let answer = await ask();
	await show(services.terminal, formatOf(command), answer, () =>
		traceText(services, answer),
	);
	if (live !== true) return;
	for (let round = 1; ; round++) {
		await showFlows(services, answer.flows ?? []);
		if (round >= count) return;
		await new Promise((resolve) => setTimeout(resolve, LIVE_MS));
		answer = await ask();
	}
}

async function showFlows(
	{ terminal }: Services,
	flows: readonly FlowView[],
): Promise<void> {
	const columns = await import("./columns.js");
	terminal.out(
		flows.length === 0
			? "no such flow runs now"
			: `\n${table(columns.flows, flows, look(terminal))}`,
	);
}

const VERDICTS = {
	exit: ["green", "leaves its chain and goes on"],
	pass: ["yellow", "passes without a chain"],
	drop: ["red", "is dropped"],
} as const;

/** One line a step: number, where, what, why. */
function traceText(services: Services, answer: TraceResponse): string {
	const { paint } = services.terminal;
	const width = Math.max(...answer.steps.map(({ node }) => node.length), 0);
	const stage = Math.max(...answer.steps.map((step) => step.stage.length), 0);
	const lines = answer.steps.map((step, i) =>
		[
			String(i + 1).padStart(2),
			paint("cyan", step.node.padEnd(width)),
			paint("bold", step.stage.padEnd(stage)),
			printable(place(step) + step.detail),
		].join("  "),
	);
	const [colour, words] = VERDICTS[answer.verdict];
	const reason = answer.reason === undefined ? "" : `: ${answer.reason}`;
	const policy = answer.policy === undefined ? "" : `, policy ${answer.policy}`;
	return [
		...lines,
		paint(colour, `The packet ${words}${reason}${policy}.`),
	].join("\n");
}

function place(step: TraceStep): string {
	const parts = [
		step.function === undefined
			? undefined
			: `${step.function}/${step.instance ?? "?"}`,
		step.spi === undefined ? undefined : `path ${step.spi}`,
		step.si === undefined ? undefined : `si ${step.si}`,
	].filter((part) => part !== undefined);
	return parts.length === 0 ? "" : `[${parts.join(", ")}] `;
}
