/**
 * Every request and response of the HTTP API. The same schemas validate
 * requests, type the code on both sides and make the OpenAPI document.
 */
import { type Static, Type } from "typebox";
import {
	FunctionSpec,
	Name,
	NodeSpec,
	PolicySpec,
	TenantSpec,
} from "../model/intent.js";

const closed = { additionalProperties: false } as const;
const text = Type.String();
const count = Type.Integer({ minimum: 0 });
const list = <S extends Type.TSchema>(item: S) =>
	Type.Object({ items: Type.Array(item) });

/** Plural names as they stand in URLs and in `chainmail get`. */
export const kinds = {
	tenants: "Tenant",
	nodes: "Node",
	functions: "Function",
	policies: "Policy",
} as const;
export type KindPath = keyof typeof kinds;
export const KindPath = Type.Union([
	Type.Literal("tenants"),
	Type.Literal("nodes"),
	Type.Literal("functions"),
	Type.Literal("policies"),
]);

// errors

export const Problem = Type.Object({
	message: text,
	hint: Type.Optional(text),
	document: Type.Optional(
		Type.Integer({ description: "index in the request's `documents`" }),
	),
	pointer: Type.Optional(
		Type.String({ description: "JSON pointer (RFC 6901) into the document" }),
	),
	offset: Type.Optional(
		Type.Integer({
			description: "characters into the string at `pointer` (predicates)",
		}),
	),
	length: Type.Optional(Type.Integer()),
});
export type Problem = Static<typeof Problem>;

export const ErrorBody = Type.Object({
	error: Type.Object({
		code: text,
		message: text,
		hint: text,
		problems: Type.Array(Problem),
	}),
});
export type ErrorBody = Static<typeof ErrorBody>;

// changes

/** Documents as JSON; each is validated by its kind with located problems. */
export const ApplyRequest = Type.Object(
	{
		documents: Type.Array(Type.Unknown(), { maxItems: 100_000 }),
		dryRun: Type.Optional(
			Type.Boolean({ description: "check and plan, send nothing" }),
		),
		timeoutMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 300_000 })),
	},
	closed,
);
export type ApplyRequest = Static<typeof ApplyRequest>;

export const Change = Type.Object({
	kind: text,
	name: text,
	action: Type.Union([
		Type.Literal("created"),
		Type.Literal("changed"),
		Type.Literal("unchanged"),
		Type.Literal("deleted"),
	]),
});
export type Change = Static<typeof Change>;

export const ApplyResponse = Type.Object({
	revision: count,
	changes: Type.Array(Change),
	warnings: Type.Array(Problem),
	pending: Type.Array(text, {
		description: "connected nodes that had not acknowledged in time",
	}),
	disconnected: Type.Array(text, {
		description: "nodes that get the newest state when they come back",
	}),
});
export type ApplyResponse = Static<typeof ApplyResponse>;

// live parts

export const Counted = Type.Object({ packets: count, bytes: count });

export const InstanceHealth = Type.Object({
	function: text,
	instance: text,
	node: text,
	state: Type.Union([
		Type.Literal("starting"),
		Type.Literal("up"),
		Type.Literal("down"),
		Type.Literal("unknown"),
	]),
	reason: text,
	restarts: count,
	probeUs: Type.Optional(Type.Number()),
});
export type InstanceHealth = Static<typeof InstanceHealth>;

export const HopView = Type.Object({
	/** Service index the packet has when it meets this hop. */
	si: count,
	node: text,
	kind: Type.Union([
		Type.Literal("port"),
		Type.Literal("tap"),
		Type.Literal("node"),
		Type.Literal("exit"),
	]),
	function: Type.Optional(text),
	instance: Type.Optional(text),
	/** kind node: where the packet is sent. */
	to: Type.Optional(text),
	packets: Type.Optional(count),
	bytes: Type.Optional(count),
});
export type HopView = Static<typeof HopView>;

/** One direction of a path over all nodes, in the order a packet meets it. */
export const PathView = Type.Object({
	spi: count,
	reverseSpi: count,
	direction: Type.Union([Type.Literal("forward"), Type.Literal("reverse")]),
	policy: text,
	tenant: text,
	state: Type.Union([Type.Literal("active"), Type.Literal("draining")]),
	length: count,
	mtu: count,
	hops: Type.Array(HopView),
});
export type PathView = Static<typeof PathView>;

