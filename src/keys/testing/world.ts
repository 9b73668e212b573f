/**
 * A centre, some EFs and the links between them in simulated time, over a channel
 * that loses, doubles, delays and reorders, with parties that crash anywhere. The
 * same seed gives the same run. Checks what must hold at every moment.
 */
import assert from "node:assert/strict";
import { Random } from "../../plan/random.js";
import { Auc } from "../auc.js";
import { type AucCommand, type AucEvent, newAuc } from "../auc-state.js";
import type { AuditRecord } from "../audit.js";
import {
	decodeAucMessage,
	decodeEfMessage,
	encodeAucMessage,
	encodeEfMessage,
} from "../codec.js";
import type { AucMessage, EfMessage } from "../messages.js";
import { ALGORITHMS, type Link, type SaRef } from "../sa.js";
import { Secret } from "../secret.js";
import { espSpi, linkId } from "../spi.js";
import { TUNING, type Tuning } from "../tuning.js";
import { seal, unseal } from "../vault.js";
import {
	type DistributiveOmit,
	type Loaded,
	Station,
	type Surroundings,
} from "./station.js";

export interface WorldOptions {
	readonly seed: number;
	readonly efs: number;
	readonly links: number;
}

const KEY_LENGTHS = new Set<number>(
	Object.values(ALGORITHMS).map(({ key, salt }) => key + salt),
);
/** Newest keys that are searched for in everything that is sent. */
const KEYS_SEARCHED = 12;
const HISTORY = 60;
const TICK_MS = 50;

export class World implements Surroundings {
	readonly random: Random;
	readonly tuning: Tuning = { ...TUNING, graceMs: 1000, usageMs: 1000 };
	nowMs = 1_000_000;
	/** Percent of messages that are lost, and that arrive twice. */
	lossPercent = 15;
	failPercent = 2;
	auc: Auc | undefined;
	readonly stations = new Map<string, Station>();
	readonly encrypted = new Map<string, Loaded>();
	readonly audit: AuditRecord[] = [];
	/** What happened last, told when a check fails. */
	readonly history: string[] = [];
	links: Link[] = [];
	/** Called as a message arrives, before anybody acts on it, with its number. */
	onArrival: (count: number) => void = () => {};
	arrivals = 0;
	switches = 0;
	#queue: { atMs: number; action: () => void }[] = [];
	/** The snapshot that lies on the disk. */
	#stored: Buffer = Buffer.alloc(0);
	readonly #kek: Secret;
	readonly #keys: (Buffer | string)[] = [];
	/** SAs whose traffic may stop, or be lost: an end crashed, or is revoked. */
	readonly #excused = new Set<string>();

