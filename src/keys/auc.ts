/**
 * The authentication centre: who is there (sessions of EFs), what links there
 * are, and what is revoked. Whoever runs it stores `state` before it carries out
 * the commands of an event: then a centre that dies at any moment goes on where
 * it was, or the EFs' reports set it right.
 */
import type { Audited, AuditRecord } from "./audit.js";
import { EnrolAuc, type EnrolAucCommand, type Enrolment } from "./enrol-auc.js";
import type { EnrolRequest } from "./enrol-messages.js";
import { LinkMachine, type LinkOutput, type Request } from "./link.js";
import { type LinkState, newLink } from "./link-state.js";
import type { AucMessage, EfMessage, HeldSa, Use } from "./messages.js";
import { type Link, linkProblem, type Role, type SaRef } from "./sa.js";
import type { RandomBytes, Secret } from "./secret.js";
import { fromEspSpi, type LinkId, linkId } from "./spi.js";
import type { Tuning } from "./tuning.js";

/** All that has to survive the centre. Holds keys: see vault.ts. */
export interface AucState {
	/** False before the links were declared for the first time. */
	declared: boolean;
	readonly links: Map<LinkId, LinkState>;
	/** As declared, also those that a revoked node keeps from being served. */
	readonly desired: Map<LinkId, Link>;
	/** EFs that get no key any more. */
	readonly revoked: Set<string>;
	/** EFs that have a key, and not yet a certificate that was used. */
	readonly enrolments: Map<string, Enrolment>;
}

export function newAuc(): AucState {
	return {
		declared: false,
		links: new Map(),
		desired: new Map(),
		revoked: new Set(),
		enrolments: new Map(),
	};
}

/** What is revoked: all of a node's links, all of a path's SAs, or one SA. */
export type Target =
	| { readonly node: string }
	| { readonly eSpi: number }
	| { readonly spi: number };

export type AucEvent = { readonly nowMs: number } & (
	| { readonly type: "time" }
	/** All links there shall be. */
	| { readonly type: "declare"; readonly links: readonly Link[] }
	/** `from` is what the EF's certificate says. */
	| {
			readonly type: "message";
			readonly from: string;
			readonly message: EfMessage;
	  }
	| { readonly type: "revoke"; readonly target: Target; readonly by: string }
	/** Takes a node's revocation back. */
	| { readonly type: "admit"; readonly node: string; readonly by: string }
	| { readonly type: "rekey"; readonly target: Target }
	/** Lets an EF enrol with this key, which the centre keeps and wipes. */
	| { readonly type: "configure"; readonly ef: string; readonly key: Secret }
	/** Of somebody without a certificate. */
	| {
			readonly type: "enrol";
			readonly connection: number;
			readonly message: EnrolRequest;
	  }
	/** What became of a `sign` command. */
	| {
			readonly type: "signed";
			readonly ef: string;
			readonly request: string;
			readonly certificate: string;
	  }
	| {
			readonly type: "unsigned";
			readonly ef: string;
			readonly request: string;
			readonly reason: string;
	  }
);

export type AucCommand =
	| {
			readonly type: "send";
			readonly to: string;
			readonly message: AucMessage;
	  }
	| Exclude<EnrolAucCommand, { readonly type: "audit" }>
	| { readonly type: "audit"; readonly record: AuditRecord };

interface Presence {
	/** Challenged with, not yet reported. */
	offered: { readonly boot: string; readonly session: string } | undefined;
	session: string | undefined;
	uses: readonly Use[];
}

const SESSION_BYTES = 12;

export class Auc {
	readonly state: AucState;
	readonly #tuning: Tuning;
	readonly #random: RandomBytes;
	readonly #enrol: EnrolAuc;
	readonly #machines = new Map<LinkId, LinkMachine>();
	/** Not stored: a centre that starts asks every EF what it holds. */
	readonly #present = new Map<string, Presence>();
	#commands: AucCommand[] = [];
	#nowMs = 0;

	constructor(options: {
		readonly tuning: Tuning;
		readonly random: RandomBytes;
		/** As it was stored; it is taken over, not copied. */
		readonly state?: AucState;
	}) {
		this.#tuning = options.tuning;
		this.#random = options.random;
		this.state = options.state ?? newAuc();
		this.#enrol = new EnrolAuc(this.state.enrolments, options.random);
		for (const id of this.state.links.keys()) this.#machine(id);
	}

