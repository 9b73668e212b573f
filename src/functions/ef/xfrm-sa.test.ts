/** What the kernel is told of an SA's limits, and what it means when it answers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { XfrmState } from "../../kernel/xfrm.js";
import { monotonicMs } from "./clock.js";
import type { SaEvent, SaSpec } from "./sa.js";
import { directionOf, endsOf, HeldSa } from "./xfrm-sa.js";

const MAX = 2n ** 32n - 1n;

function held(more: Partial<SaSpec> = {}) {
	const events: SaEvent[] = [];
	const sa = new HeldSa(
		{
			direction: "out",
			transform: "esp",
			spi: 300,
			key: new Uint8Array(16),
			salt: new Uint8Array(4),
			tunnel: { src: "192.0.2.1", dst: "192.0.2.2" },
			extended: false,
			path: 511,
			...more,
		},
		(event) => events.push(event),
		(overdue) => overdue.end("time"),
	);
	return { sa, events };
}

function state(more: Partial<XfrmState>): XfrmState {
	const none = { packets: 0n, bytes: 0n, tooOld: 0, badIcv: 0 };
	const numbers = { sent: 0n, received: 0n };
	return { ends: endsOf("out"), spi: 300, ...none, ...numbers, ...more };
}

test("xfrm SA: numbers are limited by packets, where no limit comes first", () => {
	assert.deepEqual(held().sa.limits, {
		softPackets: MAX - MAX / 16n,
		hardPackets: MAX,
	});
	const late = held({ lastSequence: MAX - 2n, hard: { packets: 9 } });
	assert.deepEqual(late.sa.limits, { softPackets: 0n, hardPackets: 2n });
	const strict = held({
		soft: { packets: 5 },
		hard: { packets: 7, bytes: 99 },
	});
	assert.deepEqual(strict.sa.limits, {
		softPackets: 5n,
		hardPackets: 7n,
		hardBytes: 99,
	});
	/* Who receives ends with the sender. */
	assert.deepEqual(held({ direction: "in" }).sa.limits, {});
});

test("xfrm SA: the kernel's seconds never end it before its time", () => {
	const at = (leftMs: number) => {
		const { sa } = held({ hard: { untilMs: monotonicMs() + leftMs } });
		sa.forget();
		return sa.limits.hardSeconds;
	};
	assert.equal(at(60_500), 61);
	assert.equal(at(1), 1);
	assert.equal(at(-1000), 1);
});

test("xfrm SA: what ended it is what it has reached", () => {
	const cases: [Partial<SaSpec>, Partial<XfrmState>, string][] = [
		[{ hard: { packets: 3 } }, { packets: 3n }, "packets"],
		[{ hard: { bytes: 300 } }, { packets: 3n, bytes: 300n }, "bytes"],
		[{ lastSequence: MAX - 3n }, { packets: 3n }, "sequence"],
		[{ hard: { packets: 9, untilMs: 1e15 } }, { packets: 3n }, "time"],
	];
	for (const [spec, told, limit] of cases) {
		const { sa } = held(spec);
		sa.update(state(told));
		assert.equal(sa.reached("hard"), limit);
		sa.forget();
	}
});

test("xfrm SA: told once of each end; its last number outlives the kernel's", () => {
	const { sa, events } = held({ lastSequence: 40n });
	sa.update(state({ packets: 2n, bytes: 200n, sent: 42n }));
	sa.warn("packets");
	sa.warn("bytes");
	/* What tells of an expiry has no numbers. */
	sa.update(state({ packets: 3n, bytes: 300n }));
	sa.end("packets");
	sa.end("time");
	assert.deepEqual(
		events.map(({ kind, limit }) => [kind, limit]),
		[
			["expiring", "packets"],
			["expired", "packets"],
		],
	);
	const { packets, bytes, lastSequence, expired } = sa.usage;
	assert.deepEqual(
		[packets, bytes, lastSequence, expired],
		[3, 300, 43n, true],
	);
});

test("xfrm SA: the direction is known by the tunnel's end", () => {
	for (const direction of ["out", "in"] as const)
		assert.equal(directionOf(endsOf(direction)), direction);
});
