/** Readers of option values: each says what it expected. */
import { InvalidArgumentError } from "commander";

/** An integer within bounds, both included. */
export function integer(min: number, max: number) {
	return (text: string): number => {
		const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
		if (!(value >= min && value <= max))
			throw new InvalidArgumentError(
				`Expected a whole number from ${min} to ${max}.`,
			);
		return value;
	};
}

export const port = integer(0, 65_535);

/** `90s`, `10m`, `24h`, `7d` or `500ms`, in milliseconds. */
export function milliseconds(text: string): number {
	const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
	const size = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[
		match?.[2] ?? ""
	];
	if (match === null || size === undefined)
		throw new InvalidArgumentError(
			"Expected a time such as 500ms, 90s, 10m, 24h or 7d.",
		);
	return Number(match[1]) * size;
}

/** Collects an option that may be given several times. */
export function collect(
	text: string,
	before: readonly string[] = [],
): string[] {
	return [...before, text];
}
