/** One SA of a link: how it comes to be, and what its phase allows. */
import { type Phase, refOf, type SaState } from "./link-state.js";
import type { HeldSa, StepName } from "./messages.js";
import {
	ALGORITHMS,
	hardLimits,
	type KeyedEntry,
	type Link,
	type Role,
	scaled,
} from "./sa.js";
import { type RandomBytes, Secret } from "./secret.js";
import { espSpi } from "./spi.js";
import type { Tuning } from "./tuning.js";

/** A new one, with a soft lifetime by chance. */
export function issueSa(
	link: Link,
	generation: number,
	nowMs: number,
	tuning: Tuning,
	random: RandomBytes,
): SaState {
	const early = (tuning.jitterShare * random(4).readUInt32BE()) / 2 ** 32;
	const hard = hardLimits(link);
	const latestMs = Math.max(
		hard.timeMs / 2,
		Math.min(hard.timeMs * tuning.softShare, hard.timeMs - tuning.marginMs),
	);
	const soft = {
		...scaled(hard, tuning.softShare - early),
		timeMs: Math.floor(latestMs - hard.timeMs * early),
	};
	return {
		generation,
		link,
		issuedMs: nowMs,
		soft,
		phase: "install-receiver",
		sender: false,
		receiver: true,
		revoked: false,
		drainedMs: 0,
		dueMs: nowMs,
		tries: 0,
	};
}

/** A key for SAs of this link, salt behind it. */
export function newKey({ algorithm }: Link, random: RandomBytes): Secret {
	const { key, salt } = ALGORITHMS[algorithm];
	return new Secret(random(key + salt));
}

/** One that an EF holds and this centre did not issue. */
export function adoptSa(link: Link, held: HeldSa, nowMs: number): SaState {
	return {
		generation: held.generation,
		link,
		issuedMs: nowMs - held.ageMs,
		soft: hardLimits(link),
		phase: "current",
		/* Until the other end reports. */
		sender: true,
		receiver: true,
		revoked: false,
		drainedMs: 0,
		dueMs: nowMs,
		tries: 0,
	};
}

/** What an end is given; the receiver keeps it a little longer than the sender. */
export function entryOf(
	sa: SaState,
	key: Secret,
	role: Role,
	nowMs: number,
	graceMs: number,
): KeyedEntry {
	const { link, soft } = sa;
	const hard = hardLimits(link);
	const longerMs = role === "receiver" ? graceMs : 0;
	return {
		...refOf(sa),
		role,
		peer: role === "sender" ? link.receiver : link.sender,
		flowClass: link.flowClass,
		algorithm: link.algorithm,
		extSeqNum: link.extSeqNum,
		antiReplayWindowSize: link.antiReplayWindowSize,
		soft,
		hard: { ...hard, timeMs: hard.timeMs + longerMs },
		ageMs: Math.max(0, nowMs - sa.issuedMs),
		key,
	};
}

/** From here on neither end can hold it. */
export function endMs(
	{ issuedMs, link }: SaState,
	{ graceMs }: Tuning,
): number {
	return issuedMs + link.hard.timeMs + 2 * graceMs;
}

/** What an audit record names it by. */
export function auditOf(sa: SaState) {
	const { flowClass, sender, receiver } = sa.link;
	const ref = refOf(sa);
	return { ...ref, spi: espSpi(ref), flowClass, sender, receiver };
}

/** The receiver keeps an SA until the sender's last packets are through. */
export function mayGo(sa: SaState, role: Role, nowMs: number): boolean {
	if (sa.phase !== "retired") return false;
	if (role === "sender" || sa.revoked) return true;
	return !sa.sender && nowMs >= sa.drainedMs;
}

export function isGone({ phase, sender, receiver }: SaState): boolean {
	return phase === "retired" && !sender && !receiver;
}

/** Whether an SA of this phase waits for that step of that end. */
export function asks(phase: Phase, step: StepName, role: Role): boolean {
	switch (phase) {
		case "install-receiver":
			return step === "install" && role === "receiver";
		case "install-sender":
			return step === "install" && role === "sender";
		case "switch":
			return step === "switch" && role === "sender";
		case "retired":
			return step === "remove";
		case "current":
			return false;
	}
}

export function enter(sa: SaState, phase: Phase, nowMs: number): void {
	sa.phase = phase;
	sa.dueMs = nowMs;
	sa.tries = 0;
}
