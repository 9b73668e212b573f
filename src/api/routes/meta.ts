/** Routes about the controller itself: health, OpenAPI, metrics. */
import { Type } from "typebox";
import type { App } from "../app.js";
import { STAFF } from "../auth.js";
import type { Context } from "../context.js";
import { createMetrics } from "../metrics.js";
import { ErrorBody, Health } from "../schemas.js";

export async function metaRoutes(app: App, context: Context): Promise<void> {
	const metrics = createMetrics(context);

	app.get(
		"/healthz",
		{
			config: { access: "public" },
			schema: { response: { 200: Health }, security: [] },
		},
		async () => ({ status: "ok" as const }),
	);

	app.get(
		"/openapi.json",
		{ config: { access: "public" }, schema: { hide: true } },
		async () => app.swagger(),
	);

	app.get(
		"/metrics",
		{
			config: { access: STAFF },
			schema: {
				description: "Prometheus text format; values are read at the scrape",
				response: { 200: Type.String(), default: ErrorBody },
			},
		},
		async (_request, reply) => {
			const text = await metrics.scrape();
			return reply.type(metrics.contentType).send(text);
		},
	);
}
