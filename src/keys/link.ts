/**
 * The centre's machine of one link: issue an SA, install it at the receiver, then
 * at the sender, switch, let the old one go. Events only correct what is known;
 * `advance` alone acts, and does whatever is due by what is known. So a doubled,
 * late or lost message, and a restart between any two, change nothing but time.
 */
import { freeGeneration, issueMs, newest, nextMs, saOf } from "./link-due.js";
import {
	adoptSa,
	asks,
	auditOf,
	endMs,
	enter,
	entryOf,
	isGone,
	issueSa,
	mayGo,
	newKey,
} from "./link-sa.js";
import {
	isPending,
	type LinkOutput,
	type LinkState,
	refOf,
	type SaState,
} from "./link-state.js";
import type { HeldSa, StepName } from "./messages.js";
import {
	type Expiry,
	type Link,
	type RekeyReason,
	type Role,
	type SaRef,
	sameLink,
} from "./sa.js";
import type { RandomBytes, Secret } from "./secret.js";
import { GENERATION_SLOTS } from "./spi.js";
import { backOff, type Tuning } from "./tuning.js";

export class LinkMachine {
	/** Until both ends have them; a centre that restarts has none. */
	readonly #keys = new Map<SaState, Secret>();

	constructor(
		readonly state: LinkState,
		private readonly tuning: Tuning,
		private readonly random: RandomBytes,
		private readonly out: LinkOutput,
	) {}

	/** What the link shall be; undefined: nothing, its SAs go. */
	declare(link: Link | undefined, nowMs: number): void {
		const { state } = this;
		if (link && state.link && !sameLink(link, state.link)) {
			const pending = state.sas.find(isPending);
			if (pending) this.#undo(pending, "changed", nowMs);
			state.rekey = "changed";
		}
		if (!link) {
			state.rekey = undefined;
			for (const sa of state.sas) this.#retire(sa, nowMs);
		}
		state.link = link;
	}

	/** An end did what it was asked to. */
	done(step: StepName, role: Role, generation: number, nowMs: number): void {
		const sa = saOf(this.state, generation);
		if (!sa) return;
		if (step === "install") this.#installed(sa, role, nowMs);
		else if (step === "switch") this.#switched(sa, role, nowMs);
		else if (sa.phase === "retired") this.#gone(sa, role, nowMs);
	}

	/** An end does not do what it was asked to. */
	refused(
		step: StepName,
		role: Role,
		generation: number,
		reason: string,
		floor: number,
		nowMs: number,
	): void {
		const { state } = this;
		state.generation = Math.max(state.generation, floor);
		const sa = saOf(this.state, generation);
		if (!sa || !asks(sa.phase, step, role)) return;
		this.out.audit({ what: "refuse", role, step, reason, ...auditOf(sa) });
		if (step === "remove") return;
		if (step === "install") sa[role] = false;
		this.#undo(sa, "refused", nowMs);
		const { refusedMs, refusedMaxMs } = this.tuning;
		this.#holdOff(nowMs + backOff(refusedMs, refusedMaxMs, state.refusals));
		state.refusals++;
	}

	/** An end asks for a successor (soft), or has deleted the SA (hard). */
	expired(
		role: Role,
		generation: number,
		soft: boolean,
		by: Expiry,
		nowMs: number,
	): void {
		const sa = saOf(this.state, generation);
		if (!sa) return;
		if (!soft) {
			this.#lacks(sa, role, "expired", nowMs);
		} else if (sa.phase === "current" && sa === newest(this.state)) {
			this.#holdOff(sa.issuedMs + this.tuning.retransmitMs);
			this.#want(by);
		}
	}

	/** All an EF holds of this link, truly, as its new session begins. */
	report(ef: string, held: readonly HeldSa[], nowMs: number): void {
		for (const role of ["receiver", "sender"] as const) {
			for (const sa of [...this.state.sas]) {
				if (sa.link[role] !== ef) continue;
				sa.dueMs = Math.min(sa.dueMs, nowMs);
				sa.tries = 0;
				const found = held.find((one) => one.generation === sa.generation);
				if (found) this.#holds(sa, role, found.active, nowMs);
				else this.#lacks(sa, role, "lost", nowMs);
			}
			for (const one of held) {
				if (one.role === role && this.state.link?.[role] === ef) {
					this.#adopt(one, this.state.link, nowMs);
				}
			}
		}
	}

	/** SAs an EF shall go on holding. */
	keeps(ef: string, nowMs: number): SaRef[] {
		const keepsAs = (sa: SaState, role: Role) =>
			sa.link[role] === ef && sa[role] && !mayGo(sa, role, nowMs);
		return this.state.sas
			.filter((sa) => keepsAs(sa, "sender") || keepsAs(sa, "receiver"))
			.map(refOf);
	}

