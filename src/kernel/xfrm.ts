/**
 * ESP in the kernel: states (SAs) and policies of a namespace, in tunnel mode
 * with AES-GCM (RFC 4106), as linux/xfrm.h lays their messages out.
 */
import { readFileSync } from "node:fs";
import { withNetns } from "./enter.js";
import { KernelError } from "./error.js";
import { attribute, findAttribute, Netlink } from "./netlink.js";

const NETLINK_XFRM = 6;
const GROUP_EXPIRE = 1 << 1;
const NLM_F_CREATE_EXCLUSIVE = 0x600;

const MESSAGE = {
	newState: 0x10,
	deleteState: 0x11,
	getState: 0x12,
	deletePolicy: 0x14,
	expire: 0x18,
	updatePolicy: 0x19,
	flushStates: 0x1c,
	flushPolicies: 0x1d,
	setDefault: 0x27,
} as const;
const ATTRIBUTE = {
	template: 5,
	aead: 18,
	mark: 21,
	replay: 23,
	interfaceId: 31,
} as const;

const AF_INET = 2;
const AF_INET6 = 10;
const PROTO_ESP = 50;
const MODE_TUNNEL = 1;
const POLICY_OUT = 1;
const POLICY_BLOCK = 1;
/** Anything of either family goes through; numbers are extended. */
const FLAG_ANY_FAMILY = 32;
const FLAG_EXTENDED = 128;
const EVERY_BIT = 0xffffffff;
const UNLIMITED = (1n << 64n) - 1n;
const ICV_BITS = 128;
/** RFC 4106, as the kernel names it. */
const AES_GCM = "rfc4106(gcm(aes))";
const WORD_BITS = 32;

/** struct xfrm_usersa_info and those it is made of. */
const STATE = {
	bytes: 224,
	id: 56,
	source: 80,
	limits: 96,
	current: 160,
	stats: 192,
	requestId: 208,
	family: 212,
	mode: 214,
	flags: 216,
} as const;
const POLICY = { bytes: 168, limits: 56, direction: 160 } as const;
const SELECTOR_FAMILY = 40;

export interface XfrmLimits {
	readonly softBytes?: number;
	readonly hardBytes?: number;
	readonly softPackets?: bigint;
	readonly hardPackets?: bigint;
	/** Seconds since the state was added. */
	readonly softSeconds?: number;
	readonly hardSeconds?: number;
}

/** IPv4 addresses as numbers. */
export interface XfrmEnds {
	readonly src: number;
	readonly dst: number;
}

export interface XfrmStateSpec {
	readonly ends: XfrmEnds;
	readonly spi: number;
	/** Key and salt behind it; wiped. */
	readonly secret: Buffer;
	readonly extended: boolean;
	readonly windowPackets: number;
	/** Last number used (`out`) or received. */
	readonly lastSequence: bigint;
	readonly outgoing: boolean;
	readonly mark: number;
	/** Of the interface whose packets it encrypts. */
	readonly interfaceId?: number;
	readonly limits: XfrmLimits;
}

/** What a state has carried and refused so far. */
export interface XfrmState {
	readonly ends: XfrmEnds;
	readonly spi: number;
	readonly packets: bigint;
	readonly bytes: bigint;
	readonly tooOld: number;
	readonly badIcv: number;
	/** Last number used, highest received; 0 in what tells of an expiry. */
	readonly sent: bigint;
	readonly received: bigint;
}

export interface XfrmExpiry {
	/** It is gone; else a successor is due. */
	readonly hard: boolean;
	readonly state: XfrmState;
}

export type XfrmStateKey = Pick<XfrmStateSpec, "spi" | "mark"> & {
	readonly dst: number;
};

export class Xfrm {
	readonly #socket: Netlink;
	readonly #events: Netlink;
	readonly #netns: string | undefined;

	/** `onExpire` is told when states run out. */
	constructor(
		netns: string | undefined,
		onExpire: (expiry: XfrmExpiry) => void,
	) {
		this.#netns = netns;
		this.#socket = new Netlink(NETLINK_XFRM, netns);
		this.#events = new Netlink(NETLINK_XFRM, netns, GROUP_EXPIRE);
		this.#onExpire = onExpire;
		this.#events.onReady(() => this.readEvents());
	}

	readonly #onExpire: (expiry: XfrmExpiry) => void;

	/** Tells at once what has run out until now. */
	readEvents(): void {
		for (const { type, body } of this.#events.heard()) {
			if (type !== MESSAGE.expire) continue;
			const hard = body.readUInt8(STATE.bytes) !== 0;
			this.#onExpire({ hard, state: readState(body) });
		}
	}

