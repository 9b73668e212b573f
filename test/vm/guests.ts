/**
 * Runs test/vm/guest on a stock Debian kernel and reports its tests as our own.
 * A machine that cannot do so skips them, loudly; CHAINMAIL_VM=require fails.
 */
import { existsSync } from "node:fs";
import { release as hostKernel } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { root } from "../../tools/root.js";
import type { Release } from "./apt.js";
import { say } from "./cache.js";
import { emulator } from "./emulator.js";
import type { GuestResult } from "./guest/reporter.js";
import { type GuestKernel, guestKernel } from "./kernel.js";
import { type GuestOutput, runGuest } from "./machine.js";

const DEADLINE_MS = 240_000;
const CONSOLE_CHARACTERS = 4000;
/** Beside QEMU and the kernels, which are loaded. */
const COMMANDS = ["apt-get", "dpkg-deb", "depmod", "setpriv", "xz"];

/** The tests of every guest file, on the kernel of a release. */
export function guestTests(release: Release): void {
	test(`Debian ${release}`, async (t) => {
		const kernel = await prepared(t, release);
		if (kernel === undefined) return;
		say(`test/vm: booting Linux ${kernel.version} on Linux ${hostKernel()}`);
		const output = await runGuest(kernel, script(), DEADLINE_MS);
		const { results, status } = read(output);
		for (const { name, error, skipped, durationMs } of results)
			await t.test(`${name} (${durationMs} ms there)`, (inner) => {
				if (skipped !== undefined) return inner.skip(skipped);
				if (error !== undefined) throw new Error(error);
			});
		if (status === undefined || results.length === 0)
			throw new Error(
				`the guest did not end its tests: ${output.console.slice(-CONSOLE_CHARACTERS)}`,
			);
		if (status !== 0 && results.every(({ error }) => error === undefined))
			throw new Error(`status ${status}: ${output.said}${output.console}`);
	});
}

async function prepared(
	t: TestContext,
	release: Release,
): Promise<GuestKernel | undefined> {
	try {
		requireMachine();
		await emulator();
		return await guestKernel(release);
	} catch (error) {
		const cause = error instanceof Error ? error.message : String(error);
		const why = `no guest with the kernel of Debian ${release}: ${cause}`;
		if (process.env.CHAINMAIL_VM === "require") throw new Error(why);
		say(
			`test/vm: NOT TESTED HERE: ${why} (CHAINMAIL_VM=require makes this a failure)`,
		);
		t.skip(why);
		return undefined;
	}
}

function requireMachine(): void {
	if (process.arch !== "x64")
		throw new Error(`guests are x86-64, this machine is ${process.arch}`);
	if (process.getuid?.() !== 0)
		throw new Error("sharing files with a guest needs root");
	const folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
	for (const name of COMMANDS)
		if (!folders.some((folder) => existsSync(join(folder, name))))
			throw new Error(`${name} is not installed`);
}

/** The kernel would start a program for each: seconds, where a probe may take five. */
const MODULES = "xfrm_user xfrm_interface esp4 seqiv gcm ghash_clmulni_intel";

/** One process for all tests: to start another takes seconds, too. */
function script(): string {
	const guest = join(root, "dist/test/vm/guest");
	return `cd ${root}
modprobe -a ${MODULES}
${process.execPath} --enable-source-maps --test-reporter=${guest}/reporter.js --test-reporter-destination=stdout ${guest}/main.js
echo "status $?"`;
}

function read({ said }: GuestOutput): {
	results: GuestResult[];
	status: number | undefined;
} {
	const lines = said.split(/\r?\n/);
	const status = lines
		.map((line) => /^status (\d+)$/.exec(line)?.[1])
		.find((found) => found !== undefined);
	return {
		results: lines
			.filter((line) => line.startsWith('{"name":'))
			.map((line) => JSON.parse(line) as GuestResult),
		status: status === undefined ? undefined : Number(status),
	};
}
