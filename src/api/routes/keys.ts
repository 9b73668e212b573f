/** Keys of sealed hops: how they are, and what staff may do to them. */
import { Type } from "typebox";
import { KEY_EVENTS } from "../../controller/auc/ledger.js";
import type { LinkStatus } from "../../controller/auc/status.js";
import type { Event } from "../../controller/events.js";
import type { Target } from "../../keys/auc-state.js";
import type { App } from "../app.js";
import { callerOf, STAFF } from "../auth.js";
import type { Context } from "../context.js";
import {
	ErrorBody,
	EventList,
	EventQuery,
	KeyAdmission,
	type KeyLink,
	KeyList,
	KeyTarget,
} from "../schemas.js";
import { openStream, resumedAfter, wantsStream } from "../stream.js";

const staff = { config: { access: STAFF } };
const done = { 204: Type.Null(), default: ErrorBody };
const ofKeys: ReadonlySet<string> = new Set(KEY_EVENTS);

export async function keyRoutes(app: App, context: Context): Promise<void> {
	const { keys, log, store } = context;

	app.get(
		"/v1/keys",
		{
			...staff,
			schema: {
				description:
					"Links between encryption functions, and their keys' state.",
				response: { 200: KeyList, default: ErrorBody },
			},
		},
		async (): Promise<KeyList> => {
			const { links, present, revoked } = await keys.status();
			return {
				items: links.map(linkView),
				present: [...present].sort(),
				revoked: [...revoked].sort(),
			};
		},
	);

	app.post(
		"/v1/keys/rekey",
		{
			...staff,
			schema: {
				description:
					"Asks for new keys; traffic goes on with the old until then.",
				body: KeyTarget,
				response: done,
			},
		},
		async (request, reply) => {
			await keys.rekey(targetOf(request.body));
			const event = log.draft({
				kind: "keys",
				message: `new keys asked for: ${nameOf(request.body)}`,
				who: callerOf(request).name,
			});
			await store.transact([event.write]);
			event.publish();
			return reply.status(204).send(null);
		},
	);

	app.post(
		"/v1/keys/revoke",
		{
			...staff,
			schema: {
				description:
					"Takes keys out of use at once. A node gets no other until it is admitted; a path and an SA's link get new ones, their traffic stops until then.",
				body: KeyTarget,
				response: done,
			},
		},
		async (request, reply) => {
			await keys.revoke(targetOf(request.body), callerOf(request).name);
			return reply.status(204).send(null);
		},
	);

	app.post(
		"/v1/keys/admit",
		{
			...staff,
			schema: {
				description:
					"Lets a node whose keys were revoked have keys again; its encryption function enrols anew.",
				body: KeyAdmission,
				response: done,
			},
		},
		async (request, reply) => {
			await keys.admit(request.body.node, callerOf(request).name);
			return reply.status(204).send(null);
		},
	);

	app.get(
		"/v1/keys/audit",
		{
			...staff,
			schema: {
				description:
					"What was done with keys, out of /v1/events; as a stream, too.",
				querystring: EventQuery,
				response: { 200: EventList, default: ErrorBody },
			},
		},
		async (request, reply) => {
			const { after, limit } = request.query;
			const isOfKeys = ({ kind }: Event) => ofKeys.has(kind);
			if (!wantsStream(request)) {
				const all = log.list({
					...(after !== undefined && { after }),
					limit: Number.POSITIVE_INFINITY,
				});
				return { items: all.filter(isOfKeys).slice(-(limit ?? LIMIT)) };
			}
			const stream = openStream(context, request, reply);
			const send = (event: Event) => {
				if (isOfKeys(event)) stream.send(event, event.id);
			};
			const from = resumedAfter(request) ?? after;
			if (from !== undefined) log.list({ after: from }).forEach(send);
			stream.onClose(log.follow(send));
			return reply;
		},
	);
}

const LIMIT = 1000;

function linkView(status: LinkStatus): KeyLink {
	const { link, isReady, isRevoked, sas, nextRekeyMs } = status;
	return {
		path: link.eSpi,
		index: link.eSi,
		flowClass: link.flowClass,
		sender: link.sender,
		receiver: link.receiver,
		transform: link.algorithm,
		state: isRevoked ? "revoked" : isReady ? "ready" : "waiting",
		sas: sas.map((sa) => ({ ...sa })),
		...(nextRekeyMs !== undefined && { nextRekeyMs }),
	};
}

function targetOf(target: KeyTarget): Target {
	if ("node" in target) return target;
	return "path" in target ? { eSpi: target.path } : { spi: target.sa };
}

function nameOf(target: KeyTarget): string {
	if ("node" in target) return `node ${target.node}`;
	return "path" in target
		? `path ${target.path}`
		: `SA 0x${target.sa.toString(16).padStart(8, "0")}`;
}