export const NodeLive = Type.Object({
	connected: Type.Boolean(),
	/** Newest revision the node acknowledged. */
	revision: count,
	/** Revision it should have. */
	desired: count,
	version: Type.Optional(text),
	sinceMs: Type.Optional(count),
	lastError: Type.Optional(text),
	checks: Type.Optional(
		Type.Array(
			Type.Object({
				name: text,
				ok: Type.Boolean(),
				detail: text,
				required: Type.Boolean(),
			}),
		),
	),
});
export type NodeLive = Static<typeof NodeLive>;

// documents with their live status

export const TenantView = Type.Object({
	kind: Type.Literal("Tenant"),
	name: text,
	spec: TenantSpec,
	status: Type.Object({ policies: count, paths: count }),
});
export const NodeView = Type.Object({
	kind: Type.Literal("Node"),
	name: text,
	spec: NodeSpec,
	status: Type.Object({
		...NodeLive.properties,
		instances: Type.Array(InstanceHealth),
	}),
});
export const FunctionView = Type.Object({
	kind: Type.Literal("Function"),
	name: text,
	spec: FunctionSpec,
	status: Type.Object({
		instances: Type.Array(InstanceHealth),
		paths: Type.Array(count),
	}),
});
export const PolicyView = Type.Object({
	kind: Type.Literal("Policy"),
	name: text,
	spec: PolicySpec,
	status: Type.Object({ paths: Type.Array(PathView) }),
});
export type TenantView = Static<typeof TenantView>;
export type NodeView = Static<typeof NodeView>;
export type FunctionView = Static<typeof FunctionView>;
export type PolicyView = Static<typeof PolicyView>;
export type DocumentView = TenantView | NodeView | FunctionView | PolicyView;

/** What becomes of a flow's packets: a path, the node's own routing, or nothing. */
const FlowAction = Type.Union([
	Type.Literal("chain"),
	Type.Literal("pass"),
	Type.Literal("drop"),
]);

export const FlowView = Type.Object({
	node: text,
	kind: Type.Union([Type.Literal("classified"), Type.Literal("learned")]),
	tenant: text,
	src: text,
	dst: text,
	proto: count,
	sport: count,
	dport: count,
	action: FlowAction,
	/** The path; with `chain` alone. */
	spi: Type.Optional(count),
	policy: text,
	packets: count,
	bytes: count,
	ageMs: Type.Number(),
	idleMs: Type.Number(),
});
export type FlowView = Static<typeof FlowView>;

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
	drops: Type.Array(Type.Object({ reason: text, ...Counted.properties })),
	/** The node did not answer; its lists are empty. */
	error: Type.Optional(text),
});
export type CountersView = Static<typeof CountersView>;

export const EventView = Type.Object({
	id: count,
	timeMs: count,
	kind: text,
	message: text,
	tenant: Type.Optional(text),
	node: Type.Optional(text),
	/** Name of the token that did it (audit). */
	who: Type.Optional(text),
});
export type EventView = Static<typeof EventView>;

export const TenantList = list(TenantView);
export const NodeList = list(NodeView);
export const FunctionList = list(FunctionView);
export const PolicyList = list(PolicyView);
export const PathList = list(PathView);
export const FlowList = list(FlowView);
export const CountersList = list(CountersView);
export const EventList = list(EventView);

export const FlowQuery = Type.Object(
	{
		tenant: Type.Optional(Name),
		src: Type.Optional(Type.String({ maxLength: 39 })),
		dst: Type.Optional(Type.String({ maxLength: 39 })),
		proto: Type.Optional(Type.Integer({ minimum: 0, maximum: 255 })),
		sport: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535 })),
		dport: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535 })),
		limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
	},
	closed,
);
export const EventQuery = Type.Object(
	{
		/** Events with a larger id; 0: all that are kept. */
		after: Type.Optional(count),
		limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
	},
	closed,
);

// status

export const StatusQuery = Type.Object(
	{
		wait: Type.Optional(
			Type.Literal("revision", {
				description:
					"answer when every connected node has acknowledged the revision",
			}),
		),
		timeoutMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 300_000 })),
	},
	closed,
);
export const StatusResponse = Type.Object({
	/** Newest revision sent. */
	revision: count,
	/** Where the newest change stands. */
	phase: Type.Union([
		Type.Literal("idle"),
		Type.Literal("make"),
		Type.Literal("switch"),
		Type.Literal("drain"),
		Type.Literal("break"),
		Type.Literal("rollback"),
	]),
	/** All connected nodes run the newest revision. */
	settled: Type.Boolean(),
	lastError: Type.Optional(text),
	nodes: Type.Array(Type.Object({ node: text, ...NodeLive.properties })),
});
export type StatusResponse = Static<typeof StatusResponse>;

