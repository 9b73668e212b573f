/**
 * Which worker an SA is on. The kernel shares the frames out by the same rule, so
 * that all numbers of an SA are counted in one place.
 */
import type { BpfInstruction } from "../../kernel/rings.js";
import { EtherType } from "../../wire/ethernet.js";
import { IpProto } from "../../wire/ipv4.js";
import { VXLAN_GPE_PORT } from "../../wire/vxlan.js";
import { MD2 } from "./md2.js";
import type { SaSpec } from "./sa.js";

export function workerOf(
	{ direction, spi, path }: Pick<SaSpec, "direction" | "spi" | "path">,
	workers: number,
): number {
	const key = direction === "in" ? spi : ((path >>> 8) + (path & 0xff)) >>> 0;
	return key % workers;
}

/** linux/bpf_common.h, linux/filter.h; X is the index register, A the other. */
const LOAD = 0x00;
const LOAD_X = 0x01;
const WORD_AT = 0x20;
const HALF_AT = 0x28;
const BYTE_AT = 0x30;
const WORD_AT_X = 0x40;
const BYTE_AT_X = 0x50;
const X_FROM_A = 0x07;
const ADD_X = 0x0c;
const AND = 0x54;
const SHIFT_LEFT = 0x64;
const SHIFT_RIGHT = 0x74;
const JUMP = 0x05;
const IF_EQUAL = 0x15;
const RETURN_A = 0x16;
const RETURN = 0x06;
/** Relative to the link header (SKF_LL_OFF); all else is to the network header. */
const LINK_LAYER = -0x200000;

/** Of IPv4, whose header has no options, as frame.ts wants it. */
const AT = { protocol: 9, port: 22, nsh: 36 } as const;
const PATH_AT = AT.nsh + 4;
const MD1_PACKET_AT = AT.nsh + 24;
const MD_TYPE_AT = AT.nsh + 2;
const KEY_ID_AT = AT.nsh + MD2.keyId;
const NO_OPTIONS = 0x45;

/** Goes on behind itself for VXLAN-GPE, else `more` instructions further. */
const ifTunnel = (more: number): readonly BpfInstruction[] => [
	[HALF_AT, 0, 0, LINK_LAYER + 12],
	[IF_EQUAL, 0, 6 + more, EtherType.ipv4],
	[BYTE_AT, 0, 0, 0],
	[IF_EQUAL, 0, 4 + more, NO_OPTIONS],
	[BYTE_AT, 0, 0, AT.protocol],
	[IF_EQUAL, 0, 2 + more, IpProto.udp],
	[HALF_AT, 0, 0, AT.port],
	[IF_EQUAL, 0, more, VXLAN_GPE_PORT],
];

/** From inside: SPI and SI of the NSH, added up; 0 without one. */
export const SHARE_OUT: readonly BpfInstruction[] = [
	...ifTunnel(7),
	[WORD_AT, 0, 0, PATH_AT],
	[AND, 0, 0, 0xff],
	[X_FROM_A, 0, 0, 0],
	[WORD_AT, 0, 0, PATH_AT],
	[SHIFT_RIGHT, 0, 0, 8],
	[ADD_X, 0, 0, 0],
	[RETURN_A, 0, 0, 0],
	[RETURN, 0, 0, 0],
];

/** From outside: the SPI of ESP, or the MAC's key identifier; else 0. */
export const SHARE_IN: readonly BpfInstruction[] = [
	/* X: where the IP packet is. */
	[LOAD_X, 0, 0, 0],
	...ifTunnel(6),
	[LOAD_X, 0, 0, MD1_PACKET_AT],
	[BYTE_AT, 0, 0, MD_TYPE_AT],
	[AND, 0, 0, 0xf],
	[IF_EQUAL, 0, 2, 2],
	[WORD_AT, 0, 0, KEY_ID_AT],
	[RETURN_A, 0, 0, 0],
	[BYTE_AT_X, 0, 0, 0],
	[SHIFT_RIGHT, 0, 0, 4],
	[IF_EQUAL, 6, 0, 6],
	/* IPv4: its header has the bytes it says. */
	[BYTE_AT_X, 0, 0, 9],
	[IF_EQUAL, 0, 11, IpProto.esp],
	[BYTE_AT_X, 0, 0, 0],
	[AND, 0, 0, 0xf],
	[SHIFT_LEFT, 0, 0, 2],
	[JUMP, 0, 0, 3],
	/* IPv6. */
	[BYTE_AT_X, 0, 0, 6],
	[IF_EQUAL, 0, 5, IpProto.esp],
	[LOAD, 0, 0, 40],
	/* A: bytes of the IP header. */
	[ADD_X, 0, 0, 0],
	[X_FROM_A, 0, 0, 0],
	[WORD_AT_X, 0, 0, 0],
	[RETURN_A, 0, 0, 0],
	[RETURN, 0, 0, 0],
];
