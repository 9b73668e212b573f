/**
 * The centre's state as bytes, as they are sealed (vault.ts):
 *
 *   JSON bytes 32 | JSON | keys to enrol by; keys never become strings
 *
 * It is written at each change, with thousands of links: so records are lists
 * without names, and a link that its SAs share is written once.
 */
import type { AucState } from "./auc-state.js";
import type { Enrolment } from "./enrol-auc.js";
import type { LinkState, Phase, SaState } from "./link-state.js";
import type { Algorithm, Lifetime, Link, RekeyReason } from "./sa.js";
import { Secret } from "./secret.js";
import { type LinkId, linkId } from "./spi.js";

export const LENGTH_BYTES = 4;

type LifetimeRecord = [timeMs: number, bytes: number, packets: number];

type LinkRecord = [
	eSpi: number,
	eSi: number,
	flowClass: string,
	sender: string,
	receiver: string,
	algorithm: Algorithm,
	extSeqNum: boolean,
	antiReplayWindowSize: number,
	hard: LifetimeRecord,
];

/** Where a link stands in `links`. */
type LinkIndex = number;

type SaRecord = [
	generation: number,
	link: LinkIndex,
	issuedMs: number,
	soft: LifetimeRecord,
	phase: Phase,
	sender: boolean,
	receiver: boolean,
	revoked: boolean,
	drainedMs: number,
	dueMs: number,
	tries: number,
];

type StateRecord = [
	id: LinkId,
	link: LinkIndex | null,
	generation: number,
	sas: SaRecord[],
	rekey: RekeyReason | null,
	holdOffMs: number,
	refusals: number,
];

interface Packed {
	readonly declared: boolean;
	readonly links: readonly LinkRecord[];
	readonly desired: readonly LinkIndex[];
	readonly states: readonly StateRecord[];
	readonly revoked: readonly string[];
	readonly certificates: readonly [string, readonly string[]][];
	/** Their keys follow the JSON, in the same order. */
	readonly enrolments: readonly {
		readonly ef: string;
		readonly keyBytes: number;
		readonly issued: Enrolment["issued"];
	}[];
}

export function pack(state: AucState): Buffer {
	const links: LinkRecord[] = [];
	const indices = new Map<Link, LinkIndex>();
	const indexOf = (link: Link): LinkIndex => {
		let index = indices.get(link);
		if (index === undefined) {
			index = links.push(linkRecord(link)) - 1;
			indices.set(link, index);
		}
		return index;
	};
	const states = [...state.links].map(([id, one]): StateRecord => {
		const { link, generation, rekey, holdOffMs, refusals } = one;
		const index = link ? indexOf(link) : null;
		const sas = one.sas.map((sa) => saRecord(sa, indexOf(sa.link)));
		return [id, index, generation, sas, rekey ?? null, holdOffMs, refusals];
	});
	const enrolments = [...state.enrolments];
	const packed: Packed = {
		declared: state.declared,
		desired: [...state.desired.values()].map(indexOf),
		states,
		links,
		revoked: [...state.revoked],
		certificates: [...state.certificates],
		enrolments: enrolments.map(([ef, { key, issued }]) => {
			return { ef, keyBytes: key.length, issued };
		}),
	};
	const json = Buffer.from(JSON.stringify(packed));
	const length = Buffer.alloc(LENGTH_BYTES);
	length.writeUInt32BE(json.length);
	const keys = enrolments.map(([, { key }]) => key.reveal());
	return Buffer.concat([length, json, ...keys]);
}

/** Only ever called with what `pack` wrote: the seal has proved it. */
export function unpack(plain: Buffer): AucState {
	let at = LENGTH_BYTES + plain.readUInt32BE();
	const json = plain.toString("utf8", LENGTH_BYTES, at);
	const packed = JSON.parse(json) as Packed;
	const links = packed.links.map(linkOf);
	const linkAt = (index: LinkIndex): Link => {
		const link = links[index];
		if (!link) throw new RangeError(`there is no link ${index}`);
		return link;
	};
	const stateOf = (record: StateRecord): [LinkId, LinkState] => {
		const [id, link, generation, sas, rekey, holdOffMs, refusals] = record;
		const state = {
			link: link === null ? undefined : linkAt(link),
			generation,
			sas: sas.map((sa) => saOf(sa, linkAt(sa[1]))),
			rekey: rekey ?? undefined,
			holdOffMs,
			refusals,
		};
		return [id, state];
	};
	const enrolments = packed.enrolments.map(({ ef, keyBytes, issued }) => {
		const key = new Secret(Buffer.from(plain.subarray(at, at + keyBytes)));
		at += keyBytes;
		return [ef, { key, issued }] as const;
	});
	const desired = packed.desired.map(linkAt);
	return {
		declared: packed.declared,
		links: new Map(packed.states.map(stateOf)),
		desired: new Map(desired.map((link) => [linkId(link), link])),
		revoked: new Set(packed.revoked),
		enrolments: new Map(enrolments),
		certificates: new Map(packed.certificates),
	};
}

function lifetimeRecord(life: Lifetime): LifetimeRecord {
	return [life.timeMs, life.bytes, life.packets];
}

function lifetimeOf([timeMs, bytes, packets]: LifetimeRecord): Lifetime {
	return { timeMs, bytes, packets };
}

function linkRecord(link: Link): LinkRecord {
	return [
		link.eSpi,
		link.eSi,
		link.flowClass,
		link.sender,
		link.receiver,
		link.algorithm,
		link.extSeqNum,
		link.antiReplayWindowSize,
		lifetimeRecord(link.hard),
	];
}

function linkOf(record: LinkRecord): Link {
	const [eSpi, eSi, flowClass, sender, receiver, algorithm, ...rest] = record;
	const [extSeqNum, antiReplayWindowSize, hard] = rest;
	return {
		eSpi,
		eSi,
		flowClass,
		sender,
		receiver,
		algorithm,
		extSeqNum,
		antiReplayWindowSize,
		hard: lifetimeOf(hard),
	};
}

function saRecord(sa: SaState, link: LinkIndex): SaRecord {
	return [
		sa.generation,
		link,
		sa.issuedMs,
		lifetimeRecord(sa.soft),
		sa.phase,
		sa.sender,
		sa.receiver,
		sa.revoked,
		sa.drainedMs,
		sa.dueMs,
		sa.tries,
	];
}

function saOf(record: SaRecord, link: Link): SaState {
	const [generation, , issuedMs, soft, phase, ...rest] = record;
	const [sender, receiver, revoked, drainedMs, dueMs, tries] = rest;
	return {
		generation,
		link,
		issuedMs,
		soft: lifetimeOf(soft),
		phase,
		sender,
		receiver,
		revoked,
		drainedMs,
		dueMs,
		tries,
	};
}
