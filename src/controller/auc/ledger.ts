/** Audit records as events that people read, and as counts for metrics. */
import type { AuditRecord } from "../../keys/audit.js";
import type { EventLog, Happening } from "../events.js";
import type { KeyAuthority } from "./authority.js";

/** Kinds of events that tell of keys. */
export const KEY_EVENTS = ["keys", "rekey", "enrol", "key-refused"] as const;
type KeyEvent = (typeof KEY_EVENTS)[number];

/** How often each thing was done since the controller started. */
export type KeyCounts = ReadonlyMap<AuditRecord["what"], number>;

/** Returns the counts, which go on rising. */
export function keepLedger(authority: KeyAuthority, log: EventLog): KeyCounts {
	const counts = new Map<AuditRecord["what"], number>();
	authority.follow((record) => {
		counts.set(record.what, (counts.get(record.what) ?? 0) + 1);
		log.add(happening(record));
	});
	return counts;
}

function happening(record: AuditRecord): Happening {
	const node = "ef" in record ? record.ef : record.sender;
	return {
		kind: kindOf(record),
		message: textOf(record),
		node,
		...("by" in record && { who: record.by }),
	};
}

/** What people do, and what stops traffic, apart from what happens by itself. */
function kindOf(record: AuditRecord): KeyEvent {
	switch (record.what) {
		case "refuse":
		case "enrol-refused":
		case "report-refused":
			return "key-refused";
		case "expired":
			return record.withoutSuccessor ? "keys" : "rekey";
		case "revoke":
		case "revoke-node":
		case "admit-node":
			return "keys";
		case "enrol":
		case "enrolled":
		case "session":
			return "enrol";
		default:
			return "rekey";
	}
}

function textOf(record: AuditRecord): string {
	if ("ef" in record) return ofNode(record);
	const { eSpi, eSi, generation, flowClass, sender, receiver } = record;
	const spi = record.spi.toString(16).padStart(8, "0");
	const sa = `SA 0x${spi} of path ${eSpi} index ${eSi} (${flowClass}, ${sender} to ${receiver}, generation ${generation})`;
	return `${sa} ${wordsOf(record)}`;
}

function ofNode(record: Extract<AuditRecord, { readonly ef: string }>): string {
	const { ef } = record;
	switch (record.what) {
		case "revoke-node":
			return `node ${ef}: keys revoked, and its certificate for keys`;
		case "admit-node":
			return `node ${ef}: may have keys again`;
		case "enrol":
			return `node ${ef}: its encryption function may enrol`;
		case "enrolled":
			return `node ${ef}: its encryption function has enrolled`;
		case "session":
			return `node ${ef}: its encryption function said what it holds`;
		case "enrol-refused":
			return `node ${ef}: enrolment refused: ${record.reason ?? "no reason"}`;
		case "report-refused":
			return `node ${ef}: what its encryption function says is refused: ${record.reason ?? "no reason"}`;
	}
}

function wordsOf(
	record: Exclude<AuditRecord, { readonly ef: string }>,
): string {
	switch (record.what) {
		case "issue":
			return `issued (${record.reason})`;
		case "in-use":
			return "in use";
		case "undo":
			return `given up before it was in use (${record.reason})`;
		case "lost":
			return `lost by its ${record.role}`;
		case "refuse":
			return `refused by its ${record.role} (${record.step}: ${record.reason})`;
		case "removed":
			return record.revoked ? "removed, it was revoked" : "removed";
		case "expired":
			return record.withoutSuccessor
				? "expired without a successor: its traffic has stopped"
				: "expired";
		case "adopt":
			return `adopted, as its ${record.role} reports it`;
		case "revoke":
			return "revoked";
	}
}
