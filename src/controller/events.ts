/**
 * What happened: changes with who made them (the audit log), nodes that come
 * and go, what agents report. The newest are kept; readers may follow.
 */
import type { Store, Write } from "./store/store.js";

export interface Happening {
	readonly kind: string;
	readonly message: string;
	readonly tenant?: string;
	readonly node?: string;
	/** Name of the token or node that did it. */
	readonly who?: string;
}

export interface Event extends Happening {
	/** Grows by one, also over restarts. */
	readonly id: number;
	readonly timeMs: number;
}

export interface EventLog {
	/** Published at once, stored with others soon after. */
	add(happening: Happening): void;
	/** For a commit of the caller's own: the write, and what to call once it is done. */
	draft(happening: Happening): { write: Write; publish: () => void };
	/** Oldest first, the newest `limit` with a larger id than `after`. */
	list(filter: {
		after?: number;
		limit?: number;
		tenant?: string | undefined;
	}): Event[];
	follow(listener: (event: Event) => void): () => void;
	/** Stores what is not stored yet. */
	flush(): Promise<void>;
}

/**
 * What the kernel samples of traffic, up to ten a second of each, and keys that
 * change by themselves. They must not push out who changed what.
 */
const SAMPLED: ReadonlySet<string> = new Set([
	"drop",
	"learned",
	"denied",
	"revoked",
	"rekey",
	"enrol",
	"key-refused",
]);

const PREFIX = "event/";
const LIMIT = 1000;
const keyOf = (id: number) => `${PREFIX}${String(id).padStart(14, "0")}`;

/** Opens the log; keeps the newest `keep` events, at most half of them samples. */
export async function openEventLog(
	store: Store,
	keep = 10_000,
	now: () => number = Date.now,
): Promise<EventLog> {
	const events = (await store.list(PREFIX)).map((e) => e.value as Event);
	let samples = events.filter(({ kind }) => SAMPLED.has(kind)).length;
	const listeners = new Set<(event: Event) => void>();
	let nextId = (events.at(-1)?.id ?? 0) + 1;
	let unsaved: Write[] = [];
	let saving: Promise<void> | undefined;

	function make(happening: Happening): Event {
		return { id: nextId++, timeMs: now(), ...happening };
	}

	function forget(old: Event): void {
		if (SAMPLED.has(old.kind)) samples--;
		unsaved.push({ key: keyOf(old.id), value: undefined });
	}

	function publish(event: Event): void {
		events.push(event);
		if (SAMPLED.has(event.kind) && ++samples > keep / 2) {
			const oldest = events.findIndex(({ kind }) => SAMPLED.has(kind));
			for (const old of events.splice(oldest, 1)) forget(old);
		}
		for (const old of events.splice(0, events.length - keep)) forget(old);
		for (const listener of [...listeners]) listener(event);
	}

	/** One commit for all that came since the last: events may come in floods. */
	function save(): Promise<void> {
		saving ??= new Promise<void>((done) => setImmediate(done))
			.then(() => {
				const writes = unsaved;
				unsaved = [];
				saving = undefined;
				if (writes.length > 0) return store.transact(writes);
				return undefined;
			})
			.then(() => undefined);
		return saving;
	}

	return {
		add(happening) {
			const event = make(happening);
			unsaved.push({ key: keyOf(event.id), value: event });
			publish(event);
			// A full disk must not end the controller; what needs durability drafts.
			save().catch(() => {});
		},
		draft(happening) {
			const event = make(happening);
			return {
				write: { key: keyOf(event.id), value: event },
				publish: () => publish(event),
			};
		},
		list({ after = 0, limit = LIMIT, tenant }) {
			return events
				.filter((event) => event.id > after)
				.filter((event) => tenant === undefined || event.tenant === tenant)
				.slice(-limit);
		},
		follow(listener) {
			listeners.add(listener);
			return () => listeners.delete(listener);
		},
		flush: save,
	};
}
