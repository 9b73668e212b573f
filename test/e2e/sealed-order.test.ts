/**
 * The program that looks at what leaves by the underlay is there whenever the
 * kernel knows a sealed path: after each step of a change, to sealed and back.
 */
import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { prefixOf } from "../../lab/fleet.js";
import { buildLab } from "../../lab/lab.js";
import { line } from "../../lab/topologies/line.js";
import { pinDirectory } from "../../src/agent/dataplane.js";
import { Node } from "../../src/agent/node.js";
import { attachedTag } from "../../src/kernel/attach.js";
import { BpfMap, MAPS } from "../../src/kernel/bpf.js";
import { PathFlags } from "../../src/kernel/layout.gen.js";
import { ifindexOf } from "../../src/kernel/netns.js";
import { NO_MEMORY } from "../../src/plan/allocate.js";
import { createPlanner } from "../../src/plan/plan.js";
import { transition } from "../../src/plan/transition.js";
import { chain, NODES } from "./sealed-line.js";

test("the underlay is watched before the first sealed path is there, and until the last is gone", async () => {
	const lab = await buildLab(line(NODES));
	const stateDir = mkdtempSync(join(tmpdir(), `chainmail-${lab.run}-`));
	lab.removeWithLab(stateDir);
	lab.removeWithLab(`/sys/fs/bpf/${prefixOf(lab)}`);
	const netns = lab.netns("in");
	const pins = pinDirectory(prefixOf(lab), "in");
	const ifindex = ifindexOf("right", netns);
	assert.ok(ifindex !== undefined);

	const isWatched = () =>
		attachedTag({
			...{ ifindex, netns, direction: "egress" },
			pinPath: join(pins, "links", `out${ifindex}`),
		}) !== undefined;
	function isSealed(): boolean {
		const map = BpfMap.open(join(pins, MAPS.paths.name), MAPS.paths);
		try {
			const both = PathFlags.PRESENT | PathFlags.SEALED;
			return [...map.entries()].some(
				([, { flags }]) => (flags & both) === both,
			);
		} finally {
			map.close();
		}
	}
	const seen: string[] = [];
	let node: Node | undefined;
	try {
		node = await Node.open({
			...{ prefix: prefixOf(lab), node: "in", netns, stateDir },
			onStep: async () => {
				const now = `${isSealed() ? "sealed" : "plain"} ${isWatched() ? "watched" : "alone"}`;
				if (seen.at(-1) !== now) seen.push(now);
			},
		});
		const planner = createPlanner();
		let memory = NO_MEMORY;
		for (const encrypt of ["never", "between-nodes", "never"] as const) {
			const made = planner(chain(encrypt), memory);
			memory = made.memory;
			const stages = transition(
				new Map([["in", node.state]]),
				made.plan.states,
			);
			for (const stage of [stages.make, stages.switch, stages.break]) {
				const state = stage.get("in");
				assert.ok(state);
				await node.apply(state);
			}
		}
	} finally {
		await node?.destroy();
		await lab.destroy();
	}
	assert.deepEqual(seen, [
		"plain alone",
		"sealed watched",
		"plain watched",
		"plain alone",
	]);
});
