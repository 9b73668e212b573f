/** A centre and its EFs on the loopback, with a directory that goes with them. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Link } from "../../../keys/sa.js";
import { Secret } from "../../../keys/secret.js";
import { linkId } from "../../../keys/spi.js";
import type { KeyAuthority } from "../authority.js";
import { TestEf } from "./test-ef.js";

const WAIT_MS = 10_000;
const LOOK_MS = 5;

/** Waits until it holds; fails with `what` after ten seconds. */
export async function until(
	what: string,
	holds: () => boolean | Promise<boolean>,
): Promise<void> {
	const endMs = Date.now() + WAIT_MS;
	while (!(await holds())) {
		assert.ok(Date.now() < endMs, `not in time: ${what}`);
		await new Promise((done) => setTimeout(done, LOOK_MS));
	}
}

/** From a to b, where nothing else is said. */
export function linkFrom(
	sender: string,
	receiver: string,
	eSpi = 5,
	overrides: Partial<Link> = {},
): Link {
	return {
		eSpi,
		eSi: 254,
		flowClass: "mail",
		sender,
		receiver,
		algorithm: "aes-gcm-256",
		extSeqNum: true,
		antiReplayWindowSize: 1024,
		hard: { timeMs: 3_600_000, bytes: 2 ** 50, packets: 2 ** 50 },
		...overrides,
	};
}

export class Site {
	readonly directory = mkdtempSync(join(tmpdir(), "chainmail-auc-"));
	readonly #closers: (() => Promise<void> | void)[] = [];

	onClose(closer: () => Promise<void> | void): void {
		this.#closers.push(closer);
	}

	async close(): Promise<void> {
		for (const closer of this.#closers.splice(0).reverse()) await closer();
		rmSync(this.directory, { recursive: true, force: true });
	}

	/** An EF that knows where the centre is, not yet connected. */
	ef(name: string, at: () => { host: string; port: number }): TestEf {
		const ef = new TestEf(name, this.directory, at);
		this.onClose(() => ef.close());
		return ef;
	}

	/** One that has enrolled and is in a session. */
	async enrolled(name: string, authority: KeyAuthority): Promise<TestEf> {
		const { host = "127.0.0.1", port } = authority.address;
		const ef = this.ef(name, () => ({ host, port }));
		const key = ef.start();
		if (key) await authority.configure(name, new Secret(Buffer.from(key)));
		await until(`${name} is enrolled`, () => ef.status.enrolled);
		return ef;
	}
}

/** What the sender encrypts with, when the receiver has the same; else undefined. */
export function sharedKey(
	link: Link,
	sender: TestEf,
	receiver: TestEf,
): string | undefined {
	const spi = sender.active.get(linkId(link)) ?? -1;
	const sent = sender.loaded.get(spi);
	const held = receiver.loaded.get(spi);
	return sent && sent.keyHash === held?.keyHash ? sent.keyHash : undefined;
}
