/** Values of the state as the kernel's structs hold them. */
import type { Addr, LpmKey, Match } from "../../kernel/layout.gen.js";
import type { MaskedKey } from "../../model/packet.js";
import { addressHex, parsePrefix } from "../../wire/address.js";

/** 32 hex digits as struct addr. */
export function addrOfHex(hex: string): Addr {
	return {
		w: [0, 8, 16, 24].map((at) => Number.parseInt(hex.slice(at, at + 8), 16)),
	};
}

/** An address in text form as struct addr; IPv4 is mapped. */
export function addrOf(text: string): Addr {
	return addrOfHex(addressHex(text));
}

export const NO_ADDR: Addr = { w: [0, 0, 0, 0] };

/** An address of the kernel's as 32 hex digits. */
export function hexOf(addr: Addr): string {
	return addr.w.map((word) => word.toString(16).padStart(8, "0")).join("");
}

/** Key of `subnets` (scope: the tenant) and `owners` (scope: 0). */
export function lpmOf(scope: number, prefix: string): LpmKey {
	const { family, network, length } = parsePrefix(prefix);
	/* 32 bits of scope, and for IPv4 the 96 bits of ::ffff: before it. */
	return {
		prefixlen: 32 + (family === 4 ? 96 : 0) + length,
		scope,
		addr: addrOfHex(addressHex(network)),
	};
}

export function matchValue(key: MaskedKey): Match {
	return {
		src: addrOfHex(key.src),
		dst: addrOfHex(key.dst),
		sport: key.sport,
		dport: key.dport,
		proto: key.proto,
		dscp: key.dscp,
		icmpType: key.icmpType,
		family: key.family,
	};
}

export function matchMask(key: MaskedKey): Match {
	return {
		src: addrOfHex(key.srcMask),
		dst: addrOfHex(key.dstMask),
		sport: key.sportMask,
		dport: key.dportMask,
		proto: key.protoMask,
		dscp: key.dscpMask,
		icmpType: key.icmpTypeMask,
		family: key.family === 0 ? 0 : 0xff,
	};
}

/** Text that is equal for equal values: the key of JavaScript's maps. */
export function textOf(value: unknown): string {
	return JSON.stringify(value);
}
