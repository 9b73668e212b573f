/** AES-GCM by the fastest library this machine has. */
import { MbAesGcm } from "./ipsec-mb.js";
import { AesGcm } from "./libcrypto.js";

/** One key in one direction. */
export type AesGcmKey = AesGcm | MbAesGcm;

/** Takes a key of 16 or 32 bytes; wipes it, whatever happens. */
export function aesGcmKey(
	direction: "seal" | "open",
	key: Uint8Array,
): AesGcmKey {
	return MbAesGcm.available ? new MbAesGcm(key) : new AesGcm(direction, key);
}
