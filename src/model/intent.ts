/**
 * Intent: what an operator declares. One schema per kind; the same schemas
 * validate YAML files, the HTTP API and generate the OpenAPI document.
 */
import { type Static, Type } from "typebox";
import { Encrypt, Integrity } from "./encryption.js";
import { FunctionSpec } from "./function-spec.js";
import {
	Address,
	closed,
	described,
	InterfaceName,
	Name,
	Prefix,
} from "./terms.js";

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
		domain: Type.Optional(
			described(
				Name,
				"trust domain of the node; nodes without one are of one domain together",
			),
		),
		interfaces: Type.Array(NodeInterface, {
			minItems: 1,
			description: "the interfaces that Chainmail works on",
		}),
	},
	closed,
);

export const FlowClassSpec = Type.Object(
	{
		match: Type.String({
			minLength: 1,
			maxLength: 16_384,
			description:
				"predicate as in match(…) of a policy: proto=tcp & dport={25, 465, 587}",
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
		encrypt: Type.Optional(Encrypt),
		integrity: Type.Optional(Integrity),
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
export const FlowClassDocument = document("FlowClass", FlowClassSpec);
export const PolicyDocument = document("Policy", PolicySpec);

/** Schema of each kind, keyed by its name in YAML. */
export const documents = {
	Tenant: TenantDocument,
	Node: NodeDocument,
	Function: FunctionDocument,
	FlowClass: FlowClassDocument,
	Policy: PolicyDocument,
} as const;

export type Kind = keyof typeof documents;
export type TenantDocument = Static<typeof TenantDocument>;
export type NodeDocument = Static<typeof NodeDocument>;
export type FunctionDocument = Static<typeof FunctionDocument>;
export type FlowClassDocument = Static<typeof FlowClassDocument>;
export type PolicyDocument = Static<typeof PolicyDocument>;
export type IntentDocument =
	| TenantDocument
	| NodeDocument
	| FunctionDocument
	| FlowClassDocument
	| PolicyDocument;

/** Everything declared, by kind and name. Immutable: a change makes a new one. */
export interface Intent {
	readonly tenants: ReadonlyMap<string, TenantDocument>;
	readonly nodes: ReadonlyMap<string, NodeDocument>;
	readonly functions: ReadonlyMap<string, FunctionDocument>;
	readonly flowClasses: ReadonlyMap<string, FlowClassDocument>;
	readonly policies: ReadonlyMap<string, PolicyDocument>;
}
