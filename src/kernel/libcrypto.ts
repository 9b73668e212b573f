/**
 * AES-GCM of libcrypto.so.3 through koffi, on addresses: packets are encrypted
 * from where they are to where they go (docs/decisions/0005).
 */
import * as koffi from "koffi";
import { KernelError } from "./error.js";
import type { Memory } from "./memory.js";

export type Address = number;

export interface Libcrypto {
	readonly newContext: () => Address;
	readonly freeContext: (context: Address) => void;
	readonly aes128: () => Address;
	readonly aes256: () => Address;
	readonly encryptInit: Init;
	readonly decryptInit: Init;
	/** Bytes written; -1 on failure, and where a tag is wrong. */
	readonly cipher: (
		context: Address,
		to: Address,
		from: Address,
		bytes: number,
	) => number;
	readonly control: (
		context: Address,
		command: number,
		bytes: number,
		at: Address,
	) => number;
	readonly newHmac: () => Address;
	readonly freeHmac: (hmac: Address) => void;
	readonly sha256: () => Address;
	/** A null key is the one it had. */
	readonly hmacInit: (
		hmac: Address,
		key: Uint8Array | null,
		bytes: number,
		digest: Address,
		engine: null,
	) => number;
	readonly hmacUpdate: (hmac: Address, from: Address, bytes: number) => number;
	readonly hmacFinal: (hmac: Address, to: Address, bytes: null) => number;
	/** 0 where they are alike, in a time that does not tell where they differ. */
	readonly nextError: () => number | bigint;
	readonly errorText: (
		error: number | bigint,
		to: Uint8Array,
		bytes: number,
	) => void;
}

/** 0 for a cipher, a key or a nonce leaves it as it is. */
type Init = (
	context: Address,
	cipher: Address,
	key: Uint8Array | null,
	nonce: Address,
	parameters: null,
) => number;

const SIGNATURES: Record<keyof Libcrypto, string> = {
	newContext: "uintptr_t EVP_CIPHER_CTX_new()",
	freeContext: "void EVP_CIPHER_CTX_free(uintptr_t c)",
	aes128: "uintptr_t EVP_aes_128_gcm()",
	aes256: "uintptr_t EVP_aes_256_gcm()",
	encryptInit:
		"int EVP_EncryptInit_ex2(uintptr_t c, uintptr_t type, const void *key, uintptr_t iv, void *params)",
	decryptInit:
		"int EVP_DecryptInit_ex2(uintptr_t c, uintptr_t type, const void *key, uintptr_t iv, void *params)",
	cipher:
		"int EVP_Cipher(uintptr_t c, uintptr_t to, uintptr_t from, unsigned int bytes)",
	control:
		"int EVP_CIPHER_CTX_ctrl(uintptr_t c, int command, int bytes, uintptr_t at)",
	newHmac: "uintptr_t HMAC_CTX_new()",
	freeHmac: "void HMAC_CTX_free(uintptr_t h)",
	sha256: "uintptr_t EVP_sha256()",
	hmacInit:
		"int HMAC_Init_ex(uintptr_t h, const void *key, int bytes, uintptr_t digest, void *engine)",
	hmacUpdate: "int HMAC_Update(uintptr_t h, uintptr_t from, size_t bytes)",
	hmacFinal: "int HMAC_Final(uintptr_t h, uintptr_t to, void *bytes)",
	nextError: "unsigned long ERR_get_error()",
	errorText: "void ERR_error_string_n(unsigned long e, void *to, size_t bytes)",
};

/** EVP_CTRL_AEAD_GET_TAG and _SET_TAG of openssl/evp.h. */
const GET_TAG = 0x10;
const SET_TAG = 0x11;
const TAG_BYTES = 16;
const UNCHANGED = 0;

let loaded: Libcrypto | undefined;

/**
 * One key in one direction, its schedule computed once. Arguments are addresses
 * whose memory the caller vouches for; a nonce has 12 bytes, a tag 16.
 */
export class AesGcm {
	readonly #lib = libcrypto();
	readonly #init: Init;
	#context: Address;

