/** One node with one function that flows skip once its verdict is known. */
import { Fleet, prefixOf } from "../../lab/fleet.js";
import { buildLab, type Lab } from "../../lab/lab.js";
import { lineAddresses as at, line } from "../../lab/topologies/line.js";
import { type Datagram, Datagrams } from "../../lab/traffic/datagrams.js";
import { namespaceName } from "../../src/functions/names.js";
import { run } from "../../src/kernel/process.js";
import type { FunctionDocument } from "../../src/model/intent.js";
import { intentOf } from "../../src/plan/fixtures.js";

function intent(spec: Partial<FunctionDocument["spec"]>) {
	return intentOf(
		{
			kind: "Tenant",
			name: "blue",
			spec: { subnets: ["10.0.1.0/24", "2001:db8:1::/64"], exit: "node" },
		},
		{
			kind: "Node",
			name: "node",
			spec: {
				interfaces: [
					{ name: "acc", role: "access", tenant: "blue" },
					{ name: "ext", role: "exit" },
				],
			},
		},
		{
			kind: "Function",
			name: "fn",
			spec: {
				attach: "routed",
				runtime: "process",
				instances: [{ name: "a", node: "node" }],
				...spec,
			},
		},
		{
			kind: "Policy",
			name: "all",
			spec: {
				tenant: "blue",
				rule: "match(proto={tcp, udp, icmp, icmpv6}) >> fn",
			},
		},
	);
}

export class Skipping {
	constructor(
		readonly lab: Lab,
		readonly fleet: Fleet,
	) {}

	static async open(
		spec: (lab: Lab) => Partial<FunctionDocument["spec"]>,
	): Promise<Skipping> {
		const lab = await buildLab(line(["node"]));
		return new Skipping(lab, await Fleet.open(lab, intent(spec(lab))));
	}

	/** Packets given to the function so far, from either side. */
	given(): number {
		return this.fleet
			.node("node")
			.counters()
			.ports.reduce((sum, { toFunction }) => sum + toFunction.packets, 0);
	}

	/** Runs a command where the function is. */
	async inFunction(argv: readonly [string, ...string[]]): Promise<void> {
		const name = { function: "fn", instance: "a" };
		await run(argv, { netns: namespaceName(prefixOf(this.lab), "node", name) });
	}

	async close(): Promise<void> {
		await this.fleet.destroy();
		await this.lab.destroy();
	}
}

/** A question to the server, and its answer; undefined: none came in time. */
export async function echo(
	{ lab }: Skipping,
	from: Datagrams,
	text: string,
	timeoutMs = 1000,
): Promise<string | undefined> {
	const server = await servers(lab);
	from.send(Buffer.from(text), at.server, 5000);
	let asked: Datagram | undefined;
	/* What came too late for a question before is not this one. */
	do asked = await soon(server, timeoutMs);
	while (asked && String(asked.data) !== text);
	if (!asked) return undefined;
	server.send(Buffer.from(`re: ${asked.data}`), asked.from, asked.port);
	return (await soon(from, timeoutMs))?.data.toString();
}

const open = new Map<string, Promise<Datagrams>>();
export function servers(lab: Lab): Promise<Datagrams> {
	const known =
		open.get(lab.run) ?? Datagrams.open(lab.host("server"), at.server, 5000);
	open.set(lab.run, known);
	return known;
}

/** The next datagram; undefined where none comes in time. */
function soon(
	socket: Datagrams,
	timeoutMs: number,
): Promise<Datagram | undefined> {
	return socket.next(timeoutMs).catch(() => undefined);
}