	constructor(options: WorldOptions) {
		this.random = new Random(options.seed);
		this.#kek = new Secret(this.#noise(32));
		for (let i = 0; i < options.efs; i++) {
			const name = `ef${i}`;
			this.stations.set(name, new Station(name, i % 2 === 1, this));
		}
		for (let i = 0; i < options.links; i++) this.links.push(this.randomLink(i));
		this.startAuc(false);
		this.later(TICK_MS, () => this.#tick());
	}

	note(happening: string): void {
		this.history.push(`${this.nowMs} ${happening}`);
		if (this.history.length > HISTORY) this.history.shift();
	}

	bytes = (length: number): Buffer => {
		const bytes = this.#noise(length);
		if (KEY_LENGTHS.has(length)) {
			const { hex, base64 } = spelled(bytes);
			this.#keys.push(Buffer.from(bytes), hex, base64);
			if (this.#keys.length > KEYS_SEARCHED * 3) this.#keys.splice(0, 3);
		}
		return bytes;
	};

	#noise = (length: number): Buffer =>
		Buffer.from(Array.from({ length }, () => this.random.below(256)));

	randomLink(index: number): Link {
		const { random } = this;
		const names = [...this.stations.keys()];
		const sender = random.pick(names);
		const receiver = random.pick(names.filter((name) => name !== sender));
		return {
			eSpi: 1 + index,
			eSi: 255 - (index % 2),
			flowClass: random.pick(["mail", "video"]),
			sender,
			receiver,
			algorithm: random.pick([
				"aes-gcm-128",
				"aes-gcm-256",
				"hmac-sha-256-packet",
			]),
			extSeqNum: random.chance(50),
			antiReplayWindowSize: 1024,
			hard: {
				timeMs: 4000 + random.below(6000),
				bytes: random.chance(50) ? 2 ** 40 : 6_000_000,
				packets: random.chance(50) ? 2 ** 40 : 60_000,
			},
		};
	}

	later(delayMs: number, action: () => void): void {
		const atMs = this.nowMs + delayMs;
		const behind = this.#queue.findIndex((one) => one.atMs > atMs);
		const at = behind < 0 ? this.#queue.length : behind;
		this.#queue.splice(at, 0, { atMs, action });
	}

	/** Runs all that happens up to then. */
	run(untilMs: number): void {
		while (true) {
			const timers = [this.auc, ...this.#agents()].map(
				(one) => one?.nextMs ?? Number.POSITIVE_INFINITY,
			);
			const queued = this.#queue[0]?.atMs ?? Number.POSITIVE_INFINITY;
			const nextMs = Math.min(queued, ...timers);
			if (nextMs > untilMs) break;
			this.nowMs = Math.max(this.nowMs, nextMs);
			if (queued <= this.nowMs) this.#queue.shift()?.action();
			if (this.auc && this.auc.nextMs <= this.nowMs)
				this.toAuc({ type: "time" });
			for (const station of this.stations.values()) {
				const dueMs = station.agent?.nextMs ?? Number.POSITIVE_INFINITY;
				if (dueMs <= this.nowMs) station.event({ type: "time" });
			}
			this.#check();
		}
		this.nowMs = untilMs;
	}

	toAuc(event: DistributiveOmit<AucEvent, "nowMs">): void {
		if (!this.auc) return;
		const { random, nowMs, auc } = this;
		/* It may die before it has stored anything, or between any two commands;
		   what is asked for by hand is asked for until it is done. */
		const dies = this.lossPercent > 0 && random.below(300) === 0;
		const unstored = dies && event.type === "message" && random.chance(30);
		if (unstored) {
			this.#dies(() => auc.handle({ ...event, nowMs } as AucEvent));
			return;
		}
		const commands = auc.handle({ ...event, nowMs } as AucEvent);
		assert.ok(auc.nextMs > nowMs, "the centre is never content");
		for (const command of commands) {
			if (command.type === "audit") this.#noteAudit(command.record);
		}
		const upTo = dies ? random.below(commands.length + 1) : commands.length;
		for (const command of commands.slice(0, upTo)) this.#carryOut(command);
		if (dies) this.crashAuc();
	}

	crashAuc(): void {
		this.#dies(() => {});
	}

	/** Every event is stored before its commands: what it does last may be not. */
	#dies(last: () => void): void {
		if (!this.auc) return;
		this.note("centre dies");
		this.#stored = seal(this.auc.state, this.#kek, this.#noise);
		this.#search(this.#stored, "snapshot");
		last();
		this.auc = undefined;
		for (const station of this.stations.values()) {
			if (this.random.chance(30)) station.event({ type: "disconnected" });
		}
	}

	/** From what was stored, or with nothing left but what is declared. */
	startAuc(stored: boolean): void {
		const { tuning, bytes } = this;
		this.note(`centre starts ${stored ? "again" : "without memory"}`);
		const state = stored ? unseal(this.#stored, this.#kek) : newAuc();
		this.auc = new Auc({ tuning, random: bytes, nowMs: this.nowMs, state });
		this.declare();
		for (const station of this.stations.values()) {
			/* Others find out by what they send. */
			if (this.random.chance(50) || !station.connected) {
				station.event({ type: "connected" });
			}
		}
	}

	declare(): void {
		const revoked = this.auc?.state.revoked;
		const served = this.links.filter(
			({ sender, receiver }) =>
				!revoked?.has(sender) && !revoked?.has(receiver),
		);
		const wanted = new Set(served.map(linkId));
		for (const [id, { sas }] of this.auc?.state.links ?? []) {
			if (!wanted.has(id)) this.#excuse(...sas.map(refFrom));
		}
		this.#excuseUnknown();
		this.toAuc({ type: "declare", links: this.links });
	}

	revokeNode(node: string): void {
		for (const { name, loaded } of this.stations.values()) {
			for (const { entry } of loaded.values()) {
				if (name === node || entry.peer === node) this.#excuse(entry);
			}
		}
		this.toAuc({ type: "revoke", target: { node }, by: "test" });
	}

	send(from: string, message: EfMessage): void {
		const frame = encodeEfMessage(message);
		this.#search(frame, `${message.type} of ${from}`);
		this.#transmit(() => {
			const copy = decodeEfMessage(frame);
			if (copy.type !== "usage") {
				this.note(`centre gets of ${from} ${JSON.stringify(copy)}`);
			}
			this.toAuc({ type: "message", from, message: copy });
		});
	}

