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

/** Collects problems; one cause that meets many policies is told once. */
export class Problems {
	readonly #plain: PlanProblem[] = [];
	readonly #ofPolicies = new Map<
		string,
		{ severity: "error" | "warning"; policies: Set<string> }
	>();

	add(...problems: readonly PlanProblem[]): void {
		this.#plain.push(...problems);
	}

	policy(name: string, severity: "error" | "warning", cause: string): void {
		const known = this.#ofPolicies.get(cause);
		if (known) {
			known.policies.add(name);
		} else {
			this.#ofPolicies.set(cause, { severity, policies: new Set([name]) });
		}
	}

	/** Errors first. */
	list(): PlanProblem[] {
		const ofPolicies = [...this.#ofPolicies].map(
			([cause, { severity, policies }]): PlanProblem => {
				const [first = "", ...more] = policies;
				const others = more.length === 0 ? "" : ` (and ${more.length} more)`;
				return {
					severity,
					policy: first,
					message: `policy ${first}${others}: ${cause}`,
				};
			},
		);
		const all = [...this.#plain, ...ofPolicies];
		return [
			...all.filter((one) => one.severity === "error"),
			...all.filter((one) => one.severity === "warning"),
		];
	}
}
