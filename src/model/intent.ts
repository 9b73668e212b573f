/**
 * Intent: what an operator declares. One schema per kind; the same schemas
 * validate YAML files, the HTTP API and generate the OpenAPI document.
 */
import { type Static, Type } from "typebox";
import { INTERFACE_NAME } from "./interface-name.js";

/** Longest name that still fits derived kernel names with their prefixes. */
const NAME_MAX = 40;

export const NAME = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
export const NAME_RULE = "lower-case letters, digits and dashes";
export const Name = Type.String({
	pattern: NAME,
	minLength: 1,
	maxLength: NAME_MAX,
	description: NAME_RULE,
});

/** IPv4 or IPv6 prefix in CIDR form; checked semantically after the schema. */
export const Prefix = Type.String({ minLength: 2, maxLength: 43 });
export const Address = Type.String({ minLength: 2, maxLength: 39 });
/** The same with what it is for; a plain copy would lose what TypeBox hides in it. */
const described = <S extends Type.TSchema>(schema: S, description: string): S =>
	Object.defineProperties({} as S, {
		...Object.getOwnPropertyDescriptors(schema),
		description: { value: description, enumerable: true },
	});
export const InterfaceName = Type.String({ pattern: INTERFACE_NAME });

const closed = { additionalProperties: false } as const;

export const TenantSpec = Type.Object(
	{
		subnets: Type.Array(Prefix, {
			minItems: 1,
			description: "prefixes of the tenant's users; tenants may overlap",
		}),
		default: Type.Optional(
			Type.Union([Type.Literal("forward"), Type.Literal("drop")], {
				description:
					"what happens to packets that match no policy (default: forward)",
			}),
		),
		exit: Type.Optional(
			described(
				Name,
				"node where the tenant's chains end (default: the only one with an exit interface for it)",
			),
		),
	},
	closed,
);

export const NodeInterface = Type.Object(
	{
		name: described(InterfaceName, "its name on the node"),
		role: Type.Union(
			[Type.Literal("access"), Type.Literal("exit"), Type.Literal("underlay")],
			{
				description:
					"access: users arrive here; exit: packets leave chains here; underlay: leads to other nodes",
			},
		),
		tenant: Type.Optional(
			described(
				Name,
				"whose users arrive, or the only tenant that may leave here (default for exit: all)",
			),
		),
		vlan: Type.Optional(
			Type.Integer({
				minimum: 1,
				maximum: 4094,
				description: "only frames with this VLAN tag (default: untagged)",
			}),
		),
	},
	closed,
);

export const NodeSpec = Type.Object(
	{
		underlay: Type.Optional(
			described(
				Address,
				"IPv4 address at which other nodes reach this one; not needed where there is only one",
			),
		),
		mtu: Type.Optional(
			Type.Integer({
				minimum: 1280,
				maximum: 65535,
				description: "MTU of the underlay in bytes (default: 1500)",
			}),
		),
		interfaces: Type.Array(NodeInterface, {
			minItems: 1,
			description: "the interfaces that Chainmail works on",
		}),
	},
	closed,
);

export const Ruleset = Type.Union(
	[
		Type.Object(
			{
				text: Type.String({
					maxLength: 1_000_000,
					description: "the rules themselves, as `nft -f` takes them",
				}),
			},
			closed,
		),
		Type.Object(
			{
				file: Type.String({
					minLength: 1,
					maxLength: 4096,
					description: "or a file on the node; it is followed as it changes",
				}),
			},
			closed,
		),
	],
	{
		description:
			"nftables ruleset of the function's namespace; in place before a packet comes",
	},
);