	/** Takes SAs out of use at once, at both ends: that slot's, or all. */
	revoke(slot: number | undefined, by: string, nowMs: number): number {
		const hit = this.state.sas.filter(
			({ generation, revoked }) =>
				!revoked &&
				(slot === undefined || generation % GENERATION_SLOTS === slot),
		);
		for (const sa of hit) {
			this.out.audit({ what: "revoke", by, ...auditOf(sa) });
			this.#retire(sa, nowMs);
			sa.revoked = true;
			sa.dueMs = nowMs;
			sa.tries = 0;
		}
		const { link, sas } = this.state;
		if (link && hit.length > 0 && !sas.some(isPending)) {
			if (!sas.some(({ phase }) => phase === "current")) {
				this.state.rekey = "revoked";
			}
		}
		return hit.length;
	}

	/** Another SA, please. */
	ask(): void {
		if (this.state.link) this.#want("asked");
	}

	/** Does what is due. */
	advance(nowMs: number): void {
		this.#forget(nowMs);
		this.#undoKeyless(nowMs);
		this.#issue(nowMs);
		for (const sa of this.state.sas) this.#request(sa, nowMs);
	}

	/**
	 * Nothing is left of it, and whatever is issued later has a newer generation:
	 * those of a new link count from the clock.
	 */
	isForgettable(nowMs: number): boolean {
		const { link, sas, generation } = this.state;
		return !link && sas.length === 0 && generation < nowMs;
	}

	/** When `advance` has something to do next; Infinity: never by itself. */
	get nextMs(): number {
		return nextMs(this.state, this.tuning);
	}

