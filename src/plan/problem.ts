/** What keeps a plan from doing all that was declared. */
export interface PlanProblem {
	/**
	 * error: the declaration contradicts itself; refuse it. warning: something
	 * is missing yet, or down. Either way the traffic concerned is dropped.
	 */
	readonly severity: "error" | "warning";
	readonly policy?: string;
	readonly tenant?: string;
	readonly function?: string;
	/** `what: cause (likely fix)`. */
	readonly message: string;
}
