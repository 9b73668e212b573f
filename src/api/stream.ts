/** Server-sent events: opens a stream on a request, and lists that follow changes. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { callerOf } from "./auth.js";
import type { Context } from "./context.js";

/** Comments keep proxies from closing a silent stream. */
const HEARTBEAT_MS = 15_000;
/** A reader that lets more than this wait is cut off: it can ask again. */
const BACKLOG_BYTES = 1024 * 1024;
/** Changes come in floods: a list is looked at no more often. */
const LIST_MS = 100;

export interface Stream {
	/** `id` is what a reader resumes after. */
	send(data: unknown, id?: number): void;
	/** Called once, when the reader is gone. */
	onClose(listener: () => void): void;
}

export function wantsStream(request: FastifyRequest): boolean {
	return request.headers.accept?.includes("text/event-stream") ?? false;
}

/** The event a reader wants to go on after; undefined: it does not say. */
export function resumedAfter(request: FastifyRequest): number | undefined {
	const id = Number(request.headers["last-event-id"]);
	return Number.isSafeInteger(id) ? id : undefined;
}

/** A stream that lasts no longer than the token it was asked for with. */
export function openStream(
	{ tokens }: Context,
	request: FastifyRequest,
	reply: FastifyReply,
): Stream {
	reply.hijack();
	const { raw } = reply;
	raw.writeHead(200, {
		"content-type": "text/event-stream",
		"cache-control": "no-store",
	});
	raw.write(": open\n\n");
	const heartbeat = setInterval(() => raw.write(":\n\n"), HEARTBEAT_MS);
	const { socket } = request.raw;
	const forget = tokens.onEnd(callerOf(request), () => raw.destroy());
	socket.once("close", () => {
		clearInterval(heartbeat);
		forget();
	});
	return {
		send(data, id) {
			const head = id === undefined ? "" : `id: ${id}\n`;
			/* One message alone may be longer: it is what waits behind it that counts. */
			if (raw.writableLength > BACKLOG_BYTES) return void raw.destroy();
			raw.write(`${head}data: ${JSON.stringify(data)}\n\n`);
		},
		onClose(listener) {
			socket.once("close", listener);
		},
	};
}

/** Sends the list at once, and again whenever it has become another. */
export function followList(
	{ log, delivery }: Context,
	stream: Stream,
	list: () => unknown,
): void {
	let last = "";
	let timer: NodeJS.Timeout | undefined;
	const look = () => {
		timer = undefined;
		const now = list();
		const text = JSON.stringify(now);
		if (text !== last) stream.send(now);
		last = text;
	};
	const changed = () => {
		timer ??= setTimeout(look, LIST_MS);
	};
	const stops = [log.follow(changed), delivery.onProgress(changed)];
	stream.onClose(() => {
		clearTimeout(timer);
		for (const stop of stops) stop();
	});
	look();
}
