/** One step of a roll-out: what all nodes said to it, and how the newest one went. */
import type { States } from "../plan/transition.js";
import type { Delivery, Outcome } from "./delivery.js";
import { Fault } from "./fault.js";
import type { Write } from "./store/store.js";

export type Phase = "idle" | "make" | "switch" | "drain" | "break" | "rollback";

/** For changes that nobody waits for: health, resuming, breaking. */
export const BACKGROUND_TIMEOUT_MS = 30_000;

export class Steps {
	phase: Phase = "idle";
	lastError: string | undefined;
	/** Why nodes refused the newest change, by node. */
	readonly refusals = new Map<string, string>();

	constructor(private readonly delivery: Delivery) {}

	/** Sends the states and waits for the nodes, as Delivery.send. */
	async send(
		phase: Phase,
		states: States,
		alongside: readonly Write[] = [],
		timeoutMs = BACKGROUND_TIMEOUT_MS,
	): Promise<Outcome> {
		this.phase = phase;
		const outcome = await this.delivery.send(states, alongside, timeoutMs);
		const [first] = outcome.refused;
		if (first) this.lastError = `node ${first.node} refused: ${first.reason}`;
		for (const { node, reason } of outcome.refused) {
			this.refusals.set(node, reason);
		}
		return outcome;
	}

	/** A change has come through: what was wrong before is over. */
	succeeded(): void {
		this.lastError = undefined;
		this.refusals.clear();
	}
}

/** Why the change must not go on, by what nodes refused. */
export function refusalOf(outcome: Outcome): Fault | undefined {
	const [first] = outcome.refused;
	if (!first) return undefined;
	return new Fault(
		"node_refused",
		`apply: node ${first.node}: ${first.reason} (nothing has changed)`,
		outcome.refused.map(({ node, reason }) => ({
			message: `node ${node}: ${reason}`,
		})),
	);
}

/** Why it must not, by who said nothing. */
export function silenceOf(outcome: Outcome): Fault | undefined {
	if (outcome.missing.length === 0) return undefined;
	const names = outcome.missing.join(", ");
	return new Fault(
		"node_unreachable",
		`apply: no acknowledgement in time from ${names} (nothing has changed; look at their agents, or end them)`,
	);
}