export const Probe = Type.Object(
	{
		proto: Type.Union([Type.Literal("udp"), Type.Literal("icmp")], {
			description: "what the probe is; the function has to let it pass",
		}),
		dport: Type.Optional(
			Type.Integer({
				minimum: 1,
				maximum: 65535,
				description: "destination port of a udp probe (default: 7)",
			}),
		),
		intervalMs: Type.Optional(
			Type.Integer({
				minimum: 10,
				maximum: 60_000,
				description: "milliseconds from probe to probe (default: 1000)",
			}),
		),
		misses: Type.Optional(
			Type.Integer({
				minimum: 1,
				maximum: 100,
				description:
					"probes missed in a row until the instance counts as down (default: 3)",
			}),
		),
	},
	closed,
);

const Mac = Type.String({
	pattern: "^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$",
});

export const Instance = Type.Object(
	{
		name: described(Name, "its name, of its own within the function"),
		node: described(Name, "node where it runs"),
		weight: Type.Optional(
			Type.Integer({
				minimum: 1,
				maximum: 100,
				description: "its share of the flows beside the others' (default: 1)",
			}),
		),
		standby: Type.Optional(
			Type.Boolean({
				description:
					"it gets flows only while no other instance of the function is up",
			}),
		),
		inside: Type.Optional(
			described(
				InterfaceName,
				"runtime external: interface of the node towards the function's side of users",
			),
		),
		outside: Type.Optional(
			described(
				InterfaceName,
				"runtime external: interface towards its other side; a tap has none",
			),
		),
		insideMac: Type.Optional(
			described(
				Mac,
				"runtime external, routed: the function's own MAC inside, 02:00:00:00:00:01",
			),
		),
		outsideMac: Type.Optional(
			described(
				Mac,
				"runtime external, routed: the function's own MAC outside, 02:00:00:00:00:02",
			),
		),
	},
	closed,
);

const Milliseconds = (description: string, minimum: number, maximum: number) =>
	Type.Integer({ minimum, maximum, description });

/** How a verdict is learned and how long it holds; only of use with `offload`. */
export const Learn = Type.Object(
	{
		after: Type.Optional(
			Type.Union(
				[
					Type.Literal("established"),
					Type.Integer({ minimum: 1, maximum: 1000 }),
				],
				{
					description:
						"packets that must have come back, or `established`: TCP after its handshake, anything else after one (default)",
				},
			),
		),
		deadlineMs: Type.Optional(
			Milliseconds(
				"a flow of which nothing comes back for so long is denied (default 200)",
				10,
				60_000,
			),
		),
		denyMs: Type.Optional(
			Milliseconds("how long a deny holds (default 1000)", 10, 3_600_000),
		),
		revalidateMs: Type.Optional(
			Milliseconds(
				"how often a sample of the flow passes the function again (default 10000)",
				100,
				86_400_000,
			),
		),
		idleMs: Type.Optional(
			Type.Object(
				{
					tcp: Type.Optional(Milliseconds("default 300000", 100, 432_000_000)),
					udp: Type.Optional(Milliseconds("default 25000", 100, 432_000_000)),
					other: Type.Optional(Milliseconds("default 25000", 100, 432_000_000)),
				},
				{
					...closed,
					description:
						"a flow unused for so long is judged anew; keep it below the function's own time",
				},
			),
		),
	},
	closed,
);

