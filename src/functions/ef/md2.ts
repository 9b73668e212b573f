/**
 * The NSH of signed packets (RFC 9145), read and written where it lies: MD type 2
 * with our context header, then the MAC. Exactly this layout is accepted.
 */
import { NSH_MAC } from "../../wire/nsh-mac.js";

/** From the NSH's first byte. */
export const MD2 = {
	path: 4,
	contextTlv: 8,
	context: 12,
	sequence: 28,
	macTlv: 36,
	keyIdBytes: 40,
	keyId: 41,
	seconds: 45,
	fraction: 49,
	nonceBytes: 53,
	mac: 54,
	padding: 70,
	bytes: 72,
} as const;

const LENGTH_WORDS = MD2.bytes / 4;
const LENGTH_MASK = 0x3f;
/** Version, O bit and length; MD type. */
const CHECKED = 0xe03f;
const MD_TYPE = { at: 2, mask: 0x0f, md1: 1, md2: 2 };
const MD1_WORDS = 6;
const WORD_RANGE = 2 ** 32;

function tlv(tlvClass: number, type: number, bytes: number): number {
	return ((tlvClass << 16) | (type << 8) | bytes) >>> 0;
}

const CONTEXT_TLV = tlv(
	NSH_MAC.contextClass,
	NSH_MAC.contextType,
	NSH_MAC.context,
);
/** First word of the MAC's context header. */
export const MAC_TLV = {
	"mac-packet": tlv(NSH_MAC.class, NSH_MAC.type, NSH_MAC.value),
	"mac-header": tlv(NSH_MAC.headerClass, NSH_MAC.headerType, NSH_MAC.value),
} as const;

/** Whether MD2.bytes at `at` are such an NSH. */
export function isMd2(view: DataView, at: number): boolean {
	return (
		(view.getUint16(at) & CHECKED) === LENGTH_WORDS &&
		(view.getUint8(at + MD_TYPE.at) & MD_TYPE.mask) === MD_TYPE.md2 &&
		view.getUint32(at + MD2.contextTlv) === CONTEXT_TLV &&
		view.getUint8(at + MD2.keyIdBytes) === NSH_MAC.keyId &&
		view.getUint8(at + MD2.nonceBytes) === 0 &&
		view.getUint16(at + MD2.padding) === 0
	);
}

/**
 * Makes an NSH of MD type 2 of the one of MD type 1 at `md1`, the MAC still zero.
 */
export function writeMd2(
	from: DataView,
	md1: number,
	to: DataView,
	at: number,
	fields: {
		readonly transform: keyof typeof MAC_TLV;
		readonly keyId: number;
		readonly high: number;
		readonly low: number;
		readonly wallMs: number;
	},
): void {
	copyStart(from, md1, to, at, LENGTH_WORDS, MD_TYPE.md2);
	to.setUint32(at + MD2.contextTlv, CONTEXT_TLV);
	for (let i = 0; i < MD2.sequence - MD2.context; i += 4)
		to.setUint32(at + MD2.context + i, from.getUint32(md1 + 8 + i));
	to.setUint32(at + MD2.sequence, fields.high);
	to.setUint32(at + MD2.sequence + 4, fields.low);
	to.setUint32(at + MD2.macTlv, MAC_TLV[fields.transform]);
	to.setUint8(at + MD2.keyIdBytes, NSH_MAC.keyId);
	to.setUint32(at + MD2.keyId, fields.keyId);
	const seconds = Math.floor(fields.wallMs / 1000);
	to.setUint32(at + MD2.seconds, seconds);
	to.setUint32(
		at + MD2.fraction,
		((fields.wallMs - seconds * 1000) / 1000) * WORD_RANGE,
	);
	to.setUint8(at + MD2.nonceBytes, 0);
	for (let i = 0; i < NSH_MAC.mac; i += 4) to.setUint32(at + MD2.mac + i, 0);
	to.setUint16(at + MD2.padding, 0);
}

/** Makes the NSH of MD type 1 anew that the one at `md2` was made of. */
export function restoreMd1(
	from: DataView,
	md2: number,
	to: DataView,
	at: number,
): void {
	copyStart(from, md2, to, at, MD1_WORDS, MD_TYPE.md1);
	for (let i = 0; i < MD2.sequence - MD2.context; i += 4)
		to.setUint32(at + 8 + i, from.getUint32(md2 + MD2.context + i));
}

/** When it was signed, in milliseconds since 1970. */
export function signedMs(view: DataView, at: number): number {
	return (
		view.getUint32(at + MD2.seconds) * 1000 +
		(view.getUint32(at + MD2.fraction) / WORD_RANGE) * 1000
	);
}

/** Base and service path header, with another length and MD type. */
function copyStart(
	from: DataView,
	fromAt: number,
	to: DataView,
	at: number,
	words: number,
	mdType: number,
): void {
	to.setUint32(at, from.getUint32(fromAt));
	to.setUint16(at, (from.getUint16(fromAt) & ~LENGTH_MASK) | words);
	const bits = from.getUint8(fromAt + MD_TYPE.at) & ~MD_TYPE.mask;
	to.setUint8(at + MD_TYPE.at, bits | mdType);
	to.setUint32(at + MD2.path, from.getUint32(fromAt + MD2.path));
}
