/** Events: as a list, or as a stream that goes on (server-sent events). */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Event } from "../../controller/events.js";
import type { App } from "../app.js";
import { confinedTo, EVERYONE } from "../auth.js";
import type { Context } from "../context.js";
import { ErrorBody, EventList, EventQuery } from "../schemas.js";

/** Comments keep proxies from closing a silent stream. */
const HEARTBEAT_MS = 15_000;
/** A reader that lets more than this wait is cut off: it can resume by id. */
const BACKLOG_BYTES = 1024 * 1024;

export async function eventRoutes(app: App, { log }: Context): Promise<void> {
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
			if (!request.headers.accept?.includes("text/event-stream")) {
				return { items: log.list({ ...request.query, tenant }) };
			}
			const resumed = Number(request.headers["last-event-id"]);
			const after = Number.isSafeInteger(resumed)
				? resumed
				: request.query.after;
			stream(request, reply, log, tenant, after);
			return reply;
		},
	);
}

function stream(
	request: FastifyRequest,
	reply: FastifyReply,
	log: Context["log"],
	tenant: string | undefined,
	after: number | undefined,
): void {
	reply.hijack();
	const { raw } = reply;
	raw.writeHead(200, {
		"content-type": "text/event-stream",
		"cache-control": "no-store",
	});
	raw.write(": events\n\n");
	const send = (event: Event) => {
		if (tenant !== undefined && event.tenant !== tenant) return;
		raw.write(`id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`);
		if (raw.writableLength > BACKLOG_BYTES) raw.destroy();
	};
	if (after !== undefined) log.list({ after, tenant }).forEach(send);
	const stop = log.follow(send);
	const heartbeat = setInterval(() => raw.write(":\n\n"), HEARTBEAT_MS);
	request.raw.socket.once("close", () => {
		clearInterval(heartbeat);
		stop();
	});
}
