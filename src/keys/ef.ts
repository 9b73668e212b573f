/**
 * An EF's side: keeps a session with the authentication centre, does what it
 * asks for, acknowledges, and tells how much the SAs were used. Its SAs end by
 * themselves, also when neither centre nor controller is there.
 */
import type { AucMessage, EfMessage } from "./messages.js";
import {
	type Answer,
	type EngineCommand,
	type EngineOperation,
	type Installed,
	type Notice,
	Sad,
} from "./sad.js";
import type { RandomBytes } from "./secret.js";
import { backOff, type Tuning } from "./tuning.js";

export type EfEvent = { readonly nowMs: number } & (
	| { readonly type: "time" }
	/** The way to the centre is open, or no more. */
	| { readonly type: "connected" | "disconnected" }
	| { readonly type: "message"; readonly message: AucMessage }
	/** The engine has carried out a command, or says why not. */
	| {
			readonly type: "engine";
			readonly operation: EngineOperation;
			readonly spi: number;
			readonly failure?: string;
	  }
	/** The engine's count of an SA since it was installed. */
	| {
			readonly type: "used";
			readonly spi: number;
			readonly bytes: number;
			readonly packets: number;
	  }
	| { readonly type: "overflow"; readonly spi: number }
);

export type EfCommand =
	| { readonly type: "send"; readonly message: EfMessage }
	/** Its certificate is refused: it needs another, by enrolling with a new key. */
	| { readonly type: "enrol" }
	| EngineCommand;

interface Waiting {
	dueMs: number;
	tries: number;
}

type Session =
	| { readonly state: "off" }
	| ({ readonly state: "hello" } & Waiting)
	| ({ readonly state: "reporting"; readonly id: string } & Waiting)
	| { readonly state: "ready"; readonly id: string; usageMs: number };

const BOOT_BYTES = 12;

export class Ef {
	readonly #tuning: Tuning;
	readonly #sad: Sad;
	/** This life of the EF. */
	readonly #boot: string;
	#session: Session = { state: "off" };
	readonly #notices = new Map<string, Notice & Waiting>();
	#commands: EfCommand[] = [];
	#nowMs: number;

