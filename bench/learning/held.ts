/**
 * A million flows learned in PROG_TEST_RUN: what the programs cost a flow, from
 * its first packet to the verdict, and how many verdicts are held in the end.
 */
import { join } from "node:path";
import { BpfObject, testRun, Verdict } from "../../src/kernel/bpf.js";
import { Offload } from "../../src/kernel/layout.gen.js";
import { ANY_PACKET } from "../../src/model/packet.js";
import type { NodeState } from "../../src/plan/state.js";
import { ipv4, udp } from "../../src/wire/build.js";
import { World } from "../../test/bpf/world.js";
import * as f from "../../test/golden/frames.js";
import {
	BLUE,
	locals,
	network,
	node,
	PORT,
	SPI,
} from "../../test/golden/node.js";
import { root } from "../../tools/root.js";
import { type Figure, median, round } from "../lib/figure.js";
import { ofFlow } from "./flows.js";

const FLOWS = 1_000_000;
/** Flows whose mean is one value: a single run is too short to time. */
const BLOCK = 10_000;
const HOUR_MS = 3_600_000;
const ROOM = { states: 2 ** 20, flows: 2 ** 22 };

/** UDP takes the path whose only function is the firewall. */
const state: NodeState = {
	...node,
	ruleSets: [
		{
			tenantId: BLUE,
			side: "access",
			generation: 1,
			rules: [
				{
					policy: "udp",
					policyId: 1,
					rank: 1,
					keep: false,
					keys: [{ ...ANY_PACKET, proto: 17, protoMask: 0xff }],
					action: { kind: "chain", slots: Array<number>(251).fill(SPI.local) },
				},
			],
		},
	],
};

export function held(): Figure[] {
	const world = World.open(state, { network, locals, mapSizes: ROOM });
	try {
		world.maps.services.set(PORT.firewall, {
			generation: 1,
			offload: Offload.VERDICT,
			flags: 0,
			learnAfter: 0,
			deadlineMs: HOUR_MS,
			denyMs: HOUR_MS,
			revalidateMs: HOUR_MS,
			idleTcpMs: HOUR_MS,
			idleUdpMs: HOUR_MS,
		});
		world.maps.epochs.set(0, { now: 1, learning: 1 });
		const blocks = learnAll(world);
		let allowed = 0;
		for (const [, { verdict }] of world.maps.states.entries())
			if (verdict === Verdict.ALLOW) allowed++;
		return [
			{
				figure: "new flows learned a second by the programs on one core",
				value: round(1e9 / median(blocks)),
				unit: "flows/s",
				reach: ">= 100000",
				runs: blocks.length,
			},
			{
				figure: "verdicts held after 1,000,000 flows were learned",
				value: allowed,
				unit: "flows",
				reach: ">= 1000000",
				runs: 1,
			},
		];
	} finally {
		world.close();
	}
}

/** What a flow costs in ns, block by block. */
function learnAll(world: World): number[] {
	const datagram = udp({ dport: 1, checksum: 0 });
	const given = f.fromUser(f.up4, datagram);
	const returned = f.fromFunction(
		"p1o",
		ipv4({ src: f.USER, dst: f.SERVER, ttl: 63 }),
		datagram,
	);
	const timer = timerNs(world, given);
	const blocks: number[] = [];
	for (let first = 0; first < FLOWS; first += BLOCK) {
		let total = 0;
		for (let flow = first; flow < first + BLOCK; flow++)
			total +=
				once(world, "access", "ap", ofFlow(given, flow)) +
				once(world, "port", "p1o", ofFlow(returned, flow)) -
				2 * timer;
		blocks.push(total / BLOCK);
	}
	return blocks;
}

function once(
	world: World,
	program: "access" | "port",
	on: string,
	frame: Buffer,
): number {
	const TC_REDIRECT = 7;
	const { retval, durationNs } = world.measure(program, on, frame, 1);
	if (retval !== TC_REDIRECT)
		throw new Error(`held: ${program} did not send the packet on (${retval})`);
	return durationNs;
}

/** What a run of nothing takes. */
function timerNs(world: World, frame: Buffer): number {
	const RUNS = 20_000;
	const object = BpfObject.open(join(root, "dist/bench/bpf/lookup.bpf.o"), {
		pinRoot: world.pinRoot,
	});
	const { fd } = object.program("nothing");
	const runs = Array.from(
		{ length: RUNS },
		() => testRun(fd, frame).durationNs,
	);
	object.close();
	return median(runs);
}
