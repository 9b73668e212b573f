/**
 * Verdicts learned from a real firewall on random flows, compared with what its
 * ruleset says of them.
 */
import { setTimeout as delay } from "node:timers/promises";
import { lineAddresses } from "../../lab/topologies/line.js";
import { RawSocket } from "../../src/kernel/rawsocket.js";
import { Random } from "../../src/plan/random.js";
import { eth, ipv4, packet, tcp, udp } from "../../src/wire/build.js";
import type { Figure } from "../lib/figure.js";
import { Chainmail } from "../systems/chainmail.js";
import { gatewayMacs } from "../systems/system.js";
import {
	accepts,
	type Flow,
	nftables,
	randomFlow,
	randomRules,
	SERVERS,
	written,
} from "./ruleset.js";

const NODE = "node";
const FLOWS = 100_000;
const RULES = 60;
const SEED = 3;
/** Packets of each flow: the first is judged, the next ones find the verdict. */
const PACKETS = 3;
/** Without an answer for so long a flow is denied. */
const DEADLINE_MS = 200;

export async function judged(): Promise<Figure[]> {
	const random = new Random(SEED);
	const rules = randomRules(random, RULES);
	const flows = new Map<string, Flow>();
	while (flows.size < FLOWS) {
		const flow = randomFlow(random);
		flows.set(keyOf(flow), flow);
	}
	const system = await Chainmail.open([NODE], [NODE], {
		offload: "verdict",
		ruleset: { text: nftables(rules) },
		learn: { deadlineMs: DEADLINE_MS, denyMs: 3_600_000 },
	});
	try {
		await system.lab
			.host(NODE)
			.must([
				"ip",
				"route",
				"add",
				written(SERVERS),
				"via",
				lineAddresses.server,
			]);
		await send(system, [...flows.values()]);
		const verdicts = await verdictsOf(system);
		const said = (verdict: string, accepted: boolean): number =>
			[...flows].filter(
				([key, flow]) =>
					verdicts.get(key) === verdict && accepts(rules, flow) === accepted,
			).length;
		const wrong = said("allow", false) + said("deny", true);
		const right = said("allow", true) + said("deny", false);
		const unit = "flows";
		return [
			{
				figure: "verdicts that the ruleset contradicts, of 100,000 flows",
				value: wrong,
				unit,
				reach: "<= 0",
				runs: 1,
			},
			{
				figure: "verdicts that the ruleset confirms, of 100,000 flows",
				value: right,
				unit,
				reach: `>= ${FLOWS}`,
				runs: 1,
			},
			{
				figure: "flows that the ruleset accepts, of 100,000",
				value: said("allow", true),
				unit,
				runs: 1,
			},
		];
	} finally {
		await system.close();
	}
}

async function send(system: Chainmail, flows: readonly Flow[]): Promise<void> {
	const link = eth(await gatewayMacs(system.user));
	const frames = flows.map(({ proto, src, dst, sport, dport }) =>
		packet(
			link,
			ipv4({ src, dst }),
			proto === "tcp"
				? tcp({ sport, dport, flags: "A" })
				: udp({ sport, dport }),
			"what is judged",
		),
	);
	const socket = new RawSocket("eth0", system.user.netns);
	try {
		for (let round = 0; round < PACKETS; round++) {
			for (const frame of frames) while (!socket.send(frame)) await delay(1);
			/* Silence is a deny only of a function that gives back something later. */
			await delay(DEADLINE_MS);
			await system.user.must(["ping", "-c", "1", lineAddresses.server]);
		}
	} finally {
		socket.close();
	}
}

async function verdictsOf(system: Chainmail): Promise<Map<string, string>> {
	const records = await system.node(NODE).states({ limit: 10 * FLOWS });
	return new Map(
		records.map(({ proto, verdict, ...rest }) => [
			keyOf({ ...rest, proto: proto === 6 ? "tcp" : "udp" }),
			verdict,
		]),
	);
}

function keyOf({ proto, src, dst, sport, dport }: Flow): string {
	return `${proto} ${src}:${sport} ${dst}:${dport}`;
}
