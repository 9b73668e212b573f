/**
 * An engine in a process of its own that hangs once its SAs are installed, for
 * somebody to kill: what it is told comes by stdin.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, writeSync } from "node:fs";
import { monotonicMs } from "../../../src/functions/ef/clock.js";
import { XfrmEngine } from "../../../src/functions/ef/xfrm.js";
import { EfPlace } from "./line.js";

const STDOUT = 1;
const FIRST_SPI = 4096;

const { netns, lives } = JSON.parse(readFileSync(0, "utf8")) as {
	readonly netns: string;
	readonly lives: readonly { readonly path: number; readonly lifeMs: number }[];
};

const engine = await XfrmEngine.open({
	...new EfPlace(netns).sides,
	onEvent: () => {},
});
for (const [i, { path, lifeMs }] of lives.entries())
	await engine.install({
		direction: "out",
		transform: "esp",
		spi: FIRST_SPI + i,
		key: new Uint8Array(randomBytes(32)),
		salt: new Uint8Array(randomBytes(4)),
		tunnel: { src: "192.0.2.1", dst: "192.0.2.2" },
		extended: true,
		path,
		hard: { untilMs: monotonicMs() + lifeMs },
	});
writeSync(STDOUT, "ready\n");
/* No clock of its own ends anything from here on. */
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
