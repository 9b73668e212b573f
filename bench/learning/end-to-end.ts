/**
 * New flows a second through a real firewall, each a single packet, all on the
 * sender's core: learned by Chainmail, and led by Linux policy routing, which
 * shows what the firewall itself costs. With conntrack in it and without.
 */
import { setTimeout as delay } from "node:timers/promises";
import { lineAddresses } from "../../lab/topologies/line.js";
import { linkStats } from "../../lab/traffic/packet-rate.js";
import { RawSocket } from "../../src/kernel/rawsocket.js";
import { eth, ipv4, packet, udp } from "../../src/wire/build.js";
import { type Figure, measurePairs } from "../lib/figure.js";
import { Chainmail } from "../systems/chainmail.js";
import type { FirewallSpec } from "../systems/functions.js";
import { PolicyRouting } from "../systems/policy-routing.js";
import { closeAll, gatewayMacs, type System } from "../systems/system.js";
import { FIRST_DPORT, LAST_DPORT, ofFlow } from "./flows.js";

const NODE = "node";
const PAIRS = 9;
/** All pairs together stay below the kernel's nf_conntrack_max, 262,144. */
const FLOWS = 25_000;
/** Packets under way when the sender is done. */
const SETTLE_MS = 100;
const PORTS = `udp dport ${FIRST_DPORT}-${LAST_DPORT}`;

export async function endToEnd(): Promise<Figure[]> {
	return [
		await compare("with conntrack", "ct state established,related accept"),
		await compare("without conntrack", ""),
	];
}

async function compare(kind: string, tracking: string): Promise<Figure> {
	const open: System[] = [];
	const spec: FirewallSpec = {
		offload: "verdict",
		ruleset: {
			text: `table inet f {
	chain forward {
		type filter hook forward priority filter; policy drop;
		${tracking}
		meta l4proto icmp accept
		${PORTS} accept
	}
}
`,
		},
	};
	try {
		const chainmail = await Chainmail.open([NODE], [NODE], spec);
		open.push(chainmail);
		const routing = await PolicyRouting.open(1, spec);
		open.push(routing);
		const learning = await NewFlows.open(chainmail, () => learned(chainmail));
		const leading = await NewFlows.open(routing, () => arrived(routing));
		const { ratio: _, ...figure } = await measurePairs(
			{
				figure: `new flows learned a second end to end, firewall ${kind} (baseline: led by policy routing)`,
				unit: "flows/s",
				reach: ">= 100000",
				pairs: PAIRS,
			},
			() => learning.rate(),
			() => leading.rate(),
		);
		return figure;
	} finally {
		await closeAll(open);
	}
}

class NewFlows {
	#sent = 0;

	private constructor(
		readonly system: System,
		readonly frame: Buffer,
		/** Flows that came through so far. */
		readonly count: () => Promise<number>,
	) {}

	static async open(
		system: System,
		count: () => Promise<number>,
	): Promise<NewFlows> {
		/* Else the server says of each packet that nobody wants it. */
		await system.server.must(["nft", "-f", "-"], {
			input: `table inet quiet { chain c { type filter hook prerouting priority -400; ${PORTS} drop; }; }`,
		});
		const frame = packet(
			eth(await gatewayMacs(system.user)),
			ipv4({ src: lineAddresses.user, dst: lineAddresses.server }),
			udp({ dport: FIRST_DPORT, checksum: 0 }),
			Buffer.alloc(18),
		);
		return new NewFlows(system, frame, count);
	}

	/** Sends the first packets of flows that were never there; flows a second. */
	async rate(): Promise<number> {
		const socket = new RawSocket("eth0", this.system.user.netns);
		try {
			const before = await this.count();
			const last = this.#sent + FLOWS;
			const start = performance.now();
			while (this.#sent < last)
				if (socket.send(ofFlow(this.frame, this.#sent))) this.#sent++;
			const seconds = (performance.now() - start) / 1000;
			await delay(SETTLE_MS);
			return ((await this.count()) - before) / seconds;
		} finally {
			socket.close();
		}
	}
}

async function learned(system: Chainmail): Promise<number> {
	return system
		.node(NODE)
		.counters()
		.verdicts.filter(({ what }) => what === "learned")
		.reduce((sum, { count }) => sum + count, 0);
}

async function arrived({ server }: System): Promise<number> {
	return (await linkStats(server, "eth0")).rx.packets;
}
