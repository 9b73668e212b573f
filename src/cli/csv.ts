/** Records as comma-separated values, quoted as RFC 4180 says; lines end with LF. */
import { printable } from "./terminal.js";

/**
 * A line of names, then one a record; none where there are no records. Fields of
 * inner objects are named as in `status.revision`; a list is one field, as JSON.
 */
export function* csv(records: readonly object[]): Generator<string> {
	const flat = records.map((record) => new Map(fieldsOf(record, "")));
	const names = new Set(flat.flatMap((fields) => [...fields.keys()]));
	if (flat.length === 0) return;
	yield [...names].map(quoted).join(",");
	for (const fields of flat)
		yield Array.from(names, (name) => quoted(fields.get(name) ?? "")).join(",");
}

function fieldsOf(record: object, prefix: string): [string, string][] {
	return Object.entries(record).flatMap(([key, value]): [string, string][] => {
		const name = prefix + key;
		if (value === undefined || value === null) return [[name, ""]];
		if (Array.isArray(value)) return [[name, JSON.stringify(value)]];
		if (typeof value === "object") return fieldsOf(value, `${name}.`);
		return [[name, String(value)]];
	});
}

/** RFC 4180 §2: a quote inside of quotes is doubled. */
function quoted(text: string): string {
	const safe = printable(text);
	return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
