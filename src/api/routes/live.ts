/** What runs: status, flows, states, counters, and the way a packet would go. */
import type { FastifyRequest } from "fastify";
import { Fault } from "../../controller/fault.js";
import type { App } from "../app.js";
import { askCounters, askFlows, askStates, missingNodes } from "../ask.js";
import { callerOf, confinedTo, EVERYONE } from "../auth.js";
import type { Context } from "../context.js";
import {
	CountersList,
	type CountersView,
	ErrorBody,
	FlowList,
	FlowQuery,
	StateList,
	StateQuery,
	StatusQuery,
	StatusResponse,
	TraceRequest,
	TraceResponse,
} from "../schemas.js";
import {
	type Addresses,
	checkFlowFilter,
	flowFiltersOf,
	tracePacket,
} from "../trace.js";
import { countersView, nodeLive, pathViews } from "../views.js";

const ROWS_LIMIT = 1000;
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
	/** What nodes are asked for; a tenant gets its own alone, whatever it asks. */
	const filterOf = <Q extends Addresses & { tenant?: string }>(
		request: FastifyRequest,
		noun: string,
		{ limit = ROWS_LIMIT, ...query }: Q & { limit?: number },
	) => {
		checkFlowFilter(noun, query);
		const confined = confinedTo(request);
		const tenant = confined ?? query.tenant;
		// What tenants there are is not for one of them to find out.
		if (tenant && !confined && !reconciler.intent.tenants.has(tenant))
			throw absent(noun, "tenant", tenant);
		return { ...query, limit, ...(tenant && { tenant }) };
	};
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
			const wanted = filterOf(request, "flows", request.query);
			const { flows, failures } = await askFlows(fleet, wanted, livePaths());
			return {
				items: flows.filter(isOf(wanted.tenant)),
				missing: confinedTo(request) === undefined ? missing(failures) : [],
			};
		},
	);

	app.get(
		"/v1/states",
		{
			...everyone,
			schema: {
				description:
					"Which function vouched for which flow, and what has passed since without it.",
				querystring: StateQuery,
				response: { 200: StateList, default: ErrorBody },
			},
		},
		async (request) => {
			const { node, ...query } = request.query;
			const wanted = filterOf(request, "states", query);
			const isConfined = confinedTo(request) !== undefined;
			if (node && !isConfined && !reconciler.intent.nodes.has(node))
				throw absent("states", "node", node);
			const isWanted = (name: string) => (node ?? name) === name;
			const nodes = fleet.connected().filter(isWanted);
			const { states, failures } = await askStates(fleet, nodes, wanted);
			return {
				items: states.filter(isOf(wanted.tenant)),
				missing: isConfined
					? []
					: missing(failures).filter((one) => isWanted(one.node)),
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
				items.push({
					node,
					hops: [],
					ports: [],
					verdicts: [],
					drops: [],
					error,
				});
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
			const filters = flowFiltersOf(body, ROWS_LIMIT);
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

/** Nodes filter by tenant; what must not be seen is not left to them alone. */
function isOf(
	tenant: string | undefined,
): (row: { tenant: string }) => boolean {
	return (row) => (tenant ?? row.tenant) === row.tenant;
}

function absent(noun: string, kind: string, name: string): Fault {
	return new Fault(
		"not_found",
		`get ${noun}: there is no ${kind} ${name} (list them with \`chainmail get ${kind}s\`)`,
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