// trace

const port = Type.Integer({ minimum: 0, maximum: 65535 });
export const TraceRequest = Type.Object(
	{
		tenant: Name,
		src: Type.String({ minLength: 2, maxLength: 39 }),
		dst: Type.String({ minLength: 2, maxLength: 39 }),
		proto: Type.Union([
			Type.Literal("tcp"),
			Type.Literal("udp"),
			Type.Literal("icmp"),
			Type.Literal("icmpv6"),
			Type.Literal("sctp"),
			Type.Integer({ minimum: 0, maximum: 255 }),
		]),
		sport: Type.Optional(port),
		dport: Type.Optional(port),
		dscp: Type.Optional(Type.Integer({ minimum: 0, maximum: 63 })),
		icmpType: Type.Optional(Type.Integer({ minimum: 0, maximum: 255 })),
		node: Type.Optional(Name),
		live: Type.Optional(
			Type.Boolean({ description: "add the flow's counters on every node" }),
		),
	},
	closed,
);
export type TraceRequest = Static<typeof TraceRequest>;

export const TraceStep = Type.Object({
	node: text,
	/** arrive, flow, rule, default, path, port, tap, encapsulate, exit, learn, pass, drop. */
	stage: text,
	/** Why, in words. */
	detail: text,
	spi: Type.Optional(count),
	si: Type.Optional(count),
	function: Type.Optional(text),
	instance: Type.Optional(text),
	/** encapsulate: the node it is sent to. */
	to: Type.Optional(text),
	/** exit: where it leaves. */
	interface: Type.Optional(text),
	policy: Type.Optional(text),
});
export type TraceStep = Static<typeof TraceStep>;

export const TraceResponse = Type.Object({
	verdict: Type.Union([
		Type.Literal("exit"),
		Type.Literal("pass"),
		Type.Literal("drop"),
	]),
	/** Name of the drop reason, where it is dropped. */
	reason: Type.Optional(text),
	policy: Type.Optional(text),
	steps: Type.Array(TraceStep),
	flows: Type.Optional(Type.Array(FlowView)),
});
export type TraceResponse = Static<typeof TraceResponse>;

// tokens

export const Role = Type.Union([
	Type.Literal("admin"),
	Type.Literal("operator"),
	Type.Literal("tenant"),
]);
export type Role = Static<typeof Role>;

export const TokenRequest = Type.Object(
	{
		name: Name,
		role: Role,
		tenant: Type.Optional(Name),
		ttlMs: Type.Optional(Type.Integer({ minimum: 1000 })),
	},
	closed,
);
export type TokenRequest = Static<typeof TokenRequest>;
export const TokenView = Type.Object({
	id: text,
	name: text,
	role: Role,
	tenant: Type.Optional(text),
	createdMs: count,
	expiresMs: Type.Optional(count),
});
export type TokenView = Static<typeof TokenView>;
/** The only time the token itself is shown: at rest it is a hash. */
export const TokenCreated = Type.Object({
	...TokenView.properties,
	token: text,
});
export type TokenCreated = Static<typeof TokenCreated>;
export const TokenList = list(TokenView);

export const JoinTokenRequest = Type.Object(
	{
		node: Name,
		ttlMs: Type.Optional(Type.Integer({ minimum: 1000, maximum: 604_800_000 })),
	},
	closed,
);
export type JoinTokenRequest = Static<typeof JoinTokenRequest>;
export const JoinTokenCreated = Type.Object({
	/** `<secret>.<SHA-256 of the CA certificate>`, usable once. */
	token: text,
	node: text,
	expiresMs: count,
});
export type JoinTokenCreated = Static<typeof JoinTokenCreated>;

// agents (types in plan/join.ts)

const csr = Type.String({ minLength: 1, maxLength: 8192 });
export const JoinRequest = Type.Object(
	{
		node: Name,
		secret: Type.String({ minLength: 1, maxLength: 128 }),
		csr,
	},
	closed,
);
export const RenewRequest = Type.Object({ csr }, closed);
export const JoinAnswer = Type.Object({
	certificate: text,
	ca: text,
	renewAfterMs: count,
});

export const Health = Type.Object({ status: Type.Literal("ok") });

/** `<data>/admin.json`, mode 0600: how the CLI on the same machine gets in. */
export const AdminFile = Type.Object({ url: text, token: text, ca: text });
export type AdminFile = Static<typeof AdminFile>;
