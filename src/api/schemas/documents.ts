/** What is declared, each document with its live status. */
import { type Static, Type } from "typebox";
import { FunctionSpec } from "../../model/function-spec.js";
import {
	FlowClassSpec,
	NodeSpec,
	PolicySpec,
	TenantSpec,
} from "../../model/intent.js";
import { InstanceHealth, NodeLive } from "./nodes.js";
import { count, list, text } from "./parts.js";
import { PathView } from "./paths.js";

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
export const FlowClassView = Type.Object({
	kind: Type.Literal("FlowClass"),
	name: text,
	spec: FlowClassSpec,
	/** Policies that except it from encryption. */
	status: Type.Object({ policies: Type.Array(text) }),
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
export type FlowClassView = Static<typeof FlowClassView>;
export type PolicyView = Static<typeof PolicyView>;
export type DocumentView =
	| TenantView
	| NodeView
	| FunctionView
	| FlowClassView
	| PolicyView;

export const TenantList = list(TenantView);
export const NodeList = list(NodeView);
export const FunctionList = list(FunctionView);
export const FlowClassList = list(FlowClassView);
export const PolicyList = list(PolicyView);
