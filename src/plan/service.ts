/** What the proxy may learn from a function, with every default filled in. */
import type { FunctionDocument } from "../model/intent.js";

export interface ServiceState {
	/** `auto`: the node decides by the ruleset that is in place. */
	readonly offload: "auto" | "none" | "verdict" | "rewrite";
	/** Packets that must have come back; 0: TCP once established, else one. */
	readonly learnAfter: number;
	readonly deadlineMs: number;
	readonly denyMs: number;
	readonly revalidateMs: number;
	readonly idleMs: {
		readonly tcp: number;
		readonly udp: number;
	};
}

/**
 * Below the times of conntrack (30 s for UDP without an answer, 5 days for
 * TCP): a function must not forget a flow that skips it, hence the samples.
 */
const DEFAULTS = {
	deadlineMs: 200,
	denyMs: 1000,
	revalidateMs: 10_000,
	idleMs: { tcp: 300_000, udp: 25_000 },
} as const;

export function serviceOf(spec: FunctionDocument["spec"]): ServiceState {
	const { after = "established", idleMs, ...times } = spec.learn ?? {};
	return {
		...DEFAULTS,
		...times,
		idleMs: { ...DEFAULTS.idleMs, ...idleMs },
		learnAfter: after === "established" ? 0 : after,
		offload: spec.offload ?? defaultOffload(spec),
	};
}

/** A program may look into every packet; a ruleset alone says what it looks at. */
function defaultOffload(
	spec: FunctionDocument["spec"],
): ServiceState["offload"] {
	const judges = spec.attach === "routed" && spec.runtime === "process";
	return judges && spec.ruleset && !spec.command ? "auto" : "none";
}