	addState(spec: XfrmStateSpec): void {
		const { ends, spi, extended, mark, interfaceId } = spec;
		const body = Buffer.alloc(STATE.bytes);
		writeId(body, STATE.id, ends.dst, spi);
		body.writeUInt32BE(ends.src, STATE.source);
		writeLimits(body, STATE.limits, spec.limits);
		body.writeUInt32LE(spi, STATE.requestId);
		body.writeUInt16LE(AF_INET, STATE.family);
		body.writeUInt8(MODE_TUNNEL, STATE.mode);
		body.writeUInt8(
			FLAG_ANY_FAMILY | (extended ? FLAG_EXTENDED : 0),
			STATE.flags,
		);
		this.#socket.tell(
			`add ESP state ${spi}`,
			MESSAGE.newState,
			[
				body,
				attribute(ATTRIBUTE.aead, aead(spec.secret)),
				attribute(ATTRIBUTE.replay, replay(spec)),
				attribute(ATTRIBUTE.mark, exactly(mark)),
				...interfaceIds(interfaceId),
			],
			NLM_F_CREATE_EXCLUSIVE,
		);
	}

	/** undefined where there is none. */
	getState(key: XfrmStateKey): XfrmState | undefined {
		return orAbsent(() =>
			this.#socket.ask(
				`look at ESP state ${key.spi}`,
				MESSAGE.getState,
				stateKey(key),
				({ body }) => readState(body),
			),
		);
	}

	/** False where there was none. */
	deleteState(key: XfrmStateKey): boolean {
		const gone = orAbsent(() => {
			const name = `delete ESP state ${key.spi}`;
			this.#socket.tell(name, MESSAGE.deleteState, stateKey(key));
			return true;
		});
		return gone ?? false;
	}

	/** What carries the mark, of either family, goes through this state from now on. */
	setPolicy(
		ends: XfrmEnds,
		{ spi, mark }: Pick<XfrmStateSpec, "spi" | "mark">,
		interfaceId: number,
	): void {
		for (const family of [AF_INET, AF_INET6]) {
			const body = Buffer.alloc(POLICY.bytes);
			body.writeUInt16LE(family, SELECTOR_FAMILY);
			writeLimits(body, POLICY.limits, {});
			body.writeUInt8(POLICY_OUT, POLICY.direction);
			this.#socket.tell(`set policy of mark ${mark}`, MESSAGE.updatePolicy, [
				body,
				attribute(ATTRIBUTE.template, template(ends, spi)),
				attribute(ATTRIBUTE.mark, exactly(mark)),
				...interfaceIds(interfaceId),
			]);
		}
	}

	deletePolicy(mark: number, interfaceId: number): void {
		for (const family of [AF_INET, AF_INET6]) {
			/* struct xfrm_userpolicy_id */
			const body = Buffer.alloc(64);
			body.writeUInt16LE(family, SELECTOR_FAMILY);
			body.writeUInt8(POLICY_OUT, 60);
			orAbsent(() =>
				this.#socket.tell(
					`delete policy of mark ${mark}`,
					MESSAGE.deletePolicy,
					[
						body,
						attribute(ATTRIBUTE.mark, exactly(mark)),
						...interfaceIds(interfaceId),
					],
				),
			);
		}
	}

	/** What no policy speaks of is dropped, in all directions. */
	blockByDefault(): void {
		const body = Buffer.alloc(4, POLICY_BLOCK);
		this.#socket.tell("block without policy", MESSAGE.setDefault, [body]);
	}

	/** Removes all states and policies of the namespace. */
	flush(): void {
		const ESP_ONLY = Buffer.from([PROTO_ESP, 0, 0, 0]);
		orAbsent(() =>
			this.#socket.tell("flush ESP states", MESSAGE.flushStates, [ESP_ONLY]),
		);
		orAbsent(() =>
			this.#socket.tell("flush policies", MESSAGE.flushPolicies, []),
		);
	}

	/** Packets that the namespace's ESP refused, by the names of /proc/net/xfrm_stat. */
	statistics(): ReadonlyMap<string, number> {
		const text = withNetns<string>(this.#netns, () =>
			readFileSync("/proc/thread-self/net/xfrm_stat", "utf8"),
		);
		const rows = [...text.matchAll(/^(\w+)\s+(\d+)$/gm)];
		return new Map(rows.map(([, name = "", count]) => [name, Number(count)]));
	}

	close(): void {
		this.#socket.close();
		this.#events.close();
	}
}

/** undefined where the kernel knows no such thing. */
function orAbsent<T>(ask: () => T): T | undefined {
	try {
		return ask();
	} catch (error) {
		const absent = ["ESRCH", "ENOENT"];
		if (error instanceof KernelError && absent.includes(error.code ?? ""))
			return undefined;
		throw error;
	}
}

