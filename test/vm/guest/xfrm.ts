/** The kernel's ESP passes what every engine has to. */
import { readFileSync } from "node:fs";
import { after } from "node:test";
import type { SaEvent } from "../../../src/functions/ef/sa.js";
import { XfrmEngine } from "../../../src/functions/ef/xfrm.js";
import { withNetns } from "../../../src/kernel/netns.js";
import { conformance, settled } from "../../ef/conformance.js";
import { Tap } from "../../ef/tap.js";
import { framed, HEADERS_BYTES, lazily, oneEf, until, Wiring } from "./line.js";

const wiring = new Wiring();
after(() => wiring.remove());
const ef = lazily(() => oneEf(wiring));

conformance("xfrm", async () => {
	const place = await ef();
	const events: SaEvent[] = [];
	const before = endedByUse(place.netns);
	const engine = await XfrmEngine.open({
		...place.sides,
		onEvent: (event) => events.push(event),
	});
	const taps = {
		inside: new Tap(wiring.ends, "inside"),
		outside: new Tap(wiring.ends, "outside"),
	};
	const ended = () => events.filter(({ kind }) => kind === "expired").length;
	return {
		engine,
		events,
		dummies: "malformed",
		give: async (from, packets) => {
			const here = taps[from];
			const there = from === "inside" ? taps.outside : taps.inside;
			const begin = await engine.usage();
			for (const inner of packets) here.put(framed(inner));
			await until(
				"packets to be dealt with",
				async () =>
					settled(await engine.usage()) >= settled(begin) + packets.length,
			);
			/* The kernel tells of an end a moment after it. */
			await until("events", () => ended() >= endedByUse(place.netns) - before);
			const usage = await engine.usage();
			const direction = from === "inside" ? "out" : "in";
			const passed = usage[direction].packets - begin[direction].packets;
			await until("frames to come out", () => there.count >= passed);
			return there.take().map((frame) => frame.subarray(HEADERS_BYTES));
		},
		close: async () => {
			taps.inside.close();
			taps.outside.close();
			await engine.close();
		},
	};
});

/** States that a packet found used up: each ends once. */
function endedByUse(netns: string): number {
	const text = withNetns<string>(netns, () =>
		readFileSync("/proc/thread-self/net/xfrm_stat", "utf8"),
	);
	return [...text.matchAll(/^Xfrm(?:In|Out)StateExpired\s+(\d+)$/gm)]
		.map(([, count]) => Number(count))
		.reduce((sum, count) => sum + count, 0);
}
