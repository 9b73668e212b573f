/** Acts on functions that run. */
import { Type } from "typebox";
import { Fault } from "../../controller/fault.js";
import { owns } from "../../controller/permission.js";
import type { FunctionDocument } from "../../model/intent.js";
import type { App } from "../app.js";
import { callerOf, EVERYONE, STAFF } from "../auth.js";
import type { Context } from "../context.js";
import { invalidate } from "../invalidate.js";
import {
	DrainRequest,
	DrainResponse,
	ErrorBody,
	InvalidateRequest,
	InvalidateResponse,
} from "../schemas.js";

const ByName = Type.Object({ name: Type.String({ maxLength: 40 }) });

export async function functionRoutes(
	app: App,
	context: Context,
): Promise<void> {
	const { reconciler, log, store } = context;

	/** The function, where the caller may act on it; others learn nothing of it. */
	const ownOf = (
		caller: ReturnType<typeof callerOf>,
		name: string,
	): FunctionDocument => {
		const document = reconciler.intent.functions.get(name);
		if (document && owns(caller, document)) return document;
		throw new Fault(
			"not_found",
			`function ${name}: there is none of that name (list them with \`chainmail get functions\`)`,
		);
	};

	app.post(
		"/v1/functions/:name/invalidate",
		{
			config: { access: EVERYONE },
			schema: {
				description:
					"Forgets every verdict of the function on running flows. Answers when the nodes have done so; those that have not are in `missing`. For staff, and for a tenant whose own the function is (`tenants: [NAME]`).",
				params: ByName,
				body: InvalidateRequest,
				response: { 200: InvalidateResponse, default: ErrorBody },
			},
		},
		async (request) => {
			const caller = callerOf(request);
			const document = ownOf(caller, request.params.name);
			const { instance } = request.body;
			const response = await invalidate(context, document, instance);
			const { missing } = response;
			const event = log.draft({
				kind: "invalidate",
				message: `verdicts of ${document.name}${instance === undefined ? "" : `/${instance}`} forgotten${missing.length > 0 ? `, but not by ${missing.map(({ node }) => node).join(", ")}` : ""}`,
				who: caller.name,
				...(caller.tenant !== undefined && { tenant: caller.tenant }),
			});
			await store.transact([event.write]);
			event.publish();
			return response;
		},
	);

	for (const [verb, isLeft, description] of DRAINS)
		app.post(
			`/v1/functions/:name/${verb}`,
			{
				config: { access: STAFF },
				schema: {
					description,
					params: ByName,
					body: DrainRequest,
					response: { 200: DrainResponse, default: ErrorBody },
				},
			},
			async (request): Promise<DrainResponse> => {
				const caller = callerOf(request);
				const { name } = ownOf(caller, request.params.name);
				const { revision, warnings, pending } = await reconciler.leave(
					`${name}/${request.body.instance}`,
					isLeft,
					caller.name,
				);
				return { revision, warnings: [...warnings], pending: [...pending] };
			},
		);
}

const DRAINS = [
	[
		"drain",
		true,
		"Leads new flows to the function's other instances; those that run stay until they end. Answers when all connected nodes have switched. Holds until it is undrained.",
	],
	["undrain", false, "Lets the instance have new flows again."],
] as const;
