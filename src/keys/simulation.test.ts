/** Thousands of seeds when CHAINMAIL_RUNS says so; a hundred in every run. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { REPLAY, SEED } from "../../test/random.js";
import { World } from "./testing/world.js";

const RUNS = Number(process.env.CHAINMAIL_RUNS ?? 100);
const CHAOS_MS = 15_000;
/** Longer than any lifetime. */
const CALM_MS = 13_000;
/** Shorter than any lifetime: it is not time that tidies up. */
const END_MS = 3_500;

/** Something that goes wrong, or that somebody decides. */
function disturb(world: World): void {
	const { random } = world;
	const station = random.pick([...world.stations.values()]);
	const what = random.below(100);
	if (what < 40) {
		if (!station.agent) return;
		station.crash();
		world.later(random.below(1500), () => station.agent ?? station.start());
	} else if (what < 70) {
		world.crashAuc();
	} else if (what < 74) {
		/* Its disk is gone as well. */
		world.crashAuc();
		world.startAuc(false);
	} else if (what < 82) {
		const link = random.pick(world.links);
		const generation = world.auc?.state.links.get(
			link.eSpi * 256 + link.eSi,
		)?.generation;
		const spi = (link.eSpi * 256 + link.eSi) * 16 + ((generation ?? 0) % 16);
		const target = random.chance(50) ? { spi } : { eSpi: link.eSpi };
		world.toAuc({ type: "revoke", target, by: "test" });
	} else if (what < 86) {
		const node = station.name;
		world.revokeNode(node);
		world.later(1500, () => {
			world.toAuc({ type: "admit", node, by: "test" });
		});
	} else if (what < 92) {
		world.toAuc({ type: "rekey", target: { node: station.name } });
	} else {
		const at = random.below(world.links.length);
		const old = world.links[at];
		if (!old) return;
		const fresh = { ...world.randomLink(0), eSpi: old.eSpi, eSi: old.eSi };
		world.links = world.links.with(at, fresh);
		world.declare();
	}
}

function simulate(world: World): void {
	const { random } = world;
	const end = world.nowMs + CHAOS_MS;
	while (world.nowMs < end) {
		world.run(world.nowMs + random.below(1200));
		if (random.chance(60)) disturb(world);
		if (!world.auc && random.chance(70)) world.startAuc(true);
	}
	/* Peace: everybody is there, and every link works. */
	world.lossPercent = 0;
	world.failPercent = 0;
	if (!world.auc) world.startAuc(true);
	world.run(world.nowMs + 3000);
	for (const node of world.auc?.state.revoked ?? []) {
		world.toAuc({ type: "admit", node, by: "test" });
	}
	for (const station of world.stations.values()) {
		if (!station.agent) station.start();
	}
	world.run(world.nowMs + CALM_MS);
	assert.deepEqual(world.working(), world.links, "a link does not work");
	/* Nothing declared, nothing left behind. */
	world.links = [];
	world.declare();
	world.run(world.nowMs + END_MS);
	for (const { name, loaded, active } of world.stations.values()) {
		assert.deepEqual([...loaded.keys()], [], `${name} has SAs left`);
		assert.equal(active.size, 0);
	}
	for (const { sas } of world.auc?.state.links.values() ?? []) {
		assert.deepEqual(sas, []);
	}
}

test("whatever is lost and whoever dies, keys change without a gap", (t) => {
	t.diagnostic(REPLAY);
	let switches = 0;
	let issued = 0;
	for (let run = 0; run < RUNS; run++) {
		const seed = SEED + run;
		const world = new World({ seed, efs: 4, links: 4 });
		try {
			simulate(world);
			switches += world.switches;
			issued += world.audit.filter(({ what }) => what === "issue").length;
		} catch (error) {
			const reason = error instanceof Error ? error.stack : String(error);
			const lines = [`CHAINMAIL_SEED=${seed} CHAINMAIL_RUNS=1:`, reason];
			throw new Error([...lines, ...world.history].join("\n"));
		}
	}
	t.diagnostic(`${RUNS} runs, ${issued} SAs issued, ${switches} switched to`);
	assert.ok(switches > RUNS * 5, `only ${switches} switches`);
});
