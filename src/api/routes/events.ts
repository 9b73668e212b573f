/** Events: as a list, or as a stream that goes on (server-sent events). */
import type { Event } from "../../controller/events.js";
import type { App } from "../app.js";
import { confinedTo, EVERYONE } from "../auth.js";
import type { Context } from "../context.js";
import { ErrorBody, EventList, EventQuery } from "../schemas.js";
import { openStream, resumedAfter, wantsStream } from "../stream.js";

export async function eventRoutes(app: App, context: Context): Promise<void> {
	const { log } = context;
	app.get(
		"/v1/events",
		{
			config: { access: EVERYONE },
			schema: {
				description:
					"With `Accept: text/event-stream`: a stream; it resumes after `Last-Event-ID`.",
				querystring: EventQuery,
				response: { 200: EventList, default: ErrorBody },
			},
		},
		async (request, reply) => {
			const tenant = confinedTo(request);
			if (!wantsStream(request)) {
				return { items: log.list({ ...request.query, tenant }) };
			}
			const after = resumedAfter(request) ?? request.query.after;
			const stream = openStream(context, request, reply);
			const send = (event: Event) => {
				if (tenant !== undefined && event.tenant !== tenant) return;
				stream.send(event, event.id);
			};
			if (after !== undefined) log.list({ after, tenant }).forEach(send);
			stream.onClose(log.follow(send));
			return reply;
		},
	);
}
