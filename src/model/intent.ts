/**
 * Intent: what an operator declares. One schema per kind; the same schemas
 * validate YAML files, the HTTP API and generate the OpenAPI document.
 */
import { type Static, Type } from "typebox";
import { INTERFACE_NAME } from "./interface-name.js";

/** Longest name that still fits derived kernel names with their prefixes. */
const NAME_MAX = 40;

export const Name = Type.String({
	pattern: "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
	minLength: 1,
	maxLength: NAME_MAX,
	description: "lower-case letters, digits and dashes",
});

/** IPv4 or IPv6 prefix in CIDR form; checked semantically after the schema. */
export const Prefix = Type.String({ minLength: 2, maxLength: 43 });
export const Address = Type.String({ minLength: 2, maxLength: 39 });
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
		exit: Type.Optional(Name),
	},
	closed,
);

export const NodeInterface = Type.Object(
	{
		name: InterfaceName,
		role: Type.Union([
			Type.Literal("access"),
			Type.Literal("exit"),
			Type.Literal("underlay"),
		]),
		tenant: Type.Optional(Name),
		vlan: Type.Optional(Type.Integer({ minimum: 1, maximum: 4094 })),
	},
	closed,
);

export const NodeSpec = Type.Object(
	{
		underlay: Type.Optional(Address),
		mtu: Type.Optional(
			Type.Integer({
				minimum: 1280,
				maximum: 65535,
				description: "MTU of the underlay in bytes (default: 1500)",
			}),
		),
		interfaces: Type.Array(NodeInterface, { minItems: 1 }),
	},
	closed,
);

/** Where the nftables ruleset of a function comes from. */
export const Ruleset = Type.Union([
	Type.Object({ text: Type.String({ maxLength: 1_000_000 }) }, closed),
	Type.Object({ file: Type.String({ minLength: 1, maxLength: 4096 }) }, closed),
]);

export const Probe = Type.Object(
	{
		proto: Type.Union([Type.Literal("udp"), Type.Literal("icmp")]),
		dport: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535 })),
		intervalMs: Type.Optional(Type.Integer({ minimum: 10, maximum: 60_000 })),
		/** Probes missed in a row until the instance counts as down. */
		misses: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
	},
	closed,
);

export const Instance = Type.Object(
	{
		name: Name,
		node: Name,
		weight: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
		/** external runtime: interfaces of the node towards the function. */
		inside: Type.Optional(InterfaceName),
		outside: Type.Optional(InterfaceName),
		/** external runtime: MAC addresses of the function itself (routed only). */
		insideMac: Type.Optional(
			Type.String({ pattern: "^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$" }),
		),
		outsideMac: Type.Optional(
			Type.String({ pattern: "^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$" }),
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
		runtime: Type.Union([Type.Literal("process"), Type.Literal("external")]),
		command: Type.Optional(
			Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), {
				minItems: 1,
				maxItems: 100,
				description:
					"argv of a program that runs in the function's namespace; its ports are `inside` and `outside` (tap: `tap`)",
			}),
		),
		ruleset: Type.Optional(Ruleset),
		/** Addresses the function owns outside, for example a NAT's public ones. */
		addresses: Type.Optional(Type.Array(Prefix, { maxItems: 64 })),
		/** The function changes addresses or ports (NAT): it gets a port a path. */
		rewrites: Type.Optional(Type.Boolean()),
		/** Tenants that may use it (default: all whose subnets do not overlap). */
		tenants: Type.Optional(Type.Array(Name, { minItems: 1 })),
		probe: Type.Optional(Probe),
		instances: Type.Array(Instance, { minItems: 1, maxItems: 64 }),
	},
	closed,
);

export const PolicySpec = Type.Object(
	{
		tenant: Type.Optional(Name),
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
		steering: Type.Optional(Type.Literal("nsh")),
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
