import assert from "node:assert/strict";
import { chmodSync, statSync } from "node:fs";
import { test } from "node:test";
import { openAuthority } from "../ca.js";
import { ownCredentials, readCredentials } from "./credentials.js";
import { Site } from "./testing/site.js";

test("who commands the centre is read from a file of its owner alone", async () => {
	const site = new Site();
	try {
		const authority = await openAuthority(site.directory);
		const at = { url: "https://auc:1", efs: { host: "auc", port: 2 } };
		const own = await ownCredentials(site.directory, authority, at);
		const path = `${site.directory}/controller.json`;
		assert.equal(statSync(path).mode & 0o777, 0o600);
		assert.deepEqual(readCredentials(path), own);
		for (const mode of [0o640, 0o604, 0o620]) {
			chmodSync(path, mode);
			assert.throws(() => readCredentials(path), /others may .*chmod 600/);
		}
		assert.throws(() => readCredentials(`${path}.none`), /is not there/);
	} finally {
		await site.close();
	}
});
