/** Attached programs under traffic: replaced, adopted, taken off; tcx and clsact. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { attachedTag, attachProgram, detach } from "../../src/kernel/attach.js";
import { BpfObject, type MapDefinition } from "../../src/kernel/bpf.js";
import { u32, u64 } from "../../src/kernel/codec.js";
import { deleteLink, ensureVeth } from "../../src/kernel/ip.js";
import { ifindexOf } from "../../src/kernel/netns.js";
import { RawSocket } from "../../src/kernel/rawsocket.js";
import { frame, joined, pinRoot, TINY, until } from "./fixture.js";

const SEEN: MapDefinition<number, number> = {
	name: "seen",
	type: "percpu_array",
	maxEntries: 8,
	key: u32,
	value: u64,
};

async function world(t: TestContext) {
	const pins = await pinRoot(t);
	const { a, b } = await joined(t);
	const object = BpfObject.open(TINY, { pinRoot: pins });
	t.after(() => object.close());
	const socket = new RawSocket("va", a);
	t.after(() => socket.close());
	const seen = object.map(SEEN);
	const place = () => ({
		ifindex: ifindexOf("vb", b) ?? 0,
		pinPath: join(pins, "links/vb"),
		netns: b,
	});
	return {
		a,
		b,
		object,
		socket,
		seen,
		place,
		total: () => (seen.get(0) ?? 0) + (seen.get(1) ?? 0),
	};
}

for (const forceClsact of [false, true]) {
	const kind = forceClsact ? "clsact" : "tcx";

	test(`${kind}: a replaced program misses no frame`, async (t) => {
		const { object, socket, seen, place, total } = await world(t);
		const [first, second] = [object.program("first"), object.program("second")];
		assert.equal(attachedTag(place()), undefined);
		assert.deepEqual(
			attachProgram({ ...place(), programFd: first.fd, forceClsact }),
			{ kind, replaced: false },
		);
		assert.equal(attachedTag(place()), first.tag);
		/* The link's own frames (IPv6 neighbour discovery) are counted, too. */
		const before = total();
		const FRAMES = 3000;
		for (let i = 1; i <= FRAMES; i++) {
			assert.equal(socket.send(frame()), true);
			if (i % 20 > 0) continue;
			const { fd } = (i / 20) % 2 === 1 ? second : first;
			assert.deepEqual(
				attachProgram({ ...place(), programFd: fd, forceClsact }),
				{ kind, replaced: true },
			);
		}
		await until("every frame counted", () => total() >= before + FRAMES);
		assert.ok((seen.get(0) ?? 0) > 1000 && (seen.get(1) ?? 0) > 1000);
		assert.equal(attachedTag(place()), first.tag);
		/* Nobody holds a descriptor any more, yet it runs. */
		object.close();
		assert.equal(attachedTag(place()), first.tag);
		assert.equal(detach(place()), true);
		assert.equal(detach(place()), false);
		assert.equal(attachedTag(place()), undefined);
		assert.equal(existsSync(place().pinPath), false);
	});
}

test("tcx: a link whose interface is gone gives way to a new one", async (t) => {
	const { a, b, object, socket, seen, place } = await world(t);
	const programFd = object.program("first").fd;
	attachProgram({ ...place(), programFd });
	await deleteLink("vb", b);
	assert.equal(attachedTag({ ...place(), ifindex: 2 }), undefined);
	socket.close();
	await ensureVeth({ name: "va", netns: a }, { name: "vb", netns: b });
	assert.deepEqual(attachProgram({ ...place(), programFd }), {
		kind: "tcx",
		replaced: false,
	});
	const again = new RawSocket("va", a);
	t.after(() => again.close());
	const before = seen.get(0) ?? 0;
	again.send(frame());
	await until(
		"a frame on the new interface",
		() => (seen.get(0) ?? 0) > before,
	);
});

test("an interface that is not there and a path off the bpffs are refused", async (t) => {
	const { object, place } = await world(t);
	const programFd = object.program("first").fd;
	assert.throws(
		() => attachProgram({ ...place(), ifindex: 4242, programFd }),
		/attach to interface 4242: ENODEV/,
	);
	assert.throws(
		() =>
			attachProgram({
				...place(),
				pinPath: "/tmp/chainmail-no-bpffs",
				programFd,
			}),
		/pin \/tmp\/chainmail-no-bpffs: E\w+ \(is it on a bpffs\?\)/,
	);
	assert.equal(attachedTag(place()), undefined);
	assert.throws(
		() => new RawSocket("nosuch0"),
		/open nosuch0: no such interface/,
	);
});
