/**
 * What the node does by itself when an instance fails, from the next packet on:
 * a peer on the node takes its ports' place on all paths, or `onFailure` is put
 * in force. All of it is undone when the instance is back.
 */
import { type InstanceName, instanceKey } from "../functions/names.js";
import { ServiceFlags } from "../kernel/layout.gen.js";
import type { InstanceStatus } from "../plan/protocol.js";
import type { InstanceState, PortState } from "../plan/state.js";
import type { Instances, KnownInstance } from "./instances.js";
import type { Move } from "./introduce.js";
import type { Services } from "./services.js";
import type { Attachments, PathTables } from "./tables/paths.js";

/** So long must one be up, without a break, before its peer gives way to it. */
const HOLD_MS = 2000;

const ON_FAILURE = {
	closed: ServiceFlags.DOWN,
	open: ServiceFlags.DOWN | ServiceFlags.FAIL_OPEN,
	reset: ServiceFlags.DOWN | ServiceFlags.RESET,
} as const;

/** A port of an instance that is down. */
interface Fallen {
	readonly flags: number;
	/** Port that stands in for it. */
	readonly peer: number | undefined;
	/** What became of its packets, in words. */
	readonly instead: string;
}

/** Who hears of what was done. */
export interface Told {
	tell(name: InstanceName, message: string): void;
	moved(moves: readonly Move[]): void;
}

export class Failover {
	readonly #instances: Pick<Instances, "known" | "attachments">;
	readonly #services: Pick<Services, "isDown" | "mark">;
	readonly #paths: Pick<PathTables, "repoint" | "through">;
	readonly #told: Told;
	readonly #nowMs: () => number;
	/** Instances that are down, each with when it came back; by key. */
	readonly #down = new Map<string, number | undefined>();
	/** Keys of those judged before. */
	#seen: ReadonlySet<string> = new Set();
	#fallen: ReadonlyMap<number, Fallen> = new Map();

	constructor(
		instances: Pick<Instances, "known" | "attachments">,
		services: Pick<Services, "isDown" | "mark">,
		paths: Pick<PathTables, "repoint" | "through">,
		told: Told,
		nowMs = () => performance.now(),
	) {
		this.#instances = instances;
		this.#services = services;
		this.#paths = paths;
		this.#told = told;
		this.#nowMs = nowMs;
	}

	/**
	 * Looks at all instances and acts. Call it whenever one's health or ports may
	 * have changed, and every now and then: coming back takes its time.
	 */
	review(): void {
		const all = this.#instances.known();
		const turned = this.#judge(all);
		const before = this.#fallen;
		const now = new Map(
			all
				.filter(({ state }) => this.#down.has(instanceKey(state)))
				.flatMap((one) =>
					one.state.ports.map((port) => [port.id, this.#fall(one, port, all)]),
				),
		);
		this.#fallen = now;
		const ports = all.flatMap(({ state }) => state.ports.map(({ id }) => id));
		const marks = (id: number) =>
			this.#services.mark(id, now.get(id)?.flags ?? 0);
		/* Paths come back to these: whatever holds for them must hold before. */
		const back = (id: number) =>
			before.get(id)?.peer !== undefined && now.get(id)?.peer === undefined;
		for (const id of ports) if (back(id)) marks(id);
		const moved = ports.filter(
			(id) => turned.has(id) || before.get(id)?.peer !== now.get(id)?.peer,
		);
		if (moved.length > 0)
			this.#paths.repoint(new Set(moved), this.attachments());
		for (const id of ports) marks(id);
		this.#introduce(moved, before);
		this.#report(all, before);
	}

	/** Flows of these ports pass another function than before. */
	#introduce(
		moved: readonly number[],
		before: ReadonlyMap<number, Fallen>,
	): void {
		const attached = this.attachments();
		const moves = moved.flatMap((id): Move[] => {
			const from = before.get(id)?.peer ?? id;
			const to = attached.get(id);
			const spis = this.#paths.through(id);
			if (!to || to.id === from || spis.size === 0) return [];
			return [{ from, to, spis }];
		});
		if (moves.length > 0) this.#told.moved(moves);
	}

	/** Tells of instances for which something else is done than before. */
	#report(
		all: readonly KnownInstance[],
		before: ReadonlyMap<number, Fallen>,
	): void {
		for (const { state, status } of all) {
			const was = insteadOf(state, before);
			const is = insteadOf(state, this.#fallen);
			if (was === is) continue;
			this.#told.tell(
				state,
				is === "" ? "serves again" : `is down, ${is} (${status.reason})`,
			);
		}
	}

	/** Where ports are attached, peers in the place of those that are down. */
	attachments(): Attachments {
		const own = this.#instances.attachments();
		const stand = [...this.#fallen].flatMap(([id, { peer }]) => {
			const attached = peer === undefined ? undefined : own.get(peer);
			return attached ? [[id, attached] as const] : [];
		});
		return new Map([...own, ...stand]);
	}

