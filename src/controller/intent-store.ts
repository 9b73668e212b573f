/** The intent in the store: one key a document. */
import { isDeepStrictEqual } from "node:util";
import { allDocuments, applyDocuments, emptyIntent } from "../model/change.js";
import type { Intent, IntentDocument } from "../model/intent.js";
import type { Store, Write } from "./store/store.js";

const INTENT = "intent/";

export function documentKey(document: { kind: string; name: string }): string {
	return `${INTENT}${document.kind}/${document.name}`;
}

/** What is stored, as it would be after these writes. */
export async function loadIntent(
	store: Store,
	writes: readonly Write[] = [],
): Promise<Intent> {
	const stored = await store.list(INTENT);
	const documents = new Map(stored.map(({ key, value }) => [key, value]));
	for (const { key, value } of writes) {
		if (!key.startsWith(INTENT)) continue;
		if (value === undefined) documents.delete(key);
		else documents.set(key, value);
	}
	// Checked when it was put there; the store is the controller's own.
	return applyDocuments(emptyIntent, [
		...documents.values(),
	] as IntentDocument[]).intent;
}

/** Writes that lead from one intent to the next. */
export function intentWrites(before: Intent, after: Intent): Write[] {
	const wanted = new Map(allDocuments(after).map((d) => [documentKey(d), d]));
	const had = new Map(allDocuments(before).map((d) => [documentKey(d), d]));
	return [
		...[...wanted]
			.filter(([key, document]) => !isDeepStrictEqual(had.get(key), document))
			.map(([key, value]) => ({ key, value })),
		...[...had.keys()]
			.filter((key) => !wanted.has(key))
			.map((key) => ({ key, value: undefined })),
	];
}
