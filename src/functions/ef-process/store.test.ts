/** What becomes of keys on their way from the centre into an engine. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { espSpi } from "../../keys/spi.js";
import { entryOfLink, LINK } from "../../keys/testing/fixtures.js";
import type { EfEngine } from "../ef/engine.js";
import { Store } from "./store.js";

const TUNNEL = { src: "192.0.2.1", dst: "192.0.2.2" };

/** A store, and what its engine was told. */
function start(refuses = false) {
	const told: string[] = [];
	const engine: EfEngine = {
		kind: "userspace",
		async install({ direction, transform, spi, key, salt, tunnel }) {
			const isWhole = key.length === 16 && salt.length === 4;
			assert.ok(isWhole && key.some((byte) => byte !== 0));
			assert.deepEqual(tunnel, TUNNEL);
			told.push(`install ${direction} ${transform} ${spi % 16}`);
			if (refuses) throw new Error("no room");
		},
		async remove(direction, spi) {
			told.push(`remove ${direction} ${spi % 16}`);
			return undefined;
		},
		async usage() {
			throw new Error("nobody asks");
		},
		async close() {},
	};
	const known = [LINK.sender, LINK.receiver];
	const store = new Store(engine, async (peer) =>
		known.includes(peer) ? TUNNEL : undefined,
	);
	return { store, told };
}

function add(generation: number, role: "sender" | "receiver") {
	const entry = entryOfLink(generation, role);
	return { type: "add", spi: espSpi(entry), entry } as const;
}

const sa = (generation: number) => ({ ...LINK, generation });
const change = (type: "switch" | "delete", generation: number) =>
	({ type, spi: espSpi(sa(generation)), sa: sa(generation) }) as const;

describe("store of keys", () => {
	it("installs a receiver's key at once, and wipes it", async () => {
		const { store, told } = start();
		const command = add(1, "receiver");
		await store.perform(command);
		assert.deepEqual(told, ["install in esp 1"]);
		assert.ok(command.entry.key.wiped);
	});

	it("installs a sender's key when its link switches to it", async () => {
		const { store, told } = start();
		const command = add(1, "sender");
		await store.perform(command);
		assert.deepEqual(told, []);
		await store.perform(change("switch", 1));
		assert.deepEqual(told, ["install out esp 1"]);
		assert.ok(command.entry.key.wiped);
		assert.deepEqual(
			store.report(undefined, performance.now()).map(({ active }) => active),
			[true],
		);
	});

	it("says which of two keys is in use, and stops the link", async () => {
		const { store, told } = start();
		for (const generation of [1, 2]) {
			await store.perform(add(generation, "sender"));
			await store.perform(change("switch", generation));
		}
		const used = store.report(undefined, performance.now());
		assert.deepEqual(
			used.map(({ generation, active }) => [generation, active]),
			[
				[1, false],
				[2, true],
			],
		);
		await store.perform({ type: "stop", eSpi: LINK.eSpi, eSi: LINK.eSi });
		assert.equal(told.at(-1), "remove out 2");
	});

	it("wipes a key that is deleted before it served", async () => {
		const { store } = start();
		const command = add(1, "sender");
		await store.perform(command);
		await store.perform(change("delete", 1));
		assert.ok(command.entry.key.wiped);
		await assert.rejects(store.perform(change("switch", 1)), /not here/);
	});

	it("keeps no key that the engine refuses, or of a node nobody knows", async () => {
		const refused = start(true);
		const command = add(1, "receiver");
		await assert.rejects(refused.store.perform(command), /no room/);
		assert.ok(command.entry.key.wiped);
		const stranger = add(1, "receiver");
		const entry = { ...stranger.entry, peer: "stranger" };
		await assert.rejects(
			start().store.perform({ ...stranger, entry }),
			/underlay address is not known/,
		);
		assert.ok(entry.key.wiped);
		assert.deepEqual(refused.store.report(undefined, 0), []);
	});

	it("wipes what the engine never got when it closes", async () => {
		const { store } = start();
		const command = add(1, "sender");
		await store.perform(command);
		store.wipe();
		assert.ok(command.entry.key.wiped);
	});
});