	/** One that is on its way replaces whatever is in use anyhow. */
	#want(reason: RekeyReason): void {
		if (!this.state.sas.some(isPending)) this.state.rekey ??= reason;
	}

	#installed(sa: SaState, role: Role, nowMs: number): void {
		if (sa.phase === "install-receiver" && role === "receiver") {
			sa.sender = true;
			enter(sa, "install-sender", nowMs);
		} else if (sa.phase === "install-sender" && role === "sender") {
			this.#wipe(sa);
			enter(sa, "switch", nowMs);
		}
	}

	#switched(sa: SaState, role: Role, nowMs: number): void {
		if (sa.phase !== "switch" || role !== "sender") return;
		enter(sa, "current", nowMs);
		this.state.refusals = 0;
		this.out.audit({ what: "in-use", ...auditOf(sa) });
		for (const old of this.state.sas) {
			if (old.generation < sa.generation) this.#retire(old, nowMs);
		}
	}

	/** An end holds it, as its report says. */
	#holds(sa: SaState, role: Role, active: boolean, nowMs: number): void {
		sa[role] = true;
		if (sa.phase === "current" && role === "sender" && !active) {
			this.#want("lost");
		} else if (sa.phase === "switch" && role === "sender" && active) {
			this.#switched(sa, role, nowMs);
		} else {
			this.#installed(sa, role, nowMs);
		}
	}

	/** An end does not hold it, as it says itself. */
	#lacks(
		sa: SaState,
		role: Role,
		reason: "lost" | "expired",
		nowMs: number,
	): void {
		if (sa.phase === "retired") {
			this.#gone(sa, role, nowMs);
			return;
		}
		/* Asked to install it, but not done yet: it is asked again. */
		const asked = asks(sa.phase, "install", role);
		if (!sa[role] || (asked && reason === "lost")) return;
		sa[role] = false;
		this.out.audit({ what: "lost", role, ...auditOf(sa) });
		/* An end that loses whatever it is given does not get it in a loop. */
		this.#holdOff(sa.issuedMs + this.tuning.refusedMs);
		if (sa.phase === "current") this.#want(reason);
		else this.#undo(sa, reason, nowMs);
	}

	/**
	 * Of a former life of the centre. Its key is not stored: were the stored state
	 * an old one, a key that was used long ago could be given out again.
	 */
	#undoKeyless(nowMs: number): void {
		for (const sa of this.state.sas) {
			const asksForKey = isPending(sa) && sa.phase !== "switch";
			if (asksForKey && !this.#keys.has(sa)) {
				this.#undo(sa, "restarted", nowMs);
			}
		}
	}

	/** No SA is issued before then. */
	#holdOff(untilMs: number): void {
		this.state.holdOffMs = Math.max(this.state.holdOffMs, untilMs);
	}

	/** One that was on its way will not be completed. */
	#undo(sa: SaState, reason: RekeyReason, nowMs: number): void {
		this.out.audit({ what: "undo", reason, ...auditOf(sa) });
		if (sa.phase === "switch") {
			/* The sender may use it: it stays until the next one is in use. */
			enter(sa, "current", nowMs);
		} else {
			this.#retire(sa, nowMs);
		}
		if (this.state.link) this.state.rekey = reason;
	}

	#retire(sa: SaState, nowMs: number): void {
		if (sa.phase === "retired") return;
		this.#wipe(sa);
		sa.drainedMs = nowMs;
		enter(sa, "retired", nowMs);
	}

	/** An end of a retired SA has let it go. */
	#gone(sa: SaState, role: Role, nowMs: number): void {
		if (!sa[role]) return;
		sa[role] = false;
		if (role === "sender") {
			sa.drainedMs = nowMs + this.tuning.drainMs;
			sa.dueMs = sa.revoked ? nowMs : sa.drainedMs;
			sa.tries = 0;
		}
	}

	/** It was issued by a centre whose memory is lost: it serves until replaced. */
	#adopt(held: HeldSa, link: Link, nowMs: number): void {
		const { state } = this;
		if (saOf(this.state, held.generation)) return;
		/* There cannot be more; who tells of others all the time would fill the memory. */
		if (state.sas.length >= GENERATION_SLOTS) return;
		const sa = adoptSa(link, held, nowMs);
		state.sas.push(sa);
		state.sas.sort((a, b) => a.generation - b.generation);
		state.generation = Math.max(state.generation, held.generation);
		this.out.audit({ what: "adopt", role: held.role, ...auditOf(sa) });
		const pending = state.sas.find(isPending);
		/* The EFs take nothing older than what they have. */
		if (pending && pending.generation < sa.generation) {
			this.#undo(pending, "adopted", nowMs);
		}
		this.#want("adopted");
	}

	/** Both ends have deleted it by themselves, or were seen to. */
	#forget(nowMs: number): void {
		const { state } = this;
		const last = newest(state);
		let stopped = false;
		state.sas = state.sas.filter((sa) => {
			const { revoked } = sa;
			if (nowMs >= endMs(sa, this.tuning)) {
				this.#wipe(sa);
				const withoutSuccessor = sa === last;
				this.out.audit({
					what: "expired",
					revoked,
					withoutSuccessor,
					...auditOf(sa),
				});
				stopped ||= withoutSuccessor;
				return false;
			}
			if (isGone(sa)) {
				this.out.audit({ what: "removed", revoked, ...auditOf(sa) });
				return false;
			}
			return true;
		});
		if (stopped) this.#want("expired");
	}

	#issue(nowMs: number): void {
		const { state, random, tuning } = this;
		const { link } = state;
		const next = freeGeneration(state);
		if (!link || next === undefined || nowMs < issueMs(state)) return;
		state.generation = next;
		const sa = issueSa(link, next, nowMs, tuning, random);
		this.#keys.set(sa, newKey(link, random));
		const reason = state.rekey ?? (newest(this.state) ? "time" : "first");
		state.rekey = undefined;
		state.sas.push(sa);
		this.out.audit({ what: "issue", reason, ...auditOf(sa) });
	}

	/** Sends what the SA's phase waits for, when it is due. */
	#request(sa: SaState, nowMs: number): void {
		if (sa.phase === "current" || nowMs < sa.dueMs) return;
		const { retransmitMs, retransmitMaxMs } = this.tuning;
		sa.dueMs = nowMs + backOff(retransmitMs, retransmitMaxMs, sa.tries);
		sa.tries++;
		const { link, phase } = sa;
		if (phase === "install-receiver") this.#install(sa, "receiver", nowMs);
		else if (phase === "install-sender") this.#install(sa, "sender", nowMs);
		else if (phase === "switch") {
			this.out.send(link.sender, { type: "switch", sa: refOf(sa) });
		} else {
			const remove = { type: "remove", sa: refOf(sa) } as const;
			for (const role of ["sender", "receiver"] as const) {
				if (sa[role] && mayGo(sa, role, nowMs)) {
					this.out.send(link[role], remove);
				}
			}
		}
	}

	#install(sa: SaState, role: Role, nowMs: number): void {
		const key = this.#keys.get(sa);
		if (!key) throw new Error("link: key is gone before both ends have it");
		const entry = entryOf(sa, key, role, nowMs, this.tuning.graceMs);
		this.out.send(sa.link[role], { type: "install", entry });
	}

	#wipe(sa: SaState): void {
		this.#keys.get(sa)?.wipe();
		this.#keys.delete(sa);
	}
}
