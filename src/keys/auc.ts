/**
 * The authentication centre: who is there (sessions of EFs), what links there
 * are, and what is revoked. Whoever runs it stores `state` before it carries out
 * the commands of an event: then a centre that dies at any moment goes on where
 * it was, or the EFs' reports set it right.
 */

import {
	type AucCommand,
	type AucEvent,
	type AucState,
	newAuc,
	type Target,
} from "./auc-state.js";
import type { Audited } from "./audit.js";
import { EnrolAuc, type EnrolAucCommand } from "./enrol-auc.js";
import type { LinkMachine } from "./link.js";
import type { LinkState, Request } from "./link-state.js";
import { Links } from "./links.js";
import type { AucMessage, EfMessage, HeldSa, Use } from "./messages.js";
import { Presences } from "./presence.js";
import { type Link, linkProblem, type Role, type SaRef } from "./sa.js";
import type { RandomBytes, Secret } from "./secret.js";
import { fromEspSpi, GENERATION_SLOTS, type LinkId, linkId } from "./spi.js";
import type { Tuning } from "./tuning.js";

/** So much may the clock have been set back since a generation was issued. */
const AHEAD_MS = 30 * 86_400_000;

export class Auc {
	readonly state: AucState;
	readonly #random: RandomBytes;
	readonly #enrol: EnrolAuc;
	readonly #links: Links;
	/** Not stored: a centre that starts asks every EF what it holds. */
	readonly #present = new Presences();
	#commands: AucCommand[] = [];
	#nowMs: number;
	#isChanged = false;

