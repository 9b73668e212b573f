/** The centre's state on the disk, sealed under a key that lies in another file. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
	isOpenToOthers,
	writePrivate,
	writePrivateLater,
} from "../../kernel/files.js";
import type { AucState } from "../../keys/auc-state.js";
import { Secret } from "../../keys/secret.js";
import { KEK_BYTES, seal, unseal, VaultError } from "../../keys/vault.js";

export interface Snapshot {
	/** As it was stored last; undefined at the first start. */
	readonly stored: AucState | undefined;
	/** Resolves once it is on the disk. Not to be called while one is under way. */
	save(state: AucState): Promise<void>;
	/** Wipes the key; nothing can be saved any more. */
	close(): void;
}

/**
 * @param kekFile the key-encryption key, 32 bytes; made in the directory where
 * none is given and none is there. Throws `auc: cause (likely fix)`.
 */
export function openSnapshot(directory: string, kekFile?: string): Snapshot {
	const path = join(directory, "state.sealed");
	const isThere = existsSync(path);
	const own = join(directory, "kek");
	if (kekFile === undefined && !existsSync(own)) {
		if (isThere) {
			throw new Error(
				`auc: ${path} without ${own} (restore the key, or name its file with --kek-file)`,
			);
		}
		const made = randomBytes(KEK_BYTES);
		writePrivate(own, made);
		made.fill(0);
	}
	const kek = readKek(kekFile ?? own);
	return {
		stored: isThere ? opened(path, kek) : undefined,
		save: (state) => writePrivateLater(path, seal(state, kek, randomBytes)),
		close: () => kek.wipe(),
	};
}

function readKek(path: string): Secret {
	if (isOpenToOthers(path)) {
		throw new Error(
			`auc: others may read the key-encryption key (chmod 600 ${path})`,
		);
	}
	const bytes = readFileSync(path);
	if (bytes.length !== KEK_BYTES) {
		throw new Error(
			`auc: ${path} has ${bytes.length} bytes (make a key with: head -c ${KEK_BYTES} /dev/urandom)`,
		);
	}
	return new Secret(bytes);
}

function opened(path: string, kek: Secret): AucState {
	try {
		return unseal(readFileSync(path), kek);
	} catch (error) {
		if (!(error instanceof VaultError)) throw error;
		throw new Error(
			`auc: ${path}: ${error.message} (or remove it: EFs tell what they hold, and enrol anew; revocations are forgotten)`,
		);
	}
}
