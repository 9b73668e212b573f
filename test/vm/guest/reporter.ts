/** Reporter of node:test for guests: one line of JSON a test that has ended. */
import type { TestEvent } from "node:test/reporters";

export interface GuestResult {
	readonly name: string;
	readonly durationMs: number;
	/** Why it failed. */
	readonly error?: string;
	readonly skipped?: string;
}

export default async function* report(
	events: AsyncIterable<TestEvent>,
): AsyncGenerator<string> {
	for await (const { type, data } of events) {
		if (type !== "test:pass" && type !== "test:fail") continue;
		if (data.nesting !== 0) continue;
		const { skip } = data;
		const result: GuestResult = {
			name: data.name,
			durationMs: Math.round(data.details.duration_ms),
			...(type === "test:fail" && { error: causeOf(data.details.error) }),
			...(skip !== undefined &&
				skip !== false && { skipped: skip === true ? "" : skip }),
		};
		yield `${JSON.stringify(result)}\n`;
	}
}

/** node:test wraps what was thrown. */
function causeOf(error: Error): string {
	const { cause } = error;
	if (cause instanceof Error) return cause.stack ?? cause.message;
	return typeof cause === "string" ? cause : (error.stack ?? error.message);
}
