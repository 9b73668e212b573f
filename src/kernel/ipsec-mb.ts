/**
 * AES-GCM of Intel's libIPSec_MB through koffi, on addresses, where library and
 * processor are fit for it: one call a packet instead of libcrypto's five, and
 * twice as fast (docs/decisions/0005).
 */
import { readFileSync } from "node:fs";
import * as koffi from "koffi";
import { KernelError } from "./error.js";
import type { Address } from "./libcrypto.js";
import { Memory } from "./memory.js";

type Expand = (key: Uint8Array, to: Address) => void;
type Cipher = (
	key: Address,
	context: Address,
	to: Address,
	from: Address,
	bytes: number,
	nonce: Address,
	aad: Address,
	aadBytes: number,
	tag: Address,
	tagBytes: number,
) => void;

interface Functions {
	readonly expand: Expand;
	readonly seal: Cipher;
	readonly open: Cipher;
}

/** Its direct calls by what the processor can, the best first; each checks nothing. */
const VARIANTS = [
	{
		name: "vaes_avx512",
		needs: [
			...["vaes", "vpclmulqdq", "avx512f", "avx512vl", "avx512bw"],
			...["avx512dq", "bmi2"],
		],
	},
	{ name: "avx_gen4", needs: ["aes", "pclmulqdq", "avx2", "bmi2"] },
] as const;
const KEY_BITS = [128, 256] as const;
const TAG_BYTES = 16;
const ALIGNMENT = 64;
/** struct gcm_key_data (1,024 bytes) and gcm_context_data of intel-ipsec-mb.h. */
const AT = { key: 0, context: 2048, tag: 3072, end: 4096 } as const;

let loaded: Map<number, Functions> | undefined;

/** One key in one direction; arguments and results as those of AesGcm. */
export class MbAesGcm {
	readonly #functions: Functions;
	readonly #memory: Memory;
	#start: Address;

	/** Whether library and processor are fit. */
	static get available(): boolean {
		return functions().size > 0;
	}

	/** Takes a key of 16 or 32 bytes; wipes it, whatever happens. */
	constructor(key: Uint8Array) {
		try {
			const found = functions().get(key.length);
			if (found === undefined)
				throw new KernelError(
					"set a key",
					`it has ${key.length} bytes, or libIPSec_MB is not there`,
					"AES-GCM takes keys of 16 or 32 bytes",
				);
			this.#functions = found;
			this.#memory = Memory.allocate(AT.end + ALIGNMENT);
			const { address } = this.#memory;
			this.#start = Math.ceil(address / ALIGNMENT) * ALIGNMENT;
			found.expand(key, this.#start + AT.key);
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
		const at = this.#begin();
		this.#functions.seal(
			at + AT.key,
			at + AT.context,
			to,
			from,
			bytes,
			nonce,
			aad,
			aadBytes,
			tag,
			TAG_BYTES,
		);
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
		const at = this.#begin();
		this.#functions.open(
			at + AT.key,
			at + AT.context,
			to,
			from,
			bytes,
			nonce,
			aad,
			aadBytes,
			at + AT.tag,
			TAG_BYTES,
		);
		const own = at + AT.tag - this.#memory.address;
		return isSameTag(this.#memory.view, own, tag.view, tagAt);
	}

	/** Wipes the key schedule. */
	free(): void {
		this.#memory.bytes.fill(0);
		this.#start = 0;
	}

	#begin(): Address {
		if (this.#start === 0)
			throw new KernelError("use a key", "it has been freed already");
		return this.#start;
	}
}

/** Takes as long wherever they differ; a native call would take ten times as long. */
function isSameTag(a: DataView, at: number, b: DataView, bAt: number): boolean {
	let other = 0;
	for (let i = 0; i < TAG_BYTES; i += 4)
		other |= a.getInt32(at + i) ^ b.getInt32(bAt + i);
	return other === 0;
}

/** By bytes of the key; none where it cannot be used here. */
function functions(): Map<number, Functions> {
	loaded ??= load();
	return loaded;
}

function load(): Map<number, Functions> {
	const variant = VARIANTS.find(({ needs }) => processorHas(needs));
	if (variant === undefined) return new Map();
	try {
		const library = koffi.load("libIPSec_MB.so.1", { deep: true });
		return new Map(
			KEY_BITS.map((bits) => [bits / 8, bind(library, bits, variant.name)]),
		);
	} catch {
		/* Not installed, or one without these functions: libcrypto is there. */
		return new Map();
	}
}

function bind(
	library: koffi.LibraryHandle,
	bits: number,
	variant: string,
): Functions {
	const cipher = (name: string): Cipher =>
		library.func(
			`void aes_gcm_${name}_${bits}_${variant}(uintptr_t key, uintptr_t context, uintptr_t to, uintptr_t from, uint64_t bytes, uintptr_t nonce, uintptr_t aad, uint64_t aadBytes, uintptr_t tag, uint64_t tagBytes)`,
		);
	return {
		expand: library.func(
			`void aes_gcm_pre_${bits}_${variant}(const void *key, uintptr_t to)`,
		),
		seal: cipher("enc"),
		open: cipher("dec"),
	};
}

function processorHas(needs: readonly string[]): boolean {
	const [, flags = ""] =
		/^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "latin1")) ?? [];
	const has = new Set(flags.trim().split(/\s+/));
	return needs.every((flag) => has.has(flag));
}
