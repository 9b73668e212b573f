/**
 * Loaded into programs by `node --import`: notes what random bytes they draw, and
 * where in the code, so that a test knows the secrets that they keep to themselves.
 */
import { appendFileSync } from "node:fs";
import { createRequire, syncBuiltinESMExports } from "node:module";
import type { Drawn } from "./material.js";

export const RECORD_TO = "SECRETS_RECORD";

/** Line of a stack: behind the message and this file's own. */
const CALLER = 2;
const file = process.env[RECORD_TO];
const crypto = createRequire(import.meta.url)(
	"node:crypto",
) as typeof import("node:crypto");
const { randomBytes } = crypto;

function recorded(size: number): Buffer {
	const bytes = randomBytes(size);
	const drawn: Drawn = {
		by: new Error().stack?.split("\n")[CALLER] ?? "",
		hex: bytes.toString("hex"),
	};
	if (file) appendFileSync(file, `${JSON.stringify(drawn)}\n`, { mode: 0o600 });
	return bytes;
}

Object.assign(crypto, { randomBytes: recorded });
syncBuiltinESMExports();
