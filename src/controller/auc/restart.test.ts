/** The centre is killed (SIGKILL) at every message of a rekey, and comes back. */
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { localAuthority } from "./local.js";
import { AucService } from "./service.js";
import { linkFrom, Site, sharedKey, until } from "./testing/site.js";
import { FAST, type TestEf } from "./testing/test-ef.js";

const LINK = linkFrom("a", "b");
/** Install twice, switch, remove twice; the last: after all of it. */
const MESSAGES = 6;
const STEPS = new Set(["install", "switch", "remove"]);

async function centre(directory: string, port: number): Promise<ChildProcess> {
	const script = new URL("./testing/centre-process.js", import.meta.url);
	const child = fork(script, [directory, String(port)]);
	const [said] = await Promise.race([
		once(child, "message"),
		once(child, "exit"),
	]);
	assert.equal(said, "runs");
	return child;
}

async function kill(child: ChildProcess): Promise<void> {
	const gone = once(child, "exit");
	child.kill("SIGKILL");
	await gone;
}

/** Both ends have one SA, and the same. */
function isSettled(a: TestEf, b: TestEf): boolean {
	const one = a.loaded.size === 1 && b.loaded.size === 1;
	return one && sharedKey(LINK, a, b) !== undefined;
}

test("killed at every step of a rekey: no gap, no key twice, nothing left", async () => {
	const site = new Site();
	try {
		const directory = join(site.directory, "auc");
		const log = () => {};
		const first = await AucService.start({
			directory,
			port: 0,
			tuning: FAST,
			log,
		});
		const authority = localAuthority(first);
		const { port } = first;
		const a = await site.enrolled("a", authority);
		const b = await site.enrolled("b", authority);
		await authority.declare([LINK]);
		assert.deepEqual(await authority.ready([LINK], 10_000), []);
		await authority.close();

		for (let at = 0; at <= MESSAGES; at++) {
			const before = sharedKey(LINK, a, b);
			const child = await centre(directory, port);
			await until("both are in a session", () => a.ready && b.ready);
			let count = 0;
			const dead = once(child, "exit");
			for (const ef of [a, b]) {
				ef.onMessage = ({ type }) => {
					assert.ok(sharedKey(LINK, a, b), `traffic stopped at ${at}`);
					if (STEPS.has(type) && ++count === at) child.kill("SIGKILL");
				};
			}
			child.send({ rekey: LINK.eSpi });
			if (at === 0 || at === MESSAGES) {
				/* As it is asked, and when all is done. */
				if (at > 0) await until("rekeyed", () => isSettled(a, b) && count > 4);
				child.kill("SIGKILL");
			}
			await dead;
			const again = await centre(directory, port);
			if (at === 0) again.send({ rekey: LINK.eSpi });
			await until(
				`a new key after a kill at message ${at}`,
				() => isSettled(a, b) && sharedKey(LINK, a, b) !== before,
			);
			await kill(again);
		}
	} finally {
		await site.close();
	}
});
