/** chainmail trace: the way a packet would go, hop by hop, and why. */
import { type Command, Option } from "commander";
import type { TraceRequest, TraceResponse, TraceStep } from "../api/schemas.js";
import type { Client } from "./client.js";
import { CliFailure, ExitCode } from "./failure.js";
import { dscp, icmpType, integer, port, protocolNumber } from "./numbers.js";
import { show } from "./output.js";
import { formatOf, type Services, withClient } from "./session.js";
import { printable } from "./terminal.js";

interface Options {
	readonly tenant: string;
	readonly src: string;
	readonly dst: string;
	readonly proto: number;
	readonly sport?: number;
	readonly dport?: number;
	readonly dscp?: number;
	readonly icmpType?: (isIpv6: boolean) => number;
	readonly node?: string;
	readonly live?: boolean;
	readonly count?: number;
}

export function registerTrace(program: Command, services: Services): void {
	program
		.command("trace")
		.summary("show the way a packet would go, and why")
		.description(
			"Asks the planner which way a packet would go: policy, path, every hop. Sends nothing, so what a function would do with it is not known. With --live it follows a real flow: its own counters, and those of the hops of its path.",
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
		.option("--dscp <value>", "DSCP: a name such as ef, or a number", dscp)
		.option(
			"--icmp-type <type>",
			"ICMP type: a name such as echo-request, or a number",
			icmpType,
		)
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
			if (options.count !== undefined && options.live !== true)
				throw new CliFailure(
					"trace: --count goes with --live only (add --live)",
					ExitCode.usage,
				);
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
	const { live, count, icmpType, ...packet } = options;
	const request: TraceRequest = {
		...packet,
		...(icmpType && { icmpType: icmpType(packet.src.includes(":")) }),
	};
	const answer = await client.post<TraceResponse>("/v1/trace", request);
	await show(services.terminal, formatOf(command), answer, () =>
		traceText(services, answer),
	);
	if (live !== true) return;
	const { follow } = await import("./trace-live.js");
	await follow(services, command, client, request, count);
}

const VERDICTS = {
	exit: ["green", "leaves its chain and goes on"],
	decided: [
		"green",
		"leaves its chain and goes on if every function lets it pass",
	],
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
	const isDecided =
		answer.verdict === "exit" &&
		answer.steps.some(({ stage }) => stage === "port");
	const [colour, words] = VERDICTS[isDecided ? "decided" : answer.verdict];
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
