/**
 * The centre's state as it may lie on a disk: encrypted with AES-256-GCM under a
 * key-encryption key (KEK) that is kept elsewhere.
 *
 *   "CMAUC" | version 8 | KEK's name 64 | salt 256 | ciphertext | tag 128
 *
 * The KEK itself encrypts nothing: each snapshot has a key and a nonce of its own,
 * derived from the KEK and the salt (HKDF, RFC 5869), so that no nonce repeats.
 * What is inside: packed.ts.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import type { AucState } from "./auc-state.js";
import { LENGTH_BYTES, pack, unpack } from "./packed.js";
import type { RandomBytes, Secret } from "./secret.js";

export const KEK_BYTES = 32;

const MAGIC = Buffer.from("CMAUC");
const VERSION = 1;
const NAME_BYTES = 8;
const SALT_BYTES = 32;
const HEADER_BYTES = MAGIC.length + 1 + NAME_BYTES + SALT_BYTES;
const TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";
const CIPHER_KEY_BYTES = 32;
const NONCE_BYTES = 12;

/** Why a snapshot cannot be opened: `vault: cause (likely fix)`. */
export class VaultError extends Error {
	override readonly name = "VaultError";
	constructor(cause: string) {
		super(`vault: ${cause}`);
	}
}

/** The state, encrypted; throws a VaultError for a KEK that is none. */
export function seal(
	state: AucState,
	kek: Secret,
	random: RandomBytes,
): Buffer {
	const version = Buffer.from([VERSION]);
	const salt = random(SALT_BYTES);
	const header = Buffer.concat([MAGIC, version, nameOf(kek), salt]);
	const plain = pack(state);
	const { key, nonce, wipe } = derive(kek, salt);
	const cipher = createCipheriv(CIPHER, key, nonce);
	cipher.setAAD(header);
	const body = Buffer.concat([cipher.update(plain), cipher.final()]);
	plain.fill(0);
	wipe();
	return Buffer.concat([header, body, cipher.getAuthTag()]);
}

/** Throws a VaultError for what is no snapshot, not of this KEK, or changed. */
export function unseal(sealed: Buffer, kek: Secret): AucState {
	const header = sealed.subarray(0, HEADER_BYTES);
	if (
		sealed.length < HEADER_BYTES + LENGTH_BYTES + TAG_BYTES ||
		!header.subarray(0, MAGIC.length).equals(MAGIC)
	) {
		throw new VaultError("is no snapshot of an authentication centre");
	}
	const version = header.readUInt8(MAGIC.length);
	if (version !== VERSION) {
		throw new VaultError(
			`snapshot has version ${version}, not ${VERSION} (it was written by another release)`,
		);
	}
	const name = header.subarray(MAGIC.length + 1, HEADER_BYTES - SALT_BYTES);
	if (!name.equals(nameOf(kek))) {
		throw new VaultError("the key-encryption key is another one");
	}
	const { key, nonce, wipe } = derive(kek, header.subarray(-SALT_BYTES));
	const decipher = createDecipheriv(CIPHER, key, nonce);
	decipher.setAAD(header);
	decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
	const plain = decipher.update(sealed.subarray(HEADER_BYTES, -TAG_BYTES));
	try {
		decipher.final();
		return unpack(plain);
	} catch {
		throw new VaultError("snapshot is damaged (restore an older one)");
	} finally {
		plain.fill(0);
		wipe();
	}
}

function derive(kek: Secret, salt: Buffer) {
	const bytes = CIPHER_KEY_BYTES + NONCE_BYTES;
	const derived = hkdf(kek, salt, "chainmail auc snapshot", bytes);
	return {
		key: derived.subarray(0, CIPHER_KEY_BYTES),
		nonce: derived.subarray(CIPHER_KEY_BYTES),
		wipe: () => derived.fill(0),
	};
}

/** Tells one KEK from another, and says nothing else of it. */
function nameOf(kek: Secret): Buffer {
	return hkdf(kek, Buffer.alloc(0), "chainmail auc kek name", NAME_BYTES);
}

function hkdf(kek: Secret, salt: Buffer, use: string, bytes: number): Buffer {
	if (kek.length !== KEK_BYTES) {
		throw new VaultError(`key-encryption key is not ${KEK_BYTES} bytes long`);
	}
	return Buffer.from(hkdfSync("sha256", kek.reveal(), salt, use, bytes));
}
