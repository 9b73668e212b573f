/**
 * A node dies with its encryption function and its agent while calls pass through
 * it: protected ones take the way that is ready, others get a new one. Nothing of
 * them is ever in the clear between the nodes.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { Providers } from "../../lab/providers.js";
import type { UdpStream } from "../../lab/traffic/udp-stream.js";
import { Recording } from "./sealed-wires.js";
import { until } from "./until.js";

/** Both a node and its instances have to be well for ten seconds. */
const RETURN_MS = 60_000;
/** Whatever the nodes exchange passes one of them. */
const WIRES = ["west", "east"] as const;

const WORDS = { kill: "are killed", hang: "say nothing any more" };

for (const [protect, ends] of [
	[true, "kill"],
	[false, "kill"],
	[false, "hang"],
] as const)
	describe(`${protect ? "protected" : "unprotected"} calls through a node whose programs ${WORDS[ends]}`, () => {
		const marker = `call-${randomBytes(16).toString("hex")}`;
		let providers: Providers;
		let stream: UdpStream;
		let wires: Recording[] = [];

		before(async () => {
			providers = await Providers.open();
			await providers.apply({ encrypt: { when: "between-nodes", protect } });
			wires = await Promise.all(
				WIRES.map((name) => Recording.start(providers.lab.host("isp-b"), name)),
			);
			stream = await providers.stream(marker);
		});
		after(async () => {
			for (const wire of wires) wire.remove();
			await providers?.close();
		});

		/** More packets go through an instance than so far. */
		async function passes(instance: string, timeoutMs?: number): Promise<void> {
			const before = await providers.passed(instance);
			await until(
				`calls go through ${instance}`,
				async () => (await providers.passed(instance)) > before,
				timeoutMs,
			);
		}

		/** Packets that took the path which stands in for the one there is. */
		async function standIn(backups: ReadonlySet<number>): Promise<number> {
			return (await providers.counters())
				.flatMap(({ hops }) => hops)
				.filter(({ spi }) => backups.has(spi))
				.reduce((sum, { packets }) => sum + packets, 0);
		}

		/* A busy machine may have kept it from being heard for a moment. */
		it("go through its scanner while it lives", () => passes("b1", RETURN_MS));

		it("go through the other one after that", async () => {
			const backups = new Set(
				(await providers.paths()).flatMap(({ backup }) => backup ?? []),
			);
			/* One a direction, for calls that users begin and for those they get. */
			assert.equal(backups.size, protect ? 4 : 0);
			const before = await standIn(backups);
			await providers[ends]("isp-b");
			await passes("c1");
			if (protect) assert.ok((await standIn(backups)) > before);
		});

		it("come back with the node", async () => {
			await providers.revive("isp-b");
			await passes("b1", RETURN_MS);
		});

		it("lose only what was on its way until others knew", async () => {
			const before = await providers.passed("b1");
			await until(
				"the way is whole",
				async () => (await providers.passed("b1")) > before + 100,
			);
			const { sent, received, returned } = await stream.stop();
			assert.ok(received > 0 && returned > 0 && received < sent);
		});

		it("are on no wire between the nodes in the clear", async () => {
			for (const wire of wires) await wire.stop();
			for (const { file, name } of wires) {
				const bytes = readFileSync(file);
				assert.ok(bytes.length > 100_000, `${name}: too little was recorded`);
				assert.equal(bytes.indexOf(marker), -1, name);
			}
		});
	});