	stopped(at: Station, { entry, issuedMs, packets }: Loaded): void {
		const ended =
			this.nowMs - issuedMs >= entry.hard.timeMs ||
			packets >= entry.hard.packets ||
			packets * 100 >= entry.hard.bytes;
		const moved = this.audit.some(
			(record) =>
				record.what === "in-use" &&
				linkId(record) === linkId(entry) &&
				record.generation > entry.generation &&
				record.sender !== at.name,
		);
		assert.ok(
			ended || moved || this.#excused.has(nameOf(entry)),
			`${at.name}: traffic of ${nameOf(entry)} stopped before its time`,
		);
	}

	crashed(sas: readonly SaRef[]): void {
		this.#excuse(...sas);
	}

	/** Links whose sender encrypts, with an SA the receiver has. */
	working(): Link[] {
		return this.links.filter((link) => {
			const spi = this.stations.get(link.sender)?.active.get(linkId(link));
			const sent = this.stations.get(link.sender)?.loaded.get(spi ?? -1);
			const held = this.stations.get(link.receiver)?.loaded.get(spi ?? -1);
			return sent && held?.entry.generation === sent.entry.generation;
		});
	}

	#agents() {
		return [...this.stations.values()].map(({ agent }) => agent);
	}

	/** A centre without memory cannot adopt SAs of a link's former ends. */
	#excuseUnknown(): void {
		for (const { name, loaded } of this.stations.values()) {
			for (const { entry } of loaded.values()) {
				const link = this.links.find((one) => linkId(one) === linkId(entry));
				const { sas } = this.auc?.state.links.get(linkId(entry)) ?? {};
				const known = sas?.some((sa) => sa.generation === entry.generation);
				if (!known && link?.[entry.role] !== name) this.#excuse(entry);
			}
		}
	}

	#tick(): void {
		for (const station of this.stations.values()) station.traffic(TICK_MS);
		this.later(TICK_MS, () => this.#tick());
	}

	#carryOut(command: AucCommand): void {
		if (command.type !== "send") return;
		const { to, message } = command;
		const frame = encodeAucMessage(message);
		if (message.type === "install") {
			const { entry } = message;
			const ends = [entry.peer, to].sort();
			const state = this.auc?.state.links.get(linkId(entry));
			const sa = state?.sas.find((one) => one.generation === entry.generation);
			const right = [sa?.link.sender, sa?.link.receiver].sort();
			assert.deepEqual(ends, right, "a key went to a stranger");
		} else {
			this.#search(frame, `${message.type} to ${to}`);
		}
		this.#transmit(() => {
			const copy: AucMessage = decodeAucMessage(Buffer.from(frame));
			this.note(`${to} gets ${JSON.stringify(copy)}`);
			this.stations.get(to)?.event({ type: "message", message: copy });
		});
	}

	#transmit(arrive: () => void): void {
		const { random, lossPercent } = this;
		if (random.chance(lossPercent)) return;
		const copies = random.chance(lossPercent) ? 2 : 1;
		for (let i = 0; i < copies; i++) {
			/* Now and then so late that much has happened since. */
			const late = lossPercent > 0 && random.chance(3);
			this.later(1 + random.below(late ? 800 : 30), () => {
				this.onArrival(++this.arrivals);
				arrive();
			});
		}
	}

	#noteAudit(record: AuditRecord): void {
		this.note(`centre: ${JSON.stringify(record)}`);
		this.audit.push(record);
		this.#search(Buffer.from(JSON.stringify(record)), "audit");
		if (record.what === "revoke") this.#excuse(record);
		if (record.what === "in-use") this.switches++;
	}

	#excuse(...sas: readonly SaRef[]): void {
		for (const sa of sas) this.#excused.add(nameOf(sa));
	}

	#search(bytes: Buffer, where: string): void {
		for (const key of this.#keys) {
			assert.ok(!bytes.includes(key), `key material in ${where}`);
		}
	}

	/** No sender uses an SA its receiver lacks. */
	#check(): void {
		for (const { name, active, loaded } of this.stations.values()) {
			for (const spi of active.values()) {
				const entry = loaded.get(spi)?.entry;
				assert.ok(entry, `${name} encrypts with an SA it has not`);
				assert.equal(espSpi(entry), spi);
				const held = this.stations.get(entry.peer)?.loaded.get(spi)?.entry;
				assert.ok(
					held?.generation === entry.generation ||
						this.#excused.has(nameOf(entry)),
					`${entry.peer} lacks ${nameOf(entry)}, which ${name} uses`,
				);
			}
		}
	}
}

function spelled(bytes: Buffer) {
	return { hex: bytes.toString("hex"), base64: bytes.toString("base64") };
}

function refFrom(sa: { readonly link: Link; readonly generation: number }) {
	const { eSpi, eSi } = sa.link;
	return { eSpi, eSi, generation: sa.generation };
}

function nameOf({ eSpi, eSi, generation }: SaRef): string {
	return `${eSpi}/${eSi} generation ${generation}`;
}
