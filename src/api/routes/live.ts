/** What runs: status, flows, counters, and the way a packet would go. */
import { Fault } from "../../controller/fault.js";
import type { App } from "../app.js";
import { askCounters, askFlows, missingNodes } from "../ask.js";
import { callerOf, confinedTo, EVERYONE } from "../auth.js";
import type { Context } from "../context.js";
import {
	CountersList,
	type CountersView,
	ErrorBody,
	FlowList,
	FlowQuery,
	StatusQuery,
	StatusResponse,
	TraceRequest,
	TraceResponse,
} from "../schemas.js";
import { checkFlowFilter, flowFiltersOf, tracePacket } from "../trace.js";
import { countersView, nodeLive, pathViews } from "../views.js";

const FLOWS_LIMIT = 1000;
const WAIT_MS = 30_000;

export async function liveRoutes(app: App, context: Context): Promise<void> {
	const { reconciler, delivery, fleet } = context;
	const everyone = { config: { access: EVERYONE } };

	const isSettled = () =>
		fleet.connected().every((node) => delivery.isSettled(node));

	const livePaths = () =>
		new Set(
			[...delivery.desired.values()].flatMap(({ paths }) =>
				paths.map(({ spi }) => spi),
			),
		);
	const missing = (failures: ReadonlyMap<string, string>) =>
		missingNodes(reconciler.intent.nodes.keys(), fleet, failures);

	app.get(
		"/v1/status",
		{
			...everyone,
			schema: {
				querystring: StatusQuery,
				response: { 200: StatusResponse, default: ErrorBody },
			},
		},
		async (request): Promise<StatusResponse> => {
			const { wait, timeoutMs = WAIT_MS } = request.query;
			if (wait) await reached(isSettled, delivery.onProgress, timeoutMs);
			const { phase, lastError } = reconciler;
			const facts = {
				revision: delivery.revision,
				phase,
				settled: isSettled(),
			};
			// A tenant learns how far its change is, not what nodes there are.
			if (callerOf(request).role === "tenant") return { ...facts, nodes: [] };
			const names = new Set([
				...reconciler.intent.nodes.keys(),
				...delivery.desired.keys(),
				...fleet.connected(),
			]);
			return {
				...facts,
				...(lastError !== undefined && { lastError }),
				nodes: [...names]
					.sort()
					.map((node) => ({ node, ...nodeLive(context, node) })),
			};
		},
	);

	app.get(
		"/v1/flows",
		{
			...everyone,
			schema: {
				querystring: FlowQuery,
				response: { 200: FlowList, default: ErrorBody },
			},
		},
		async (request) => {
			const { limit = FLOWS_LIMIT, ...filter } = request.query;
			checkFlowFilter(filter);
			const confined = confinedTo(request);
			const tenant = confined ?? filter.tenant;
			// What tenants there are is not for one of them to find out.
			if (tenant && !confined && !reconciler.intent.tenants.has(tenant)) {
				throw new Fault(
					"not_found",
					`get flows: there is no tenant ${tenant} (list them with \`chainmail get tenants\`)`,
				);
			}
			const wanted = { ...filter, limit, ...(tenant && { tenant }) };
			const { flows, failures } = await askFlows(fleet, wanted, livePaths());
			return {
				// Nodes filter; what must not be seen is not left to them alone.
				items: flows.filter((flow) => (tenant ?? flow.tenant) === flow.tenant),
				missing: confined === undefined ? missing(failures) : [],
			};
		},
	);

	app.get(
		"/v1/counters",
		{
			...everyone,
			schema: { response: { 200: CountersList, default: ErrorBody } },
		},
		async (request) => {
			const tenant = confinedTo(request);
			const { answers, failures } = await askCounters(fleet);
			const paths = pathViews(delivery.desired);
			const items: CountersView[] = [...answers].map(([node, counters]) =>
				countersView(node, counters, paths, tenant),
			);
			for (const [node, error] of tenant === undefined ? failures : []) {
				items.push({ node, hops: [], ports: [], drops: [], error });
			}
			return {
				items: items.sort((a, b) => (a.node < b.node ? -1 : 1)),
				missing: tenant === undefined ? missing(failures) : [],
			};
		},
	);

	app.post(
		"/v1/trace",
		{
			...everyone,
			schema: {
				body: TraceRequest,
				response: { 200: TraceResponse, default: ErrorBody },
			},
		},
		async (request): Promise<TraceResponse> => {
			const { body } = request;
			const traced = tracePacket(delivery.desired, body, confinedTo(request));
			if (!body.live) return traced;
			const filters = flowFiltersOf(body, FLOWS_LIMIT);
			const asked = await Promise.all(
				filters.map((filter) => askFlows(fleet, filter, livePaths())),
			);
			const flows = asked.flatMap((answer) => answer.flows);
			return {
				...traced,
				flows: flows.filter((flow) => flow.tenant === body.tenant),
			};
		},
	);
}

/** Resolves when it holds, or when the time is over. */
function reached(
	holds: () => boolean,
	onProgress: Context["delivery"]["onProgress"],
	timeoutMs: number,
): Promise<void> {
	return new Promise((done) => {
		if (holds()) return done();
		const finish = () => {
			clearTimeout(timer);
			stop();
			done();
		};
		const timer = setTimeout(finish, timeoutMs);
		const stop = onProgress(() => {
			if (holds()) finish();
		});
	});
}
