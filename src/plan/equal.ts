/** Equality of JSON values: states are compared often, and have no other parts. */
export function equal(a: unknown, b: unknown): boolean {
	if (a === b) {
		return true;
	}
	if (typeof a !== "object" || typeof b !== "object" || !a || !b) {
		return false;
	}
	if (Array.isArray(a)) {
		return (
			Array.isArray(b) &&
			a.length === b.length &&
			a.every((entry, index) => equal(entry, b[index]))
		);
	}
	const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>];
	const keys = Object.keys(x);
	return (
		!Array.isArray(b) &&
		keys.length === Object.keys(y).length &&
		keys.every((key) => Object.hasOwn(y, key) && equal(x[key], y[key]))
	);
}
