/**
 * Two functions on two nodes, NSH in VXLAN-GPE between them: against both on
 * one node, and against Open vSwitch in user space.
 */
import { measurePairs } from "./lib/figure.js";
import type { Measurement } from "./lib/report.js";
import { Chainmail } from "./systems/chainmail.js";
import { OpenVswitchChain } from "./systems/open-vswitch.js";
import { closeAll, type System } from "./systems/system.js";

const PAIRS = 9;
const NODES = ["node1", "node2"];

export async function twoNodes(): Promise<Measurement> {
	const open: System[] = [];
	const opened = async <S extends System>(system: Promise<S>): Promise<S> => {
		open.push(await system);
		return system;
	};
	try {
		const two = await opened(Chainmail.open(NODES, NODES));
		const one = await opened(Chainmail.open(["node"], ["node", "node"]));
		const ovs = await opened(OpenVswitchChain.open());
		const compare = (
			figure: string,
			unit: string,
			reach: string | undefined,
			baseline: System,
			measure: (system: System) => Promise<number>,
		) =>
			measurePairs(
				{ figure, unit, pairs: PAIRS, ...(reach && { reach }) },
				() => measure(two),
				() => measure(baseline),
			);
		return {
			figures: [
				await compare(
					"TCP through two nodes, against one node",
					"Gbit/s",
					">= 0.8",
					one,
					(system) => system.throughput(),
				),
				await compare(
					"TCP through two nodes, against Open vSwitch",
					"Gbit/s",
					">= 10",
					ovs,
					(system) => system.throughput(),
				),
				await compare(
					"64-byte UDP through two nodes, against one node",
					"kpps",
					undefined,
					one,
					(system) => system.packets(),
				),
				await compare(
					"64-byte UDP through two nodes, against Open vSwitch",
					"kpps",
					undefined,
					ovs,
					(system) => system.packets(),
				),
				await compare(
					"round trip through two nodes, against one node",
					"µs",
					undefined,
					one,
					(system) => system.roundTrip(),
				),
			],
		};
	} finally {
		await closeAll(open);
	}
}
