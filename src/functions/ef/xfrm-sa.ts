/** An SA that the kernel holds: its limits there, and what it has carried. */

import type {
	XfrmEnds,
	XfrmLimits,
	XfrmState,
	XfrmStateKey,
} from "../../kernel/xfrm.js";
import { XFRM_LOCAL, XFRM_REMOTE } from "../../kernel/xfrm-layout.gen.js";
import { monotonicMs } from "./clock.js";
import type {
	SaDirection,
	SaEvent,
	SaLimit,
	SaLimits,
	SaSpec,
	SaUsage,
} from "./sa.js";

/** With this part of the sequence numbers left a successor is asked for. */
const SPARE_NUMBERS = 16n;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** In the EF's namespace every tunnel has the same two ends. */
export function endsOf(direction: SaDirection): XfrmEnds {
	return direction === "out"
		? { src: XFRM_LOCAL, dst: XFRM_REMOTE }
		: { src: XFRM_REMOTE, dst: XFRM_LOCAL };
}

export function directionOf({ dst }: XfrmEnds): SaDirection {
	return dst === XFRM_REMOTE ? "out" : "in";
}

type Named = Pick<SaSpec, "direction" | "spi" | "path">;

export class HeldSa {
	readonly direction: SaDirection;
	readonly spi: number;
	readonly path: number;
	readonly limits: XfrmLimits;
	/** Refused by its replay window, forged: as the kernel said last. */
	tooOld = 0;
	badIcv = 0;
	readonly #soft: SaLimits;
	readonly #hard: SaLimits;
	readonly #firstSequence: bigint;
	readonly #tell: (event: SaEvent) => void;
	readonly #timers: NodeJS.Timeout[] = [];
	#last: Pick<SaUsage, "packets" | "bytes" | "lastSequence">;
	#told: "nothing" | "expiring" | "expired" = "nothing";

	/** `overdue` is called when the time is over. */
	constructor(
		spec: SaSpec,
		tell: (event: SaEvent) => void,
		overdue: (sa: HeldSa) => void,
	) {
		const { direction, spi, path, soft = {}, hard = {} } = spec;
		this.direction = direction;
		this.spi = spi;
		this.path = path;
		this.#soft = soft;
		this.#hard = hard;
		this.#tell = tell;
		this.#firstSequence = spec.lastSequence ?? 0n;
		this.#last = { packets: 0, bytes: 0, lastSequence: this.#firstSequence };
		this.limits = kernelLimits(spec);
		this.#at(soft.untilMs, () => this.warn("time"));
		this.#at(hard.untilMs, () => overdue(this));
	}

	get key(): XfrmStateKey {
		const { spi, path, direction } = this;
		return { spi, mark: path, dst: endsOf(direction).dst };
	}

	get expired(): boolean {
		return this.#told === "expired";
	}

	get usage(): SaUsage {
		const { direction, spi, path, expired } = this;
		return { direction, spi, path, ...this.#last, expired };
	}

	/** Takes over what the kernel says of it. */
	update(state: XfrmState): void {
		const packets = Number(state.packets);
		const sequence = this.direction === "out" ? state.sent : state.received;
		const { lastSequence } = this.#last;
		const counted = this.#firstSequence + state.packets;
		/* What tells of an expiry has no numbers; sent ones are as many as packets. */
		const known = this.direction === "out" ? counted : lastSequence;
		this.#last = {
			packets,
			bytes: Number(state.bytes),
			lastSequence: sequence > known ? sequence : known,
		};
		this.tooOld = state.tooOld;
		this.badIcv = state.badIcv;
	}

	/** The limit that its packets have reached; else its time is over. */
	reached(which: "soft" | "hard"): SaLimit {
		const { packets = Infinity, bytes = Infinity } =
			which === "soft" ? this.#soft : this.#hard;
		if (this.#last.packets >= packets) return "packets";
		if (this.#last.bytes >= bytes) return "bytes";
		const numbers = this.limits[`${which}Packets`];
		return numbers !== undefined && BigInt(this.#last.packets) >= numbers
			? "sequence"
			: "time";
	}

	/** A successor is needed. */
	warn(limit: SaLimit): void {
		if (this.#told !== "nothing") return;
		this.#told = "expiring";
		this.#tell({ kind: "expiring", ...this.#name, limit });
	}

	/** Nothing is carried any more. */
	end(limit: SaLimit): void {
		this.forget();
		if (this.expired) return;
		this.#told = "expired";
		this.#tell({ kind: "expired", ...this.#name, limit });
	}

	/** Stops its clocks. */
	forget(): void {
		for (const timer of this.#timers) clearTimeout(timer);
	}

	get #name(): Pick<Named, "direction" | "spi"> {
		return { direction: this.direction, spi: this.spi };
	}

	#at(untilMs: number | undefined, act: () => void): void {
		if (untilMs === undefined) return;
		const leftMs = Math.max(0, untilMs - monotonicMs());
		if (leftMs <= LONGEST_TIMER_MS)
			this.#timers.push(setTimeout(act, leftMs).unref());
	}
}

/**
 * The kernel counts whole seconds and ends what this process does not: it may hang
 * or be dead. Numbers are limited by packets, which are as many.
 */
function kernelLimits(spec: SaSpec): XfrmLimits {
	const { soft = {}, hard = {}, lastSequence = 0n } = spec;
	const numbers = (1n << (spec.extended ? 64n : 32n)) - 1n;
	const left = numbers - lastSequence;
	const spare = left - numbers / SPARE_NUMBERS;
	const packets = (limit: number | undefined, most: bigint) => {
		const wanted = limit === undefined ? most : BigInt(limit);
		return wanted < most ? wanted : most;
	};
	const outgoing = spec.direction === "out";
	return {
		...(soft.bytes !== undefined && { softBytes: soft.bytes }),
		...(hard.bytes !== undefined && { hardBytes: hard.bytes }),
		...((outgoing || soft.packets !== undefined) && {
			softPackets: packets(soft.packets, spare > 0n ? spare : 0n),
		}),
		...((outgoing || hard.packets !== undefined) && {
			hardPackets: packets(hard.packets, left),
		}),
		...(hard.untilMs !== undefined && {
			hardSeconds: Math.max(
				1,
				Math.ceil((hard.untilMs - monotonicMs()) / 1000),
			),
		}),
	};
}
