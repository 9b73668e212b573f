/**
 * Captures and vectors made by others, which the package does not contain.
 * CHAINMAIL_TEST_DATA names their folder; ../shared/data beside the project is
 * the default.
 */
import { existsSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** Absolute path of the folder, or undefined where there is none. */
export function testData(): string | undefined {
	const named = process.env.CHAINMAIL_TEST_DATA;
	const folder = resolve(named ?? join(projectRoot(), "../shared/data"));
	return existsSync(folder) ? folder : undefined;
}

/**
 * A test that reads the data. Without it the test is skipped by name; under CI
 * it fails, so that absence never looks like success.
 */
export function dataTest(
	name: string,
	body: (folder: string) => void | Promise<void>,
): void {
	const folder = testData();
	if (folder !== undefined) {
		test(name, () => body(folder));
	} else if (process.env.CI === "true") {
		test(name, () => {
			throw new Error(`${name}: ${ABSENT}`);
		});
	} else {
		test(name, { skip: ABSENT });
	}
}

const ABSENT = "no test data (set CHAINMAIL_TEST_DATA to its folder)";

/** Every capture below a folder of the data, in a stable order. */
export function captures(folder: string): string[] {
	return readdirSync(folder, { recursive: true, encoding: "utf8" })
		.filter((name) => name.endsWith(".pcap"))
		.sort()
		.map((name) => join(folder, name));
}

function projectRoot(): string {
	let folder = dirname(fileURLToPath(import.meta.url));
	while (!existsSync(join(folder, "package.json"))) {
		const parent = dirname(folder);
		if (parent === folder) throw new Error("test data: no package.json above");
		folder = parent;
	}
	return folder;
}