	/** `installed`: what its engine holds already, as after a restart of the agent alone. */
	constructor(options: {
		readonly tuning: Tuning;
		readonly random: RandomBytes;
		readonly nowMs: number;
		readonly installed?: readonly Installed[];
	}) {
		this.#tuning = options.tuning;
		this.#nowMs = options.nowMs;
		this.#boot = options.random(BOOT_BYTES).toString("hex");
		this.#sad = new Sad(
			options.tuning,
			(command) => this.#commands.push(command),
			(notice) => this.#notice(notice),
			options.installed ?? [],
			options.nowMs,
		);
	}

	handle(event: EfEvent): EfCommand[] {
		const { nowMs } = event;
		this.#nowMs = nowMs;
		switch (event.type) {
			case "connected":
				this.#session = { state: "hello", dueMs: nowMs, tries: 0 };
				break;
			case "disconnected":
				this.#session = { state: "off" };
				break;
			case "message":
				this.#message(event.message);
				break;
			case "engine":
				this.#answer(
					this.#sad.answered(event.operation, event.spi, event.failure, nowMs),
				);
				break;
			case "used":
				this.#sad.used(event.spi, event.bytes, event.packets);
				break;
			case "overflow":
				this.#sad.overflow(event.spi);
				break;
			case "time":
				break;
		}
		this.#sad.advance(nowMs);
		this.#sendDue();
		const commands = this.#commands;
		this.#commands = [];
		return commands;
	}

	/** When it wants a `time` event next. */
	get nextMs(): number {
		const session = this.#session;
		const due: number[] = [this.#sad.nextMs];
		if (session.state === "ready") {
			due.push(session.usageMs);
			for (const { dueMs } of this.#notices.values()) due.push(dueMs);
		} else if (session.state !== "off") {
			due.push(session.dueMs);
		}
		return Math.min(...due);
	}

	get ready(): boolean {
		return this.#session.state === "ready";
	}

	#message(message: AucMessage): void {
		const session = this.#session;
		if (message.type === "unknown") {
			this.#session = { state: "off" };
			this.#commands.push({ type: "enrol" });
			return;
		}
		if (message.type === "challenge") {
			if (session.state !== "hello" || message.boot !== this.#boot) return;
			const id = message.session;
			this.#session = { state: "reporting", id, dueMs: this.#nowMs, tries: 0 };
			return;
		}
		if (!("id" in session) || session.id !== message.session) {
			this.#wipe(message);
			return;
		}
		if (message.type === "stale") {
			this.#session = { state: "hello", dueMs: this.#nowMs, tries: 0 };
		} else if (message.type === "accepted") {
			if (session.state === "reporting") this.#accepted(message, session.id);
		} else if (session.state === "ready") {
			this.#carryOut(message);
		} else {
			/* Overtook `accepted`, and will be sent again. */
			this.#wipe(message);
		}
	}

	/** A key that is not used does not stay in memory. */
	#wipe(message: AucMessage): void {
		if (message.type === "install") message.entry.key.wipe();
	}

	#accepted({ keep }: AucMessage & { type: "accepted" }, id: string): void {
		this.#sad.keepOnly(keep);
		const usageMs = this.#nowMs + this.#tuning.usageMs;
		this.#session = { state: "ready", id, usageMs };
		for (const [name, notice] of this.#notices) {
			/* What is gone, the report has said. */
			if (!notice.soft || !this.#sad.holds(notice.sa)) {
				this.#notices.delete(name);
			} else {
				notice.dueMs = this.#nowMs;
			}
		}
	}

	#carryOut(
		message: AucMessage & { type: "install" | "switch" | "remove" | "noted" },
	): void {
		switch (message.type) {
			case "install":
				this.#answer(this.#sad.install(message.entry, this.#nowMs));
				break;
			case "switch":
				this.#answer(this.#sad.switch(message.sa));
				break;
			case "remove":
				this.#answer(this.#sad.remove(message.sa));
				break;
			case "noted":
				this.#notices.delete(noticeName(message));
				break;
		}
	}

	#answer(answer: Answer): void {
		const session = this.#session;
		if (answer.kind === "wait" || session.state !== "ready") return;
		const { kind, ...rest } = answer;
		/* Both kinds are words of the protocol. */
		const message = { type: kind, session: session.id, ...rest } as EfMessage;
		this.#send(message);
	}

	#notice(notice: Notice): void {
		const waiting = { dueMs: this.#nowMs, tries: 0 };
		this.#notices.set(noticeName(notice), { ...notice, ...waiting });
	}

	#sendDue(): void {
		const session = this.#session;
		const nowMs = this.#nowMs;
		if (session.state === "hello" && again(session, nowMs, this.#tuning)) {
			this.#send({ type: "hello", boot: this.#boot });
		} else if (
			session.state === "reporting" &&
			again(session, nowMs, this.#tuning)
		) {
			const held = this.#sad.report(nowMs);
			this.#send({ type: "report", session: session.id, held });
		} else if (session.state === "ready") {
			for (const [name, notice] of this.#notices) {
				/* Its successor came, and it is gone. */
				if (notice.soft && !this.#sad.holds(notice.sa)) {
					this.#notices.delete(name);
				} else if (again(notice, nowMs, this.#tuning)) {
					const { sa, soft, by } = notice;
					this.#send({ type: "expire", session: session.id, sa, soft, by });
				}
			}
			if (nowMs >= session.usageMs) {
				session.usageMs = nowMs + this.#tuning.usageMs;
				const uses = this.#sad.uses();
				this.#send({ type: "usage", session: session.id, uses });
			}
		}
	}

	#send(message: EfMessage): void {
		this.#commands.push({ type: "send", message });
	}
}

function noticeName({ sa, soft }: Pick<Notice, "sa" | "soft">): string {
	return `${sa.eSpi}/${sa.eSi}/${sa.generation} ${soft ? "soft" : "hard"}`;
}

/** Whether it is time to send (again); if so, notes when the next time is. */
function again(waiting: Waiting, nowMs: number, tuning: Tuning): boolean {
	if (nowMs < waiting.dueMs) return false;
	const { retransmitMs, retransmitMaxMs } = tuning;
	waiting.dueMs =
		nowMs + backOff(retransmitMs, retransmitMaxMs, waiting.tries++);
	return true;
}