	/** Throws a RangeError for links or keys that cannot be; nothing is changed then. */
	handle(event: AucEvent): AucCommand[] {
		this.#nowMs = event.nowMs;
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
				this.#enrolment(this.#enrol.configure(event.ef, event.key));
				break;
			case "enrol":
				if (!this.state.revoked.has(event.message.ef)) {
					this.#enrolment(this.#enrol.message(event.connection, event.message));
				}
				break;
			case "signed": {
				const { ef, request, certificate } = event;
				this.#enrolment(this.#enrol.signed(ef, request, certificate));
				break;
			}
			case "unsigned": {
				const { ef, request, reason } = event;
				this.#enrolment(this.#enrol.unsigned(ef, request, reason));
				break;
			}
		}
		for (const machine of this.#machines.values()) {
			if (machine.nextMs <= event.nowMs) machine.advance(event.nowMs);
		}
		const commands = this.#commands;
		this.#commands = [];
		return commands;
	}

	/** When it wants a `time` event next. */
	get nextMs(): number {
		let next = Number.POSITIVE_INFINITY;
		for (const { nextMs } of this.#machines.values()) {
			next = Math.min(next, nextMs);
		}
		return next;
	}

	/** EFs that are in a session, and what they last said of their SAs' use. */
	get present(): ReadonlyMap<string, readonly Use[]> {
		return new Map(
			[...this.#present]
				.filter(([, { session }]) => session !== undefined)
				.map(([ef, { uses }]) => [ef, uses]),
		);
	}

	#machine(id: LinkId): LinkMachine {
		let machine = this.#machines.get(id);
		if (!machine) {
			let state = this.state.links.get(id);
			if (!state) {
				state = newLink(this.#nowMs);
				this.state.links.set(id, state);
			}
			const out: LinkOutput = {
				send: (ef, request) => this.#request(ef, request),
				audit: (record) => this.#audit(record),
			};
			machine = new LinkMachine(state, this.#tuning, this.#random, out);
			this.#machines.set(id, machine);
		}
		return machine;
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
			this.#machine(id).declare(barred ? undefined : link, this.#nowMs);
		}
	}

	#revoke(target: Target, by: string): void {
		const hit = this.#hit(target);
		if ("node" in target) {
			const { node: ef } = target;
			this.state.revoked.add(ef);
			this.#enrol.forget(ef);
			this.#audit({ what: "revoke-node", ef, by });
		}
		for (const { machine, slot } of hit) machine.revoke(slot, by, this.#nowMs);
		this.#apply();
	}

	/** Links a target is about, and the slot of the SA, when it is one alone. */
	#hit(target: Target): { machine: LinkMachine; slot: number | undefined }[] {
		const machines = [...this.#machines.values()];
		const all = (list: readonly LinkMachine[]) =>
			list.map((machine) => ({ machine, slot: undefined }));
		if ("node" in target) {
			return all(machines.filter((one) => endsAt(one.state, target.node)));
		}
		if ("eSpi" in target) {
			const first = linkId({ eSpi: target.eSpi, eSi: 0 });
			return all(
				[...this.#machines]
					.filter(([id]) => id >= first && id < first + 256)
					.map(([, machine]) => machine),
			);
		}
		const { slot, ...of } = fromEspSpi(target.spi);
		const machine = this.#machines.get(of.eSpi * 256 + of.eSi);
		return machine ? [{ machine, slot }] : [];
	}

	#message(from: string, message: EfMessage): void {
		const here = this.#presence(from);
		if (message.type === "hello") {
			if (!this.state.declared) return;
			if (here.offered?.boot !== message.boot) {
				const session = this.#random(SESSION_BYTES).toString("hex");
				here.offered = { boot: message.boot, session };
			}
			this.#send(from, { type: "challenge", ...here.offered });
			return;
		}
		const { session } = message;
		if (message.type === "report" && here.offered?.session === session) {
			here.session = session;
			here.offered = undefined;
			this.#audit({ what: "session", ef: from });
			this.#enrol.forget(from);
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

	#presence(ef: string): Presence {
		let here = this.#present.get(ef);
		if (!here) {
			here = { offered: undefined, session: undefined, uses: [] };
			this.#present.set(ef, here);
		}
		return here;
	}

	#report(from: string, held: readonly HeldSa[]): void {
		const byLink = new Map<LinkId, HeldSa[]>();
		for (const one of held) {
			const id = linkId(one);
			byLink.set(id, [...(byLink.get(id) ?? []), one]);
		}
		for (const [id, machine] of this.#machines) {
			machine.report(from, byLink.get(id) ?? [], this.#nowMs);
		}
	}

	#accept(ef: string, session: string): void {
		const machines = [...this.#machines.values()];
		const keep = machines.flatMap((machine) => machine.keeps(ef, this.#nowMs));
		this.#send(ef, { type: "accepted", session, keep });
	}

	#aboutSa(
		from: string,
		message: EfMessage & { type: "done" | "refuse" | "expire" },
	): void {
		const { sa, session } = message;
		const machine = this.#machines.get(linkId(sa));
		const role = machine && roleOf(machine.state, sa, from);
		if (machine && role) {
			const { generation } = sa;
			if (message.type === "done") {
				machine.done(message.step, role, generation, this.#nowMs);
			} else if (message.type === "refuse") {
				const { step, reason, floor } = message;
				machine.refused(step, role, generation, reason, floor, this.#nowMs);
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
		const session = this.#present.get(ef)?.session;
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

function endsAt({ link, sas }: LinkState, ef: string): boolean {
	return [link, ...sas.map((sa) => sa.link)].some(
		(one) => one?.sender === ef || one?.receiver === ef,
	);
}

/** Which end of an SA an EF is; undefined: none, or there is no such SA. */
function roleOf(state: LinkState, sa: SaRef, ef: string): Role | undefined {
	const found = state.sas.find((one) => one.generation === sa.generation);
	if (found?.link.sender === ef) return "sender";
	return found?.link.receiver === ef ? "receiver" : undefined;
}