	constructor(options: {
		readonly tuning: Tuning;
		readonly random: RandomBytes;
		readonly nowMs: number;
		/** As it was stored; it is taken over, not copied. */
		readonly state?: AucState;
	}) {
		this.#random = options.random;
		this.#nowMs = options.nowMs;
		this.state = options.state ?? newAuc();
		this.#enrol = new EnrolAuc(this.state.enrolments, options.random);
		this.#links = new Links(this.state.links, options, {
			send: (ef, request) => this.#request(ef, request),
			audit: (record) => this.#audit(record),
		});
	}

	/** Throws a RangeError for links or keys that cannot be; nothing is changed then. */
	handle(event: AucEvent): AucCommand[] {
		this.#nowMs = event.nowMs;
		const { type } = event;
		/* Of a message it depends on what is in it. */
		this.#isChanged ||=
			type !== "time" && type !== "message" && type !== "enrol";
		switch (event.type) {
			case "time":
				break;
			case "declare":
				this.#declare(event.links);
				break;
			case "message":
				this.#message(event.from, event.message);
				break;
			case "revoke":
				this.#revoke(event.target, event.by);
				break;
			case "admit":
				if (this.state.revoked.delete(event.node)) {
					const { node: ef, by } = event;
					this.#audit({ what: "admit-node", ef, by });
					this.#apply();
				}
				break;
			case "rekey":
				for (const { machine } of this.#hit(event.target)) machine.ask();
				break;
			case "configure":
				this.#configure(event.ef, event.key);
				break;
			case "enrol":
				if (!this.state.revoked.has(event.message.ef)) {
					this.#enrolment(this.#enrol.message(event.connection, event.message));
				}
				break;
			case "signed": {
				const { ef, request, certificate, serial } = event;
				const commands = this.#enrol.signed(ef, request, certificate);
				if (commands.length > 0) this.#certified(ef, serial);
				this.#enrolment(commands);
				break;
			}
			case "unsigned": {
				const { ef, request, reason } = event;
				this.#enrolment(this.#enrol.unsigned(ef, request, reason));
				break;
			}
		}
		this.#advance();
		const commands = this.#commands;
		this.#commands = [];
		return commands;
	}

	/**
	 * Whether `state` may be another than when this was last asked: it is to be
	 * stored before any command is carried out that came since.
	 */
	takeChanged(): boolean {
		const isChanged = this.#isChanged;
		this.#isChanged = false;
		return isChanged;
	}

	/** Whether a certificate of this name and number counts. */
	isCurrent(ef: string, serial: string): boolean {
		return this.state.certificates.get(ef)?.includes(serial) ?? false;
	}

	/** Most SAs an EF can hold of the links it is or was an end of. */
	mostHeld(ef: string): number {
		return this.#links.countOf(ef) * GENERATION_SLOTS;
	}

	/** When it wants a `time` event next. */
	get nextMs(): number {
		return this.#links.nextMs;
	}

	/** EFs that are in a session, and what they last said of their SAs' use. */
	get present(): ReadonlyMap<string, readonly Use[]> {
		return this.#present.uses;
	}

	#configure(ef: string, key: Secret): void {
		if (this.state.revoked.has(ef)) {
			key.wipe();
			const reason = "it is revoked";
			this.#audit({ what: "enrol-refused", ef, reason });
		} else {
			this.#enrolment(this.#enrol.configure(ef, key));
		}
	}

	#certified(ef: string, serial: string): void {
		const [before] = this.state.certificates.get(ef)?.slice(-1) ?? [];
		const counting = before === undefined ? [serial] : [before, serial];
		this.state.certificates.set(ef, counting);
	}

	#advance(): void {
		const hasActed = this.#links.advance(this.#nowMs);
		this.#isChanged ||= hasActed;
	}

	#declare(links: readonly Link[]): void {
		const desired = new Map<LinkId, Link>();
		for (const link of links) {
			const id = linkId(link);
			const problem = desired.has(id) ? "is there twice" : linkProblem(link);
			if (problem !== undefined) {
				throw new RangeError(`link ${link.eSpi}/${link.eSi}: ${problem}`);
			}
			desired.set(id, link);
		}
		this.state.desired.clear();
		for (const [id, link] of desired) this.state.desired.set(id, link);
		this.state.declared = true;
		this.#apply();
	}

	/** Every link is as it is declared, unless a revoked node is an end of it. */
	#apply(): void {
		const { desired, links, revoked } = this.state;
		for (const id of new Set([...links.keys(), ...desired.keys()])) {
			const link = desired.get(id);
			const barred =
				link && (revoked.has(link.sender) || revoked.has(link.receiver));
			const machine = this.#links.machine(id, this.#nowMs);
			machine.declare(barred ? undefined : link, this.#nowMs);
			if (link) this.#links.index(id, link);
		}
	}

	#revoke(target: Target, by: string): void {
		const hit = this.#hit(target);
		if ("node" in target) {
			const { node: ef } = target;
			this.state.revoked.add(ef);
			this.state.certificates.delete(ef);
			this.#enrol.forget(ef);
			this.#audit({ what: "revoke-node", ef, by });
		}
		for (const { machine, slot } of hit) machine.revoke(slot, by, this.#nowMs);
		this.#apply();
	}

	/** Links a target is about, and the slot of the SA, when it is one alone. */
	#hit(target: Target): { machine: LinkMachine; slot: number | undefined }[] {
		const all = (list: readonly LinkMachine[]) =>
			list.map((machine) => ({ machine, slot: undefined }));
		if ("node" in target)
			return all(
				this.#links.of(target.node, this.#nowMs).map(([, machine]) => machine),
			);
		if ("eSpi" in target) {
			const first = linkId({ eSpi: target.eSpi, eSi: 0 });
			const ids = [...this.state.links.keys()];
			return all(
				ids
					.filter((id) => id >= first && id < first + 256)
					.map((id) => this.#links.machine(id, this.#nowMs)),
			);
		}
		const { slot, eSpi, eSi } = fromEspSpi(target.spi);
		const id = eSpi * 256 + eSi;
		if (!this.state.links.has(id)) return [];
		return [{ machine: this.#links.machine(id, this.#nowMs), slot }];
	}

	#message(from: string, message: EfMessage): void {
		const here = this.#present.of(from);
		if (message.type === "hello") {
			if (!this.state.declared) return;
			const offered = this.#present.offer(from, message.boot, this.#random);
			this.#send(from, { type: "challenge", ...offered });
			return;
		}
		const { session } = message;
		if (message.type === "report" && here.offered?.session === session) {
			this.#present.begin(from, session);
			this.#isChanged = true;
			this.#audit({ what: "session", ef: from });
			this.#enrol.came(from);
			this.#report(from, message.held);
		}
		if (here.session !== session) {
			this.#send(from, { type: "stale", session });
		} else if (message.type === "report") {
			this.#accept(from, session);
		} else if (message.type === "usage") {
			here.uses = message.uses;
		} else {
			this.#aboutSa(from, message);
		}
	}

	/**
	 * Whether a generation may have been issued. They count from the clock: one that
	 * is far beyond it, and beyond ours, would have the link run out of numbers.
	 */
	#isCredible(ef: string, sa: SaRef, generation: number): boolean {
		const ours = this.state.links.get(linkId(sa))?.generation ?? 0;
		if (generation <= Math.max(ours, this.#nowMs + AHEAD_MS)) return true;
		const here = this.#present.of(ef);
		if (!here.isFalse) {
			const reason = `it names generation ${generation} of path ${sa.eSpi} index ${sa.eSi}, which is far beyond the clock`;
			this.#audit({ what: "report-refused", ef, reason });
		}
		here.isFalse = true;
		return false;
	}

	#report(from: string, held: readonly HeldSa[]): void {
		const byLink = new Map<LinkId, HeldSa[]>();
		for (const one of held) {
			if (!this.#isCredible(from, one, one.generation)) continue;
			const id = linkId(one);
			const ours = byLink.get(id) ?? [];
			if (ours.length < GENERATION_SLOTS) ours.push(one);
			byLink.set(id, ours);
		}
		for (const [id, machine] of this.#links.of(from, this.#nowMs)) {
			const ours = byLink.get(id) ?? [];
			machine.report(from, ours, this.#nowMs);
		}
	}

	#accept(ef: string, session: string): void {
		const keep = this.#links
			.of(ef, this.#nowMs)
			.flatMap(([, machine]) => machine.keeps(ef, this.#nowMs));
		this.#send(ef, { type: "accepted", session, keep });
	}

	#aboutSa(
		from: string,
		message: EfMessage & { type: "done" | "refuse" | "expire" },
	): void {
		const { sa, session } = message;
		const id = linkId(sa);
		const state = this.state.links.get(id);
		const role = state && roleOf(state, sa, from);
		if (role) {
			const machine = this.#links.machine(id, this.#nowMs);
			const { generation } = sa;
			if (message.type === "done") {
				machine.done(message.step, role, generation, this.#nowMs);
			} else if (message.type === "refuse") {
				const { step, reason, floor } = message;
				const rises = this.#isCredible(from, sa, floor) ? floor : 0;
				machine.refused(step, role, generation, reason, rises, this.#nowMs);
			} else {
				const { soft, by } = message;
				machine.expired(role, generation, soft, by, this.#nowMs);
			}
		}
		if (message.type === "expire") {
			this.#send(from, { type: "noted", session, sa, soft: message.soft });
		}
	}

	/** To an EF that is not there nothing is sent: it is asked again later. */
	#request(ef: string, request: Request): void {
		const session = this.#present.sessionOf(ef);
		if (session !== undefined) this.#send(ef, { ...request, session });
	}

	#enrolment(commands: readonly EnrolAucCommand[]): void {
		for (const command of commands) {
			if (command.type === "audit") this.#audit(command.record);
			else this.#commands.push(command);
		}
	}

	#send(to: string, message: AucMessage): void {
		this.#commands.push({ type: "send", to, message });
	}

	#audit(record: Audited): void {
		const timed = { timeMs: this.#nowMs, ...record };
		this.#commands.push({ type: "audit", record: timed });
	}
}

/** Which end of an SA an EF is; undefined: none, or there is no such SA. */
function roleOf(state: LinkState, sa: SaRef, ef: string): Role | undefined {
	const found = state.sas.find((one) => one.generation === sa.generation);
	if (found?.link.sender === ef) return "sender";
	return found?.link.receiver === ef ? "receiver" : undefined;
}
