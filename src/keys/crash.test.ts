/** Each party is killed at every message of an SA's life, one after the other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "./testing/world.js";

/** Three generations of one link's SA; then the link's end, in so many messages. */
const SPAN_MS = 14_000;
const END_MESSAGES = 10;
const SETTLE_MS = 4000;

/** Runs it; `kill` is called at that message. Returns all where it may be. */
function live(kernel: boolean, at: number, kill: (world: World) => void) {
	const world = new World({ seed: kernel ? 5 : 4, efs: 2, links: 1 });
	world.lossPercent = 0;
	world.failPercent = 0;
	world.links = world.links.map((link) => ({
		...link,
		sender: kernel ? "ef1" : "ef0",
		receiver: kernel ? "ef0" : "ef1",
		hard: { timeMs: 6000, bytes: 2 ** 40, packets: 2 ** 40 },
	}));
	world.declare();
	world.onArrival = (count) => {
		if (count === at) kill(world);
	};
	world.run(world.nowMs + SPAN_MS);
	const messages = Array.from({ length: world.arrivals }, (_, i) => i + 1);
	world.run(world.nowMs + SETTLE_MS);
	assert.deepEqual(world.working(), world.links);
	for (let i = 1; i <= END_MESSAGES; i++) messages.push(world.arrivals + i);
	world.links = [];
	world.declare();
	world.run(world.nowMs + SETTLE_MS);
	for (const { loaded } of world.stations.values()) {
		assert.equal(loaded.size, 0, "an SA is left behind");
	}
	return messages;
}

const parties: Record<string, (world: World) => void> = {
	centre: (world) => {
		world.crashAuc();
		world.later(200, () => world.startAuc(true));
	},
	"centre and its disk": (world) => {
		world.crashAuc();
		world.later(200, () => world.startAuc(false));
	},
	ef0: (world) => restart(world, "ef0"),
	ef1: (world) => restart(world, "ef1"),
	everybody: (world) => {
		for (const name of world.stations.keys()) restart(world, name);
		world.crashAuc();
		world.later(300, () => world.startAuc(true));
	},
};

function restart(world: World, name: string): void {
	const station = world.stations.get(name);
	station?.crash();
	world.later(200, () => station?.start());
}

for (const [party, kill] of Object.entries(parties)) {
	test(`${party} killed at every step: no gap but its own, nothing left`, () => {
		for (const kernel of [false, true]) {
			const messages = live(kernel, -1, () => {});
			assert.ok(messages.length > 40, `only ${messages.length} messages`);
			for (const at of messages) live(kernel, at, kill);
		}
	});
}
