/** What agents may say, as schemas: nothing unchecked passes this border. */
import { type Static, Type } from "typebox";
import { Compile } from "typebox/compile";
import type {
	AgentMessage,
	AgentRequest,
	DoctorCheck,
	FlowRecord,
	NodeCounters,
	StateRecord,
} from "../plan/protocol.js";
import { PORT_SIDES, STATE_VERDICTS } from "../plan/verdicts.js";

/**
 * Largest revision, number or time: 2^48, so that whatever is added to it in
 * this process stays an exact integer.
 */
const LARGEST = 2 ** 48;
const text = Type.String({ maxLength: 4096 });
const count = Type.Integer({ minimum: 0, maximum: LARGEST });
const time = Type.Number({ minimum: 0, maximum: LARGEST });
/** Of two clocks that may disagree. */
const age = Type.Number({ minimum: -LARGEST, maximum: LARGEST });
/** Bytes since a node's start may be more: exact as far as numbers are. */
const total = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const counter = { packets: total, bytes: total };
const Counter = Type.Object(counter);

const DoctorChecks = Type.Array(
	Type.Object({
		name: text,
		ok: Type.Boolean(),
		detail: text,
		required: Type.Boolean(),
	}),
	{ maxItems: 1000 },
);

const Instance = Type.Object({
	function: text,
	instance: text,
	state: Type.Union([
		Type.Literal("starting"),
		Type.Literal("up"),
		Type.Literal("down"),
	]),
	reason: text,
	restarts: count,
	probeUs: Type.Optional(time),
});

const Ef = Type.Object({
	state: Instance.properties.state,
	reason: text,
	restarts: count,
	engine: Type.Optional(
		Type.Object({
			kind: Type.Union([Type.Literal("userspace"), Type.Literal("xfrm")]),
			why: text,
		}),
	),
	enrolled: Type.Boolean(),
	connected: Type.Boolean(),
	sas: count,
	active: count,
	silent: Type.Optional(Type.Array(count, { maxItems: 100_000 })),
});

const Message = Type.Union([
	Type.Object({
		type: Type.Literal("hello"),
		protocol: count,
		version: text,
		revision: count,
		checks: DoctorChecks,
	}),
	Type.Object({
		type: Type.Literal("ack"),
		revision: count,
		tookMs: time,
	}),
	Type.Object({ type: Type.Literal("refuse"), revision: count, reason: text }),
	Type.Object({
		type: Type.Literal("status"),
		revision: count,
		instances: Type.Array(Instance),
		idlePaths: Type.Array(Type.Object({ spi: count, idleMs: time })),
		ef: Type.Optional(Ef),
	}),
	Type.Object({
		type: Type.Literal("event"),
		timeMs: time,
		kind: text,
		message: text,
		tenant: Type.Optional(text),
	}),
	Type.Object({
		type: Type.Literal("ef-enrol"),
		key: Type.String({ pattern: "^[A-Za-z0-9+/]{43,342}={0,2}$" }),
	}),
	Type.Object({
		type: Type.Literal("reply"),
		id: count,
		body: Type.Optional(Type.Unknown()),
		error: Type.Optional(text),
	}),
]);

const EfTraffic = Type.Object({
	...counter,
	refused: Type.Record(Type.String({ maxLength: 64 }), total),
});

const Texts = Type.Array(text, { maxItems: 1000 });

const Counters = Type.Object({
	hops: Type.Array(Type.Object({ spi: count, si: count, ...counter })),
	ports: Type.Array(
		Type.Object({
			function: text,
			instance: text,
			port: count,
			side: Type.Union([Type.Literal("inside"), Type.Literal("outside")]),
			toFunction: Counter,
			fromFunction: Counter,
		}),
	),
	verdicts: Type.Array(
		Type.Object({
			function: text,
			instance: text,
			port: count,
			what: text,
			count: total,
		}),
	),
	states: Type.Object({ entries: count, capacity: count }),
	drops: Type.Array(Type.Object({ reason: text, ...counter })),
	ef: Type.Optional(Type.Object({ out: EfTraffic, in: EfTraffic })),
});

const Flows = Type.Array(
	Type.Object({
		kind: Type.Union([Type.Literal("classified"), Type.Literal("learned")]),
		tenant: text,
		src: text,
		dst: text,
		proto: count,
		sport: count,
		dport: count,
		action: Type.Union([
			Type.Literal("chain"),
			Type.Literal("pass"),
			Type.Literal("drop"),
		]),
		spi: Type.Optional(count),
		policy: text,
		ageMs: age,
		idleMs: age,
		...counter,
	}),
);

const endpoints = { src: text, dst: text, sport: count, dport: count };

const States = Type.Array(
	Type.Object({
		function: text,
		instance: text,
		port: count,
		side: Type.Enum([...PORT_SIDES]),
		tenant: text,
		policy: text,
		spi: count,
		...endpoints,
		proto: count,
		verdict: Type.Enum([...STATE_VERDICTS]),
		rewritten: Type.Optional(
			Type.Object({
				...endpoints,
				dscp: Type.Optional(count),
				hopLimit: Type.Optional(count),
			}),
		),
		ageMs: age,
		idleMs: age,
		vouchedMs: Type.Optional(age),
		delivered: total,
		returned: total,
		skipped: total,
		skippedBytes: total,
	}),
);

/** What each question is answered with. */
export interface Replies {
	counters: NodeCounters;
	flows: FlowRecord[];
	states: StateRecord[];
	doctor: DoctorCheck[];
	check: string[];
	invalidate: string[];
}

const message = Compile(Message);
const replies = {
	counters: Compile(Counters),
	flows: Compile(Flows),
	states: Compile(States),
	doctor: Compile(DoctorChecks),
	check: Compile(Texts),
	invalidate: Compile(Texts),
};

interface Check<T> {
	Check(value: unknown): value is T;
	Errors(value: unknown): { instancePath: string; message: string }[];
}

function checked<T>(check: Check<T>, value: unknown, what: string): T {
	if (check.Check(value)) return value;
	const first = check.Errors(value)[0];
	throw new Error(
		`${what}: ${first?.instancePath || "/"} ${first?.message ?? "is malformed"} (do agent and controller have the same version?)`,
	);
}

/** Parses and checks one message of an agent; throws with the place of what is wrong. */
export function parseAgentMessage(raw: string): AgentMessage {
	let value: unknown;
	try {
		value = JSON.parse(raw);
	} catch {
		throw new Error("agent message: not JSON (is the peer a Chainmail agent?)");
	}
	const parsed: Static<typeof Message> = checked(
		message,
		value,
		"agent message",
	);
	return parsed as AgentMessage;
}

/** Checks the body of a reply to that question. */
export function parseReply<W extends AgentRequest["what"]>(
	what: W,
	body: unknown,
): Replies[W] {
	const check = replies[what] as unknown as Check<Replies[W]>;
	return checked(check, body, `reply to ${what}`);
}
