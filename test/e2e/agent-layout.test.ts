/** An agent meets what a version with another layout of the maps left pinned. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { LabProcess } from "../../lab/process.js";
import { pinDirectory } from "../../src/agent/dataplane.js";
import { Node } from "../../src/agent/node.js";
import { purge } from "../../src/agent/purge.js";
import { BpfMap, LAYOUT_VERSION, MAPS } from "../../src/kernel/bpf.js";
import { empty } from "../../src/plan/steps.js";
import { World } from "./runtimes.js";

const CHAINMAIL = fileURLToPath(
	new URL("../../../bin/chainmail", import.meta.url),
);

describe("an agent of another layout", () => {
	const world = new World();
	const options = () => ({
		prefix: world.prefix,
		node: "n",
		netns: world.node,
		stateDir: world.directory,
	});
	/** What the maps say of who wrote them; `written` first changes it. */
	function layout(written?: number): number | undefined {
		const pin = join(pinDirectory(world.prefix, "n"), MAPS.config.name);
		const map = BpfMap.open(pin, MAPS.config);
		try {
			const now = map.get(0);
			if (now && written !== undefined) map.set(0, { ...now, layout: written });
			return map.get(0)?.layout;
		} finally {
			map.close();
		}
	}
	const agent = (...more: string[]) =>
		new LabProcess([
			"nsenter",
			`--net=/run/netns/${world.node}`,
			CHAINMAIL,
			..."agent --node n --prefix".split(" "),
			world.prefix,
			"--state-dir",
			world.directory,
			"--state",
			join(world.directory, "wanted.json"),
			...more,
		]);

	before(async () => {
		await world.open();
		const state = {
			...empty({ node: "n", nodeId: 1, mtu: 1500 }),
			revision: 1,
		};
		writeFileSync(join(world.directory, "wanted.json"), JSON.stringify(state));
		const node = await Node.open(options());
		await node.apply(state);
		await node.close();
		assert.equal(layout(LAYOUT_VERSION + 1), LAYOUT_VERSION + 1);
	});
	after(async () => {
		await purge(options()).catch(() => {});
		await world.close();
	});

	it("is refused with the option that helps, and changes nothing", async () => {
		const refused = agent();
		assert.equal((await refused.exited).status, 1);
		assert.match(
			refused.stderr,
			/its maps have layout \d+, this version writes \d+ \(start the agent once with --replace-layout/,
		);
		assert.equal(layout(), LAYOUT_VERSION + 1);
	});

	it("starts with --replace-layout, and from then on without", async () => {
		for (const more of [["--replace-layout"], []]) {
			const running = agent(...more);
			await running.waitFor(/agent: node n runs/);
			await running.stop("SIGTERM");
			assert.equal(layout(), LAYOUT_VERSION);
		}
	});

	it("the option leaves maps of its own layout alone", async () => {
		const probes = <T>(
			work: (map: BpfMap<number, { lastSeenNs: number; count: number }>) => T,
		): T => {
			const pin = join(pinDirectory(world.prefix, "n"), MAPS.probes.name);
			const map = BpfMap.open(pin, MAPS.probes);
			try {
				return work(map);
			} finally {
				map.close();
			}
		};
		probes((map) => map.set(9, { lastSeenNs: 1, count: 7 }));
		const running = agent("--replace-layout");
		await running.waitFor(/agent: node n runs/);
		await running.stop("SIGTERM");
		assert.equal(
			probes((map) => map.get(9)?.count),
			7,
		);
	});
});