	/** Takes a key of 16 or 32 bytes; wipes it, whatever happens. */
	constructor(direction: "seal" | "open", key: Uint8Array) {
		const lib = this.#lib;
		this.#init = direction === "seal" ? lib.encryptInit : lib.decryptInit;
		this.#context = 0;
		try {
			const cipher = cipherFor(lib, key.length);
			this.#context = lib.newContext();
			if (this.#context === 0) throw failed(lib, "make a cipher context");
			if (this.#init(this.#context, cipher, key, UNCHANGED, null) !== 1) {
				this.free();
				throw failed(lib, "set a key");
			}
		} finally {
			key.fill(0);
		}
	}

	/** Encrypts `bytes` at `from` to `to`, and puts the tag at `tag`. */
	seal(
		nonce: Address,
		aad: Address,
		aadBytes: number,
		from: Address,
		bytes: number,
		to: Address,
		tag: Address,
	): void {
		const { cipher, control } = this.#lib;
		const context = this.#begin(nonce);
		if (
			cipher(context, 0, aad, aadBytes) !== aadBytes ||
			cipher(context, to, from, bytes) !== bytes ||
			cipher(context, 0, 0, 0) < 0 ||
			control(context, GET_TAG, TAG_BYTES, tag) !== 1
		)
			throw failed(this.#lib, "encrypt");
	}

	/**
	 * Decrypts `bytes` at `from` to `to`; false where the tag at `tagAt` in `tag`
	 * is wrong: what is at `to` then must not be used.
	 */
	open(
		nonce: Address,
		aad: Address,
		aadBytes: number,
		from: Address,
		bytes: number,
		to: Address,
		tag: Memory,
		tagAt: number,
	): boolean {
		const { cipher, control } = this.#lib;
		const context = this.#begin(nonce);
		if (
			cipher(context, 0, aad, aadBytes) !== aadBytes ||
			cipher(context, to, from, bytes) !== bytes ||
			control(context, SET_TAG, TAG_BYTES, tag.address + tagAt) !== 1
		)
			throw failed(this.#lib, "decrypt");
		return cipher(context, 0, 0, 0) >= 0;
	}

	/** Wipes and gives back the key schedule (libcrypto cleanses it). */
	free(): void {
		if (this.#context !== 0) this.#lib.freeContext(this.#context);
		this.#context = 0;
	}

	#begin(nonce: Address): Address {
		const context = this.#context;
		if (context === 0)
			throw new KernelError("use a key", "it has been freed already");
		if (this.#init(context, UNCHANGED, null, nonce, null) !== 1)
			throw failed(this.#lib, "set a nonce");
		return context;
	}
}

function cipherFor(lib: Libcrypto, keyBytes: number): Address {
	if (keyBytes === 16) return lib.aes128();
	if (keyBytes === 32) return lib.aes256();
	throw new KernelError(
		"set a key",
		`it has ${keyBytes} bytes`,
		"AES-GCM takes keys of 16 or 32 bytes",
	);
}

/** The library, loaded at first use. */
export function libcrypto(): Libcrypto {
	loaded ??= load();
	return loaded;
}

function load(): Libcrypto {
	let library: koffi.LibraryHandle;
	try {
		/* Not with the functions of the OpenSSL that Node has in itself. */
		library = koffi.load("libcrypto.so.3", { deep: true });
	} catch (error) {
		const cause = error instanceof Error ? error.message : String(error);
		throw new KernelError(
			"load libcrypto.so.3",
			cause,
			"apt-get install libssl3",
		);
	}
	const entries = Object.entries(SIGNATURES).map(([name, signature]) => [
		name,
		library.func(signature),
	]);
	return Object.fromEntries(entries) as Libcrypto;
}

/** What libcrypto has to say; its messages name functions, never data. */
export function failed(lib: Libcrypto, operation: string): KernelError {
	const LONGEST_TEXT = 256;
	const error = lib.nextError();
	if (BigInt(error) === 0n)
		return new KernelError(operation, "libcrypto refused without a reason");
	const text = Buffer.alloc(LONGEST_TEXT);
	lib.errorText(error, text, text.length);
	return new KernelError(
		operation,
		text.toString("latin1", 0, text.indexOf(0)),
	);
}
