/**
 * The programs against their naive twin: random rules, paths and packets on a
 * network of three nodes. CHAINMAIL_SEED replays a run.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Packet } from "../../src/model/packet.js";
import { flowSlot, SLOTS, tupleBytes } from "../../src/plan/hash.js";
import { Random, REPLAY, SEED } from "../random.js";
import { Comparison } from "./twin/comparison.js";
import { keyOf, userMac } from "./twin/kernel.js";
import { oneGroup } from "./twin/one-group.js";
import { framesOf, randomPacket, randomShape } from "./twin/packets.js";
import { partyOf } from "./twin/tenants.js";
import { World } from "./world.js";

const ROUNDS = 6;
const AT_LEAST = 100_000;
const TUPLES = 10_000;

test("the programs agree with their twin on random rules, paths and packets", (t) => {
	t.diagnostic(REPLAY);
	const comparison = new Comparison(SEED);
	for (let i = 0; i < ROUNDS; i++) comparison.round(i);
	const { seen } = comparison;
	t.diagnostic(JSON.stringify(seen));
	const { packets = 0, forged = 0, arrivals = 0 } = seen;
	assert.ok(packets + forged + arrivals >= AT_LEAST);
	for (const kind of KINDS)
		assert.ok((seen[kind] ?? 0) > 0, `${REPLAY}: never ${kind}`);
	comparison.close();
});

/** What each run must have met, or it compares less than it says. */
const KINDS = [
	"gives",
	"sends",
	"exits",
	"pass",
	"tap",
	"plain",
	"late",
	"late on another path",
	"home",
	"errors",
	"drops: policy",
	"drops: default",
	"drops: spoofed",
	"drops: unowned",
	"drops: exit_conflict",
	"drops: no_path",
	"drops: exit_forbidden",
];

test("a flow's slot is its tuple's hash, in kernel and twin", (t) => {
	t.diagnostic(REPLAY);
	const random = new Random(SEED);
	const party = partyOf(1);
	const slots = Array.from({ length: SLOTS }, (_, slot) => 1000 + slot);
	const world = World.open(oneGroup(party, slots));
	const on = world.interface(party.access.name);
	const macs = { src: userMac(party.id), dst: on.mac };
	const met = new Set<number>();
	for (let i = 0; i < TUPLES; i++) {
		const packet: Packet = randomPacket(random, party, undefined, "access");
		const [frame] = framesOf(packet, randomShape(random, packet), macs);
		assert.ok(frame);
		world.measure("access", party.access.name, frame, 1);
		const flow = world.maps.flows.get(keyOf(party.id, packet));
		const slot = flowSlot(tupleBytes(packet));
		/* A spoofed source has no flow. */
		if (flow)
			assert.equal(
				flow.spi,
				slots[slot],
				`${REPLAY} ${JSON.stringify(packet)}`,
			);
		if (flow) met.add(slot);
	}
	assert.equal(met.size, SLOTS, "slots that no flow chose");
	world.close();
});
