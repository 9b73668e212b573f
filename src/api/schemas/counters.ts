/** A node's counters: hops, ports of functions, learned verdicts, drops. */
import { type Static, Type } from "typebox";
import { Counted, count, list, Missing, text } from "./parts.js";

const EfCounted = Type.Object({
	...Counted.properties,
	/** Packets that did not come out, by reason. */
	refused: Type.Record(Type.String(), count),
});

export const CountersView = Type.Object({
	node: text,
	hops: Type.Array(
		Type.Object({
			spi: count,
			si: count,
			policy: text,
			tenant: text,
			function: Type.Optional(text),
			...Counted.properties,
		}),
	),
	ports: Type.Array(
		Type.Object({
			function: text,
			instance: text,
			port: count,
			side: Type.Union([Type.Literal("inside"), Type.Literal("outside")]),
			toFunction: Counted,
			fromFunction: Counted,
		}),
	),
	/** What became of verdicts, by name of the counter. */
	verdicts: Type.Array(
		Type.Object({
			function: text,
			instance: text,
			port: count,
			what: text,
			count,
		}),
	),
	/** Entries of the service state list, counted every 30 s, and how many fit. */
	states: Type.Optional(Type.Object({ entries: count, capacity: count })),
	/** Of the encryption function that runs, since it was started. */
	ef: Type.Optional(Type.Object({ out: EfCounted, in: EfCounted })),
	drops: Type.Array(Type.Object({ reason: text, ...Counted.properties })),
	/** The node did not answer; its lists are empty. */
	error: Type.Optional(text),
});
export type CountersView = Static<typeof CountersView>;

export const CountersList = Type.Object({
	...list(CountersView).properties,
	missing: Type.Array(Missing),
});
export type CountersList = Static<typeof CountersList>;