	/** Health, with what was done about it: one that is back counts once it serves. */
	status(): InstanceStatus[] {
		return this.#instances.known().map(({ state, status }) => {
			const done = insteadOf(state, this.#fallen);
			const isHeld =
				status.state === "up" && this.#down.has(instanceKey(state));
			return {
				...status,
				...(isHeld && { state: "starting" }),
				...(done !== "" && { reason: `${status.reason}; ${done}` }),
			};
		});
	}

	/** Who is down now; the ports of those who were not before, or no longer are. */
	#judge(all: readonly KnownInstance[]): ReadonlySet<number> {
		const turned = new Set<number>();
		for (const one of all) {
			const key = instanceKey(one.state);
			const ids = one.state.ports.map(({ id }) => id);
			/* What an agent before this one found stands until shown otherwise. */
			const wasDown = this.#seen.has(key)
				? this.#down.has(key)
				: ids.some((id) => this.#services.isDown(id));
			const backMs = this.#down.get(key);
			if (wasDown) this.#down.set(key, backMs);
			this.#note(key, one);
			if (this.#down.has(key) !== wasDown || !this.#seen.has(key))
				for (const id of ids) turned.add(id);
		}
		this.#seen = new Set(all.map(({ state }) => instanceKey(state)));
		for (const key of this.#down.keys())
			if (!this.#seen.has(key)) this.#down.delete(key);
		return turned;
	}

	/** One that starts is what it was before. */
	#note(key: string, { state, status }: KnownInstance): void {
		if (status.state === "down") this.#down.set(key, undefined);
		if (!this.#down.has(key) || status.state === "down") return;
		if (status.state === "starting") {
			this.#down.set(key, undefined);
			return;
		}
		const backMs = this.#down.get(key) ?? this.#nowMs();
		/* Nobody loses by waiting where a peer serves; else every moment counts. */
		const isServed = state.ports.some(
			({ id }) => this.#fallen.get(id)?.peer !== undefined,
		);
		if (isServed && this.#nowMs() - backMs < HOLD_MS)
			this.#down.set(key, backMs);
		else this.#down.delete(key);
	}

	#fall(
		{ state }: KnownInstance,
		port: PortState,
		all: readonly KnownInstance[],
	): Fallen {
		const peer = this.#peerOf(state, port, all);
		/* A tap holds nothing up. */
		if (state.attach === "tap")
			return {
				flags: 0,
				peer: peer?.port,
				instead: peer
					? `${peer.instance} gets the copies`
					: "nobody gets the copies",
			};
		if (peer)
			return {
				flags: ServiceFlags.DOWN,
				peer: peer.port,
				instead: `${peer.instance} serves its flows`,
			};
		const onFailure = state.spec.onFailure ?? "closed";
		return {
			flags: ON_FAILURE[onFailure],
			peer: undefined,
			instead: `onFailure ${onFailure} is in force`,
		};
	}

	/**
	 * The port that serves instead: of the same function and tenant. One that
	 * rewrites has none: its ports are bound to paths, and a peer knows nothing of
	 * the addresses it gave out.
	 */
	#peerOf(
		state: InstanceState,
		port: PortState,
		all: readonly KnownInstance[],
	): { port: number; instance: string } | undefined {
		if (state.spec.rewrites || port.tenantId === undefined) return undefined;
		const current = this.#fallen.get(port.id)?.peer;
		const rank = (one: KnownInstance, id: number) => [
			Number(one.status.state !== "up"),
			Number(isStandby(one.state)),
			Number(id !== current),
		];
		return all
			.filter(
				(one) =>
					one.state.function === state.function &&
					one.state.attach === state.attach &&
					!this.#down.has(instanceKey(one.state)),
			)
			.flatMap((one) =>
				one.state.ports
					.filter(({ tenantId }) => tenantId === port.tenantId)
					.filter(({ id }) => one.ports.some((attached) => attached.id === id))
					.map(({ id }) => ({
						port: id,
						instance: one.state.instance,
						order: [...rank(one, id), one.state.instance].join(" "),
					})),
			)
			.sort((a, b) => (a.order < b.order ? -1 : 1))[0];
	}
}

/** What became of an instance's packets, in words; empty: it serves. */
function insteadOf(
	{ ports }: InstanceState,
	fallen: ReadonlyMap<number, Fallen>,
): string {
	const said = ports.flatMap(({ id }) => fallen.get(id)?.instead ?? []);
	return [...new Set(said)].join(", ");
}

function isStandby({ spec, instance }: InstanceState): boolean {
	return spec.instances.some((one) => one.name === instance && one.standby);
}
