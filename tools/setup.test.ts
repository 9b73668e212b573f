/** The set-up of a machine: what it asks for, and that it asks only when needed. */
import assert from "node:assert/strict";
import {
	mkdirSync,
	mkdtempSync,
	rmSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "./root.js";

interface Platform {
	platformProblems(machine: {
		platform: string;
		uid: number;
		node: string;
		btf: boolean;
		needsRoot: boolean;
	}): string[];
}
interface Debian {
	found(wanted: string): boolean;
}
interface Npm {
	packagesAreStale(root: string): boolean;
}
interface Suite {
	isSerial(name: string): boolean;
	testFiles(root: string, filters?: string[]): string[];
}
const load = async (name: string): Promise<unknown> =>
	import(join(root, "tools/setup", name));

test("setup: every lack of a machine is named with its remedy", async () => {
	const { platformProblems } = (await load("platform.mjs")) as Platform;
	const good = {
		platform: "linux",
		uid: 0,
		node: "20.11.0",
		btf: true,
		needsRoot: true,
	};
	assert.deepEqual(platformProblems(good), []);
	assert.match(
		platformProblems({ ...good, platform: "darwin" }).join(),
		/needs Linux.*darwin/,
	);
	assert.match(platformProblems({ ...good, uid: 1000 }).join(), /sudo/);
	assert.match(
		platformProblems({ ...good, node: "18.2.0" }).join(),
		/18\.2\.0/,
	);
	assert.match(platformProblems({ ...good, btf: false }).join(), /BTF/);
	assert.deepEqual(
		platformProblems({ ...good, uid: 1000, needsRoot: false }),
		[],
	);
});

test("setup: programs and libraries are found where they are", async () => {
	const { found } = (await load("debian.mjs")) as Debian;
	assert.equal(found("ip"), true);
	assert.equal(found("no-such-program-anywhere"), false);
	assert.equal(found("/usr/lib/*/libc.so.6"), true);
	assert.equal(found("/usr/lib/*/no-such-library.so"), false);
});

test("setup: npm packages are installed only when the lock file is newer", async () => {
	const { packagesAreStale } = (await load("npm.mjs")) as Npm;
	const directory = mkdtempSync(join(tmpdir(), "chainmail-setup-"));
	try {
		const lock = join(directory, "package-lock.json");
		const marker = join(directory, "node_modules/.package-lock.json");
		writeFileSync(lock, "{}");
		assert.equal(packagesAreStale(directory), true);
		mkdirSync(join(directory, "node_modules"));
		writeFileSync(marker, "{}");
		utimesSync(lock, 1000, 1000);
		assert.equal(packagesAreStale(directory), false);
		utimesSync(marker, 999, 999);
		assert.equal(packagesAreStale(directory), true);
	} finally {
		rmSync(directory, { recursive: true });
	}
});

test("setup: the suite finds this file, and tests with namespaces run alone", async () => {
	const { isSerial, testFiles } = (await load("suite.mjs")) as Suite;
	assert.deepEqual(testFiles(root, ["tools/setup.test"]), [
		"tools/setup.test.js",
	]);
	assert.equal(isSerial("test/e2e/x.test.js"), true);
	assert.equal(isSerial("src/plan/x.test.js"), false);
});
