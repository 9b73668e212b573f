/**
 * HMAC-SHA-256 of libcrypto.so.3 on addresses, one key kept: HMAC_* takes 0.1 to
 * 0.2 µs less for a header than EVP_MAC does (docs/decisions/0007).
 */
import { KernelError } from "./error.js";
import { type Address, failed, libcrypto } from "./libcrypto.js";

export class HmacSha256 {
	readonly #lib = libcrypto();
	#context: Address = 0;

	/** Takes a key; wipes it, whatever happens. */
	constructor(key: Uint8Array) {
		const lib = this.#lib;
		try {
			this.#context = lib.newHmac();
			if (this.#context === 0) throw failed(lib, "make an HMAC context");
			const { sha256, hmacInit } = lib;
			if (hmacInit(this.#context, key, key.length, sha256(), null) !== 1) {
				this.free();
				throw failed(lib, "set a key");
			}
		} finally {
			key.fill(0);
		}
	}

	/** Writes 32 bytes to `to`: the MAC of `bytes` at `from`. */
	sign(from: Address, bytes: number, to: Address): void {
		const { hmacInit, hmacUpdate, hmacFinal } = this.#lib;
		const context = this.#context;
		if (context === 0)
			throw new KernelError("use a key", "it has been freed already");
		if (
			hmacInit(context, null, 0, 0, null) !== 1 ||
			hmacUpdate(context, from, bytes) !== 1 ||
			hmacFinal(context, to, null) !== 1
		)
			throw failed(this.#lib, "compute a MAC");
	}

	/** Wipes and gives back the key (libcrypto cleanses it). */
	free(): void {
		if (this.#context !== 0) this.#lib.freeHmac(this.#context);
		this.#context = 0;
	}
}
