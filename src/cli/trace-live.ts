/** trace --live: a real flow, second by second, by its counters and its hops'. */
import type { Command } from "commander";
import type {
	FlowView,
	PathView,
	TraceRequest,
	TraceResponse,
} from "../api/schemas.js";
import { type Client, Refusal } from "./client.js";
import { flows as columns, hopName } from "./columns.js";
import { ExitCode } from "./failure.js";
import { yamlOf } from "./output.js";
import { formatOf, look, type Services } from "./session.js";
import { table } from "./table.js";

const ROUND_MS = 1000;

interface Round {
	/** Without those of paths that are gone. */
	readonly flows: readonly FlowView[];
	/** The paths the packet would take, and those its flows take. */
	readonly paths: readonly PathView[];
}

/** Shows a round each second, until Ctrl-C or `count` of them are shown. */
export async function follow(
	{ terminal }: Services,
	command: Command,
	client: Client,
	request: TraceRequest,
	count = Number.POSITIVE_INFINITY,
): Promise<void> {
	const format = formatOf(command);
	let before: ReadonlyMap<string, number> = new Map();
	for (let i = 1; ; i++) {
		const round = await ask(client, request);
		if (format === "json") terminal.out(JSON.stringify(round));
		else if (format === "yaml") terminal.out(`---\n${await yamlOf(round)}`);
		else {
			const flows =
				round.flows.length === 0
					? "no such flow runs now"
					: table(columns, round.flows, look(terminal));
			const paths = round.paths.map((path) => pathText(path, before));
			terminal.out(`\n${[flows, ...paths].join("\n")}`);
		}
		before = counts(round.paths);
		if (i >= count) return;
		await new Promise((resolve) => setTimeout(resolve, ROUND_MS));
	}
}

async function ask(client: Client, request: TraceRequest): Promise<Round> {
	const { steps, flows = [] } = await client.post<TraceResponse>("/v1/trace", {
		...request,
		live: true,
	});
	const current = flows.filter(({ old }) => old !== true);
	const spis = new Set([
		...steps.flatMap(({ spi }) => spi ?? []),
		...current.flatMap(({ spi }) => spi ?? []),
	]);
	const paths = await Promise.all(
		[...spis].map((spi) =>
			client.get<PathView>(`/v1/paths/${spi}`).catch((error: unknown) => {
				/* A change may have taken it away since. */
				if (error instanceof Refusal && error.exitCode === ExitCode.notFound)
					return undefined;
				throw error;
			}),
		),
	);
	return { flows: current, paths: paths.filter((path) => path !== undefined) };
}

const keyOf = (path: PathView, i: number) => `${path.spi} ${i}`;

function counts(paths: readonly PathView[]): Map<string, number> {
	return new Map(
		paths.flatMap((path) =>
			path.hops.map(({ packets = 0 }, i): [string, number] => [
				keyOf(path, i),
				packets,
			]),
		),
	);
}

/** `path 7 forward: firewall/fw1@edge1 120 (+12) > exit@edge2 120 (+12)`. */
function pathText(path: PathView, before: ReadonlyMap<string, number>): string {
	const hops = path.hops.map((hop, i) => {
		const last = before.get(keyOf(path, i));
		const { packets } = hop;
		const rise =
			packets === undefined || last === undefined
				? ""
				: ` (+${packets - last})`;
		return `${hopName(hop)}@${hop.node} ${packets ?? "-"}${rise}`;
	});
	return `path ${path.spi} ${path.direction}: ${hops.join(" > ")}`;
}
