/** However a key ends, its traffic stops, and nothing leaves in the clear. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { monotonicMs } from "../../../src/functions/ef/clock.js";
import type { SaEvent, SaSpec } from "../../../src/functions/ef/sa.js";
import { XfrmEngine } from "../../../src/functions/ef/xfrm.js";
import { run } from "../../../src/kernel/process.js";
import { ipv4, packet, raw, udp } from "../../../src/wire/build.js";
import { settled } from "../../ef/conformance.js";
import { Tap } from "../../ef/tap.js";
import { framed, lazily, oneEf, until, Wiring } from "./line.js";

const PATH = (9 << 8) | 255;

const wiring = new Wiring();
after(() => wiring.remove());
const ef = lazily(() => oneEf(wiring));

function spec(untilMs?: number): SaSpec {
	return {
		direction: "out",
		transform: "esp",
		spi: 4096,
		key: new Uint8Array(randomBytes(16)),
		salt: new Uint8Array(4),
		tunnel: { src: "192.0.2.1", dst: "192.0.2.2" },
		extended: true,
		path: PATH,
		...(untilMs !== undefined && { hard: { untilMs } }),
	};
}

const user = framed(
	packet(
		ipv4({ src: "10.0.0.1", dst: "10.0.0.2" }),
		udp({ dport: 9 }),
		raw(randomBytes(64)),
	),
	PATH,
);

/** Sends one packet in; resolves once the engine, or the kernel, has refused it. */
async function refused(
	engine: XfrmEngine,
	netns: string,
	tap: Tap,
): Promise<void> {
	const count = async () =>
		settled(await engine.usage()) + (await notEncrypted(netns));
	const before = await count();
	tap.put(user);
	await until("the packet", async () => (await count()) > before);
}

/** What the interface that encrypts found no way for. */
async function notEncrypted(netns: string): Promise<number> {
	const command = ["-j", "-s", "link", "show", "dev", "xfrm0"];
	const { stdout } = await run(["ip", ...command], { netns });
	const [link] = JSON.parse(stdout) as { stats64: { tx: Tx } }[];
	return link?.stats64.tx.errors ?? 0;
}

interface Tx {
	readonly errors: number;
}

for (const [how, end] of [
	["its time is over", undefined],
	[
		"somebody removes all states",
		(netns: string) => run(["ip", "xfrm", "state", "flush"], { netns }),
	],
	[
		"somebody removes all policies",
		(netns: string) => run(["ip", "xfrm", "policy", "flush"], { netns }),
	],
] as const)
	test(`xfrm: nothing leaves once ${how}`, async () => {
		const place = await ef();
		const { netns } = place;
		const events: SaEvent[] = [];
		const engine = await XfrmEngine.open({
			...place.sides,
			onEvent: (event) => events.push(event),
		});
		const taps = ["inside", "outside"].map(
			(name) => new Tap(wiring.ends, name),
		);
		const [inside, outside] = taps;
		assert.ok(inside && outside);
		try {
			const lifeMs = end === undefined ? 3000 : undefined;
			await engine.install(spec(lifeMs && monotonicMs() + lifeMs));
			inside.put(user);
			await until("the packet", () => outside.count === 1);
			outside.take();
			if (end === undefined) await until("the end", () => events.length > 0);
			else await end(netns);
			await refused(engine, netns, inside);
			assert.equal((await engine.usage()).out.packets, 1);
			assert.deepEqual(outside.take(), []);
			if (end === undefined)
				assert.deepEqual(
					events.map(({ kind, limit }) => [kind, limit]),
					[["expired", "time"]],
				);
		} finally {
			for (const tap of taps) tap.close();
			await engine.close();
		}
	});