/** struct xfrm_id; addresses have room for IPv6. */
function writeId(body: Buffer, at: number, dst: number, spi: number): void {
	body.writeUInt32BE(dst, at);
	body.writeUInt32BE(spi, at + 16);
	body.writeUInt8(PROTO_ESP, at + 20);
}

/** struct xfrm_lifetime_cfg */
function writeLimits(body: Buffer, at: number, limits: XfrmLimits): void {
	const none = (limit: number | undefined) =>
		limit === undefined ? UNLIMITED : BigInt(limit);
	const { softPackets = UNLIMITED, hardPackets = UNLIMITED } = limits;
	const values = [
		...[none(limits.softBytes), none(limits.hardBytes)],
		...[softPackets, hardPackets],
		/* 0: unlimited, and so for those of use. */
		...[BigInt(limits.softSeconds ?? 0), BigInt(limits.hardSeconds ?? 0)],
	];
	values.forEach((value, i) => {
		body.writeBigUInt64LE(value, at + 8 * i);
	});
}

/** struct xfrm_algo_aead; the secret is wiped. */
function aead(secret: Buffer): Buffer {
	const bytes = Buffer.alloc(72 + secret.length);
	bytes.write(AES_GCM, "latin1");
	bytes.writeUInt32LE(8 * secret.length, 64);
	bytes.writeUInt32LE(ICV_BITS, 68);
	secret.copy(bytes, 72);
	secret.fill(0);
	return bytes;
}

/** struct xfrm_replay_state_esn: the window, and the numbers to go on from. */
function replay(spec: XfrmStateSpec): Buffer {
	const { windowPackets, lastSequence, outgoing } = spec;
	const words = windowPackets / WORD_BITS;
	const low = Number(lastSequence & 0xffffffffn);
	const high = Number(lastSequence >> 32n);
	const head = [words, 0, 0, 0, 0, windowPackets];
	const at = outgoing ? { low: 1, high: 3 } : { low: 2, high: 4 };
	head[at.low] = low;
	head[at.high] = high;
	/* All up to the last number count as received. */
	const seen = lastSequence > 0n ? EVERY_BIT : 0;
	const fields = [...head, ...Array.from({ length: words }, () => seen)];
	const bytes = Buffer.alloc(4 * fields.length);
	fields.forEach((value, i) => {
		bytes.writeUInt32LE(value, 4 * i);
	});
	return bytes;
}

/** struct xfrm_mark of packets that have this mark and no other. */
function exactly(mark: number): Buffer {
	const bytes = Buffer.alloc(8);
	bytes.writeUInt32LE(mark, 0);
	bytes.writeUInt32LE(EVERY_BIT, 4);
	return bytes;
}

function interfaceIds(id: number | undefined): Buffer[] {
	if (id === undefined) return [];
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32LE(id);
	return [attribute(ATTRIBUTE.interfaceId, bytes)];
}

/** struct xfrm_user_tmpl: by this state alone. */
function template({ src, dst }: XfrmEnds, spi: number): Buffer {
	const bytes = Buffer.alloc(64);
	writeId(bytes, 0, dst, spi);
	bytes.writeUInt16LE(AF_INET, 24);
	bytes.writeUInt32BE(src, 28);
	bytes.writeUInt32LE(spi, 44);
	bytes.writeUInt8(MODE_TUNNEL, 48);
	/* Any algorithm that the state has. */
	for (const at of [52, 56, 60]) bytes.writeUInt32LE(EVERY_BIT, at);
	return bytes;
}

/** struct xfrm_usersa_id, and the mark that it is found by. */
function stateKey({ dst, spi, mark }: XfrmStateKey): Buffer[] {
	const body = Buffer.alloc(24);
	body.writeUInt32BE(dst, 0);
	body.writeUInt32BE(spi, 16);
	body.writeUInt16LE(AF_INET, 20);
	body.writeUInt8(PROTO_ESP, 22);
	return [body, attribute(ATTRIBUTE.mark, exactly(mark))];
}

function readState(body: Buffer): XfrmState {
	const numbers = findAttribute(body, STATE.bytes, ATTRIBUTE.replay);
	const number = (low: number, high: number) =>
		numbers === undefined
			? 0n
			: (BigInt(numbers.readUInt32LE(4 * high)) << 32n) |
				BigInt(numbers.readUInt32LE(4 * low));
	return {
		ends: {
			dst: body.readUInt32BE(STATE.id),
			src: body.readUInt32BE(STATE.source),
		},
		spi: body.readUInt32BE(STATE.id + 16),
		bytes: body.readBigUInt64LE(STATE.current),
		packets: body.readBigUInt64LE(STATE.current + 8),
		tooOld: body.readUInt32LE(STATE.stats),
		badIcv: body.readUInt32LE(STATE.stats + 8),
		sent: number(1, 3),
		received: number(2, 4),
	};
}
