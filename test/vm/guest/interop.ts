/** An EF of the kernel and one of user space, across from each other. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import type { EfEngine } from "../../../src/functions/ef/engine.js";
import type { SaSpec } from "../../../src/functions/ef/sa.js";
import { UserspaceEngine } from "../../../src/functions/ef/userspace.js";
import { XfrmEngine } from "../../../src/functions/ef/xfrm.js";
import { ipv4, ipv6, packet, raw, udp } from "../../../src/wire/build.js";
import { Tap } from "../../ef/tap.js";
import { EfPlace, framed, lazily, until, Wiring } from "./line.js";

const ETHERNET_BYTES = 14;
const FRAMES = 60;
/** Fewer than any queue holds. */
const AT_ONCE = 20;
/** Emulated threads wait long for their turn. */
const HEARTBEAT_MS = 300;

const wiring = new Wiring();
const opened: { close(): unknown }[] = [];
after(async () => {
	for (const one of opened.reverse()) await one.close();
	await wiring.remove();
});

/** Engines across from each other, and taps inside of both and between them. */
const across = lazily(async () => {
	const [kernel, user] = [new EfPlace(), new EfPlace()];
	for (const name of [kernel.netns, user.netns, wiring.ends])
		await wiring.namespace(name);
	await wiring.join(kernel, "inside", "kernel");
	await wiring.join(user, "inside", "user");
	await wiring.join(kernel, "outside", "outside", user.netns);
	const onEvent = () => {};
	const xfrm = await XfrmEngine.open({ ...kernel.sides, onEvent });
	opened.push(xfrm);
	const { src, dst } = user.sides.outside;
	const userspace = await UserspaceEngine.open({
		...user.sides,
		/* The other end of the kernel's interface. */
		outside: { ...user.sides.outside, src: dst, dst: src },
		slots: 256,
		onEvent,
		onFailure: (error) => {
			throw error;
		},
	});
	opened.push(userspace);
	const taps = {
		kernel: new Tap(wiring.ends, "kernel"),
		user: new Tap(wiring.ends, "user"),
		wire: new Tap(user.netns, "outside"),
	};
	opened.push(...Object.values(taps));
	return { xfrm, userspace, taps };
});

/** One SA for the packets of a path, at both of its ends. */
async function key(
	from: EfEngine,
	to: EfEngine,
	sa: Pick<SaSpec, "spi" | "path" | "extended" | "lastSequence"> & {
		readonly keyBytes: 16 | 32;
	},
): Promise<void> {
	const { keyBytes, ...rest } = sa;
	const key = randomBytes(keyBytes);
	const salt = randomBytes(4);
	const spec = (direction: "out" | "in"): SaSpec => ({
		...rest,
		direction,
		transform: "esp",
		key: new Uint8Array(key),
		salt: new Uint8Array(salt),
		tunnel: { src: "192.0.2.1", dst: "192.0.2.2" },
	});
	await to.install(spec("in"));
	await from.install(spec("out"));
}

function user4or6(i: number, marker: Buffer): Buffer {
	const ip =
		i % 3 === 0
			? ipv6({ src: "fd00::1", dst: "fd00::2" })
			: ipv4({ src: "10.0.0.1", dst: "10.0.0.2" });
	const content = Buffer.concat([marker, randomBytes((i * 37) % 1300)]);
	return packet(ip, udp({ dport: 9 }), raw(content));
}

let spi = 5000;
let crossed = 0;

for (const keyBytes of [16, 32] as const)
	for (const extended of [false, true]) {
		const numbers = extended ? "extended" : "short";
		test(`interop: AES-${8 * keyBytes}, ${numbers} numbers, both ways`, async () => {
			const { xfrm, userspace, taps } = await across();
			/* The numbers turn over on the way. */
			const lastSequence = extended ? (1n << 32n) - 7n : 0n;
			const common = { keyBytes, extended, lastSequence };
			const paths = [spi, 0xff0000 + spi].map((id) => id * 256 + 250);
			for (const path of paths) {
				await key(xfrm, userspace, { ...common, path, spi: ++spi });
				await key(userspace, xfrm, { ...common, path, spi: ++spi });
			}
			const marker = randomBytes(16);
			const frames = Array.from({ length: FRAMES }, (_, i) =>
				framed(user4or6(i, marker), paths[i % paths.length]),
			);
			for (const [from, to] of [
				[taps.kernel, taps.user],
				[taps.user, taps.kernel],
			] as const) {
				for (let sent = 0; sent < FRAMES; sent += AT_ONCE) {
					for (const frame of frames.slice(sent, sent + AT_ONCE))
						from.put(frame);
					await until(
						`frames from ${sent} on`,
						() => to.count >= sent + AT_ONCE,
					);
				}
				const content = (frame: Buffer) => frame.subarray(ETHERNET_BYTES);
				assert.deepEqual(to.take().map(content), frames.map(content));
			}
			assert.ok(taps.wire.take().every((frame) => !frame.includes(marker)));
			crossed += FRAMES;
			for (const engine of [xfrm, userspace]) {
				const { out, in: back } = await engine.usage();
				assert.deepEqual([out.packets, back.packets], [crossed, crossed]);
				for (const { refused } of [out, back])
					assert.ok(Object.values(refused).every((count) => count === 0));
			}
		});
	}

test("interop: each hears the other's heart, and misses it", async () => {
	const { xfrm, userspace } = await across();
	const told: string[] = [];
	const listen = (engine: XfrmEngine | UserspaceEngine, nodeId: number) =>
		engine.heartbeat({
			nodeId,
			peers: [3 - nodeId],
			intervalMs: HEARTBEAT_MS,
			onChange: (peer, alive) => told.push(`${nodeId}: ${peer} ${alive}`),
		});
	await listen(xfrm, 1);
	await listen(userspace, 2);
	await until("hearts", () =>
		["1: 2 true", "2: 1 true"].every((line) => told.includes(line)),
	);
	await userspace.close();
	await until("silence", () => told.at(-1) === "1: 2 false");
});
