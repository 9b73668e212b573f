/** What is declared, with what is known of it: lists and descriptions. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { Fault } from "../../controller/fault.js";
import type { App } from "../app.js";
import { askCounters } from "../ask.js";
import { callerOf, confinedTo, EVERYONE, STAFF } from "../auth.js";
import type { Context } from "../context.js";
import {
	ErrorBody,
	FlowClassList,
	FlowClassView,
	FunctionList,
	FunctionView,
	NodeList,
	NodeView,
	PathList,
	PathView,
	PolicyList,
	PolicyView,
	TenantList,
	TenantView,
} from "../schemas.js";
import { followList, openStream, wantsStream } from "../stream.js";
import {
	flowClassView,
	functionView,
	nodeView,
	pathViews,
	policyViews,
	tenantView,
} from "../views.js";

const ByName = Type.Object({ name: Type.String({ maxLength: 40 }) });
const BySpi = Type.Object({
	spi: Type.Integer({ minimum: 0, maximum: 0xffffff }),
});

const FOLLOWED = {
	description:
		"With `Accept: text/event-stream`: a stream, the whole list whenever it changes.",
} as const;

export async function objectRoutes(app: App, context: Context): Promise<void> {
	const { reconciler, delivery, fleet } = context;
	const everyone = { config: { access: EVERYONE } };
	const staff = { config: { access: STAFF } };
	const responses = <S extends Type.TSchema>(schema: S) => ({
		200: schema,
		default: ErrorBody,
	});
	const paths = () => pathViews(delivery.desired);
	const pathsCounted = async () =>
		pathViews(delivery.desired, (await askCounters(fleet)).answers);

	/** Answers with a list, or goes on answering whenever it changes. */
	const answer = <T>(
		request: FastifyRequest,
		reply: FastifyReply,
		items: () => T[],
	): { items: T[] } | FastifyReply => {
		if (!wantsStream(request)) return { items: items() };
		followList(context, openStream(context, request, reply), () => ({
			items: items(),
		}));
		return reply;
	};

	app.get(
		"/v1/tenants",
		{ ...everyone, schema: { ...FOLLOWED, response: responses(TenantList) } },
		async (request, reply) => {
			const tenant = confinedTo(request);
			return answer(request, reply, () => {
				const known = paths();
				return [...reconciler.intent.tenants.values()]
					.filter((document) => (tenant ?? document.name) === document.name)
					.map((document) => tenantView(reconciler, known, document));
			});
		},
	);
	app.get(
		"/v1/tenants/:name",
		{
			...everyone,
			schema: { params: ByName, response: responses(TenantView) },
		},
		async (request) => {
			const { name } = request.params;
			const isHidden = (confinedTo(request) ?? name) !== name;
			const document = reconciler.intent.tenants.get(name);
			if (!document || isHidden) throw missing("tenant", name);
			return tenantView(reconciler, paths(), document);
		},
	);

	app.get(
		"/v1/nodes",
		{ ...staff, schema: { ...FOLLOWED, response: responses(NodeList) } },
		async (request, reply) =>
			answer(request, reply, () =>
				[...reconciler.intent.nodes.values()].map((document) =>
					nodeView(context, document),
				),
			),
	);
	app.get(
		"/v1/nodes/:name",
		{ ...staff, schema: { params: ByName, response: responses(NodeView) } },
		async ({ params: { name } }) => {
			const document = reconciler.intent.nodes.get(name);
			if (!document) throw missing("node", name);
			return nodeView(context, document);
		},
	);

	app.get(
		"/v1/functions",
		{ ...staff, schema: { ...FOLLOWED, response: responses(FunctionList) } },
		async (request, reply) =>
			answer(request, reply, () => {
				const known = paths();
				return [...reconciler.intent.functions.values()].map((document) =>
					functionView(context, known, document),
				);
			}),
	);
	app.get(
		"/v1/functions/:name",
		{ ...staff, schema: { params: ByName, response: responses(FunctionView) } },
		async ({ params: { name } }) => {
			const document = reconciler.intent.functions.get(name);
			if (!document) throw missing("function", name);
			return functionView(context, paths(), document);
		},
	);

	app.get(
		"/v1/flow-classes",
		{ ...staff, schema: { ...FOLLOWED, response: responses(FlowClassList) } },
		async (request, reply) =>
			answer(request, reply, () =>
				[...reconciler.intent.flowClasses.values()].map((document) =>
					flowClassView(reconciler, document),
				),
			),
	);
	app.get(
		"/v1/flow-classes/:name",
		{
			...staff,
			schema: { params: ByName, response: responses(FlowClassView) },
		},
		async ({ params: { name } }) => {
			const document = reconciler.intent.flowClasses.get(name);
			if (!document) throw missing("flow class", name);
			return flowClassView(reconciler, document);
		},
	);

	app.get(
		"/v1/policies",
		{ ...everyone, schema: { ...FOLLOWED, response: responses(PolicyList) } },
		async (request, reply) => {
			const tenant = confinedTo(request);
			return answer(request, reply, () => {
				const visible = [...reconciler.intent.policies.values()].filter(
					({ spec }) => tenant === undefined || spec.tenant === tenant,
				);
				return policyViews(paths(), visible);
			});
		},
	);
	app.get(
		"/v1/policies/:name",
		{
			...everyone,
			schema: { params: ByName, response: responses(PolicyView) },
		},
		async (request) => {
			const { name } = request.params;
			const { tenant } = callerOf(request);
			const document = reconciler.intent.policies.get(name);
			const isHidden = tenant !== undefined && document?.spec.tenant !== tenant;
			if (!document || isHidden) throw missing("policy", name);
			const [view] = policyViews(await pathsCounted(), [document]);
			if (!view) throw missing("policy", name);
			return view;
		},
	);

	app.get(
		"/v1/paths",
		{ ...everyone, schema: { response: responses(PathList) } },
		async (request) => {
			const tenant = confinedTo(request);
			return {
				items: (await pathsCounted()).filter(
					(path) => (tenant ?? path.tenant) === path.tenant,
				),
			};
		},
	);
	app.get(
		"/v1/paths/:spi",
		{ ...everyone, schema: { params: BySpi, response: responses(PathView) } },
		async (request) => {
			const { spi } = request.params;
			const tenant = confinedTo(request);
			const path = (await pathsCounted()).find((view) => view.spi === spi);
			const isHidden = tenant !== undefined && path?.tenant !== tenant;
			if (!path || isHidden) throw missing("path", String(spi));
			return path;
		},
	);
}

function missing(kind: string, name: string): Fault {
	return new Fault(
		"not_found",
		`get ${kind} ${name}: there is none of that name (list them with \`chainmail get\`)`,
	);
}
