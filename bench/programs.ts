/**
 * Cost of each program's hit path in PROG_TEST_RUN, against one look-up of the
 * flow table in the same run.
 */
import { join } from "node:path";
import { BpfObject, encodeFlowKey, testRun } from "../src/kernel/bpf.js";
import { World } from "../test/bpf/world.js";
import * as f from "../test/golden/frames.js";
import { BLUE, locals, network, node, SPI } from "../test/golden/node.js";
import type { Step } from "../test/golden/row.js";
import { root } from "../tools/root.js";
import { type Figure, measurePairs, median } from "./lib/figure.js";
import type { Measurement } from "./lib/report.js";

const PAIRS = 11;
const MANY = 17;
const REPEAT = 100_000;
/** Packets that a run changes are given to it once at a time. */
const SINGLE_RUNS = 20_000;

const access: Step = {
	program: "access",
	on: "ap",
	frame: f.fromUser(f.up4, f.ack(80)),
};
const through: Step = {
	program: "port",
	on: "p1o",
	frame: f.fromFunction("p1o", f.up4, f.ack(80)),
};
const back: Step = {
	program: "access",
	on: "net",
	frame: f.fromServer(f.down4, f.answer(80)),
};
const transit: Step = {
	program: "underlay",
	on: "up",
	frame: f.fromEdge2(SPI.transit, 254, { nsh: { ttl: 60 } }, f.up4, f.ack(80)),
};

export async function programs(): Promise<Measurement> {
	const world = World.open(node, { network, locals });
	const open = (name: string) =>
		BpfObject.open(join(root, `dist/bench/bpf/${name}.bpf.o`), {
			pinRoot: world.pinRoot,
		});
	const baseline = open("lookup");
	const classifier = open("classify");
	try {
		for (const step of [access, through, back])
			world.run(step.program, step.on, step.frame);
		const [known] =
			[...world.maps.flows.entries()].find(([key]) => key.scope === BLUE) ?? [];
		if (!known) throw new Error("programs: the flow was not entered");
		const key = encodeFlowKey(known);
		const empty = () => run(baseline, "nothing", key);
		const lookup = () =>
			(run(baseline, "many_lookups", key) - run(baseline, "one_lookup", key)) /
			(MANY - 1);
		const { ifindex } = world.interface(access.on);
		const classify = () =>
			testRun(classifier.program("classify_only").fd, access.frame, {
				repeat: REPEAT,
				context: { ifindex },
			}).durationNs - empty();
		const hit = (step: Step) => () =>
			world.measure(step.program, step.on, step.frame, REPEAT).durationNs -
			empty();
		const singles = (one: () => number): number =>
			median(Array.from({ length: SINGLE_RUNS }, one));
		const single = (step: Step) => () =>
			singles(
				() => world.measure(step.program, step.on, step.frame, 1).durationNs,
			) -
			singles(() => testRun(baseline.program("nothing").fd, key).durationNs);
		const figures: [string, () => number, string?][] = [
			["access: classify a known flow", classify, "<= 3.0"],
			[
				"access: classify a known flow, give it to its first function",
				hit(access),
			],
			["access: the same for an answer at the exit", hit(back)],
			["port: take a packet back, route it and let it leave", single(through)],
			["underlay: pass on between two nodes", single(transit)],
		];
		const results: Figure[] = [];
		for (const [figure, value, reach] of figures)
			results.push(
				await measurePairs(
					{ figure, unit: "ns", pairs: PAIRS, ...(reach && { reach }) },
					value,
					lookup,
				),
			);
		return { figures: results };
	} finally {
		baseline.close();
		classifier.close();
		world.close();
	}
}

function run(object: BpfObject, program: string, key: Buffer): number {
	return testRun(object.program(program).fd, key, { repeat: REPEAT })
		.durationNs;
}
