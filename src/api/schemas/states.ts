/** What functions have said of flows, and the query that picks some. */
import { type Static, Type } from "typebox";
import { Name } from "../../model/terms.js";
import { PORT_SIDES, STATE_VERDICTS } from "../../plan/verdicts.js";
import { flowFields } from "./flows.js";
import { closed, count, list, Missing, text } from "./parts.js";

const Verdict = Type.Enum([...STATE_VERDICTS]);
const endpoints = { src: text, dst: text, sport: count, dport: count };

export const StateView = Type.Object({
	node: text,
	function: text,
	instance: text,
	port: count,
	/** Where the flow's packets come out of the function. */
	side: Type.Enum([...PORT_SIDES]),
	tenant: text,
	policy: text,
	spi: count,
	/** As the function is given it. */
	...endpoints,
	proto: count,
	/** What holds for the flow's next packet; one of former rules is `pending`. */
	verdict: Verdict,
	/** The header the function gives it, with `rewrite` alone. */
	rewritten: Type.Optional(
		Type.Object({
			...endpoints,
			dscp: Type.Optional(count),
			hopLimit: Type.Optional(count),
		}),
	),
	ageMs: Type.Number(),
	idleMs: Type.Number(),
	/** Since the function last let a packet of it pass; absent: never yet. */
	vouchedMs: Type.Optional(Type.Number()),
	/** Packets given to the function, and back, since it was last forgotten. */
	delivered: count,
	returned: count,
	/** Packets and bytes handled without the function. */
	skipped: count,
	skippedBytes: count,
});
export type StateView = Static<typeof StateView>;

export const StateList = Type.Object({
	...list(StateView).properties,
	missing: Type.Array(Missing),
});
export type StateList = Static<typeof StateList>;

export const StateQuery = Type.Object(
	{
		...flowFields,
		function: Type.Optional(Name),
		instance: Type.Optional(Name),
		node: Type.Optional(Name),
		verdict: Type.Optional(Verdict),
	},
	closed,
);