export const FunctionSpec = Type.Object(
	{
		attach: Type.Union(
			[Type.Literal("routed"), Type.Literal("bridged"), Type.Literal("tap")],
			{
				description:
					"routed: an L3 box; bridged: a bump in the wire; tap: gets a copy",
			},
		),
		runtime: Type.Union([Type.Literal("process"), Type.Literal("external")], {
			description:
				"process: Chainmail runs it in a network namespace of its own; external: somebody else runs it behind interfaces of the node",
		}),
		command: Type.Optional(
			Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), {
				minItems: 1,
				maxItems: 100,
				description:
					"argv of a program that runs in the function's namespace; its ports are `inside` and `outside` (tap: `tap`)",
			}),
		),
		ruleset: Type.Optional(Ruleset),
		addresses: Type.Optional(
			Type.Array(Prefix, {
				maxItems: 64,
				description:
					"addresses the function owns outside, for example a NAT's public ones",
			}),
		),
		rewrites: Type.Optional(
			Type.Boolean({
				description:
					"it changes addresses or ports (NAT): it gets a pair of interfaces for each path: `inside` and `outside`, `inside2` and `outside2` …",
			}),
		),
		offload: Type.Optional(
			Type.Union(
				[
					Type.Literal("none"),
					Type.Literal("verdict"),
					Type.Literal("rewrite"),
				],
				{
					description:
						"what may be learned so that a flow's later packets skip the function: nothing, that it lets the flow pass, or also how it changes its header (default: what its ruleset allows; none with a `command`)",
				},
			),
		),
		learn: Type.Optional(
			described(Learn, "how a verdict is learned, and how long it holds"),
		),
		tenants: Type.Optional(
			Type.Array(Name, {
				minItems: 1,
				description:
					"tenants that may use it (default: all whose subnets do not overlap)",
			}),
		),
		probe: Type.Optional(
			described(Probe, "packets sent through it to see that it works"),
		),
		onFailure: Type.Optional(
			Type.Union(
				[Type.Literal("closed"), Type.Literal("open"), Type.Literal("reset")],
				{
					description:
						"what becomes of its packets while an instance is down and no other one takes over. closed: they drop (default); open: they pass it by; reset: they drop, and both ends of a TCP connection are reset",
				},
			),
		),
		instances: Type.Array(Instance, {
			minItems: 1,
			maxItems: 64,
			description: "its running copies; flows are spread over them",
		}),
	},
	closed,
);

export const PolicySpec = Type.Object(
	{
		tenant: Type.Optional(
			described(Name, "whose packets it judges (default: everybody's)"),
		),
		rule: Type.String({
			minLength: 1,
			maxLength: 16_384,
			description:
				"match(predicate) >> function -> function; or >> pass, or >> drop",
		}),
		priority: Type.Optional(
			Type.Integer({
				minimum: 0,
				maximum: 65_535,
				description:
					"higher wins (default: 100); from 30000 on for operators; equal: the order of names",
			}),
		),
		steering: Type.Optional(
			Type.Literal("nsh", {
				description: "how packets are led (default: nsh)",
			}),
		),
		onChange: Type.Optional(
			Type.Union([Type.Literal("resteer"), Type.Literal("keep")], {
				description:
					"running flows after a change: move to the new path at once, or stay until they end or fall silent (default: resteer)",
			}),
		),
	},
	closed,
);

function document<K extends string, S extends Type.TSchema>(kind: K, spec: S) {
	return Type.Object({ kind: Type.Literal(kind), name: Name, spec }, closed);
}

export const TenantDocument = document("Tenant", TenantSpec);
export const NodeDocument = document("Node", NodeSpec);
export const FunctionDocument = document("Function", FunctionSpec);
export const PolicyDocument = document("Policy", PolicySpec);

/** Schema of each kind, keyed by its name in YAML. */
export const documents = {
	Tenant: TenantDocument,
	Node: NodeDocument,
	Function: FunctionDocument,
	Policy: PolicyDocument,
} as const;

export type Kind = keyof typeof documents;
export type TenantDocument = Static<typeof TenantDocument>;
export type NodeDocument = Static<typeof NodeDocument>;
export type FunctionDocument = Static<typeof FunctionDocument>;
export type PolicyDocument = Static<typeof PolicyDocument>;
export type IntentDocument =
	| TenantDocument
	| NodeDocument
	| FunctionDocument
	| PolicyDocument;

/** Everything declared, by kind and name. Immutable: a change makes a new one. */
export interface Intent {
	readonly tenants: ReadonlyMap<string, TenantDocument>;
	readonly nodes: ReadonlyMap<string, NodeDocument>;
	readonly functions: ReadonlyMap<string, FunctionDocument>;
	readonly policies: ReadonlyMap<string, PolicyDocument>;
}
