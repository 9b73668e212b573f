/** An EF that is killed: the kernel goes on for it, and ends its keys. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { XfrmEngine } from "../../../src/functions/ef/xfrm.js";
import { withNetns } from "../../../src/kernel/netns.js";
import { run } from "../../../src/kernel/process.js";
import { ipv4, packet, raw, udp } from "../../../src/wire/build.js";
import { Tap } from "../../ef/tap.js";
import { framed, oneEf, until, Wiring } from "./line.js";

/** Paths whose keys outlive the test, and end at once. */
const LONG = { path: (9 << 8) | 255, lifeMs: 3_600_000 };
const SHORT = { path: (10 << 8) | 255, lifeMs: 1000 };
const PROGRAM = fileURLToPath(new URL("ef-program.js", import.meta.url));

const wiring = new Wiring();
after(() => wiring.remove());

test("xfrm: a killed EF's traffic goes on until its key ends, never in the clear", async () => {
	const place = await oneEf(wiring);
	const { netns } = place;
	const marker = Buffer.from("seen by nobody on the way");
	const frame = ({ path }: { readonly path: number }) =>
		framed(
			packet(
				ipv4({ src: "10.0.0.1", dst: "10.0.0.2" }),
				udp({ dport: 9 }),
				raw(marker),
			),
			path,
		);
	const [inside, outside] = [
		new Tap(wiring.ends, "inside"),
		new Tap(wiring.ends, "outside"),
	];
	const child = spawn(process.execPath, [PROGRAM], {
		stdio: ["pipe", "pipe", "inherit"],
	});
	try {
		child.stdin.end(JSON.stringify({ netns, lives: [LONG, SHORT] }));
		await once(child.stdout, "data");
		child.kill("SIGKILL");
		await once(child, "exit");
		inside.put(frame(LONG));
		await until("a packet of the dead", () => outside.count === 1);
		assert.ok(outside.take().every((sealed) => !sealed.includes(marker)));
		await until("the key's end", async () => (await states(netns)) === 1);
		const before = unsent(netns);
		inside.put(frame(SHORT));
		await until("a refusal", () => unsent(netns) > before);
		assert.deepEqual(outside.take(), []);
	} finally {
		child.kill("SIGKILL");
		for (const tap of [inside, outside]) tap.close();
	}
	/* Whoever comes next finds nothing to go on with. */
	const engine = await XfrmEngine.open({ ...place.sides, onEvent: () => {} });
	const left = await states(netns);
	const policies = await run(["ip", "xfrm", "policy"], { netns });
	await engine.close();
	assert.deepEqual([left, policies.stdout], [0, ""]);
});

async function states(netns: string): Promise<number> {
	const { stdout } = await run(["ip", "xfrm", "state", "count"], { netns });
	return Number(/SAD count (\d+)/.exec(stdout)?.[1]);
}

/** Packets for which the kernel found no state. */
function unsent(netns: string): number {
	const text = withNetns<string>(netns, () =>
		readFileSync("/proc/thread-self/net/xfrm_stat", "utf8"),
	);
	return Number(/^XfrmOutNoStates\s+(\d+)$/m.exec(text)?.[1] ?? 0);
}
