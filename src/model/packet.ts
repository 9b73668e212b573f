/** What classification looks at: the facts of one packet, and masks over them. */

/** Facts of one packet. Ports are 0 where the protocol has none. */
export interface Packet {
	readonly tenant: string;
	readonly family: 4 | 6;
	/** Text form, for example `10.0.1.5` or `2001:db8::5`. */
	readonly src: string;
	readonly dst: string;
	/** IP protocol number; extension headers of IPv6 are skipped. */
	readonly proto: number;
	readonly sport: number;
	readonly dport: number;
	readonly dscp: number;
	/** ICMP or ICMPv6 type; 0 for other protocols. */
	readonly icmpType: number;
}

/**
 * A conjunction of masked fields: `packet & mask === value` for each. Addresses
 * are 16 bytes in hex (32 digits, no colons); IPv4 is ::ffff:a.b.c.d (RFC 4291
 * §2.5.5.2), and a key of family 4 carries that prefix in value and mask.
 */
export interface MaskedKey {
	/** 0: both families. */
	readonly family: 0 | 4 | 6;
	readonly src: string;
	readonly srcMask: string;
	readonly dst: string;
	readonly dstMask: string;
	readonly proto: number;
	readonly protoMask: number;
	readonly sport: number;
	readonly sportMask: number;
	readonly dport: number;
	readonly dportMask: number;
	readonly dscp: number;
	readonly dscpMask: number;
	readonly icmpType: number;
	readonly icmpTypeMask: number;
}

const NO_BITS = "0".repeat(32);

/** Every packet matches it; others begin from it: `{ ...ANY_PACKET, dport, … }`. */
export const ANY_PACKET: MaskedKey = {
	family: 0,
	src: NO_BITS,
	srcMask: NO_BITS,
	dst: NO_BITS,
	dstMask: NO_BITS,
	proto: 0,
	protoMask: 0,
	sport: 0,
	sportMask: 0,
	dport: 0,
	dportMask: 0,
	dscp: 0,
	dscpMask: 0,
	icmpType: 0,
	icmpTypeMask: 0,
};
