/** An authentication centre in a process of its own, over mutual TLS (control.ts). */
import { Agent, request } from "undici";
import type { AuditRecord } from "../../keys/audit.js";
import { AUC_NAME } from "../../keys/enrol-messages.js";
import { linkId } from "../../keys/spi.js";
import { backOff } from "../../keys/tuning.js";
import { Fault, type FaultCode, faultCodes } from "../fault.js";
import type { AucStatus, KeyAuthority } from "./authority.js";
import { HEARTBEAT_MS } from "./control.js";
import type { Credentials } from "./credentials.js";
import type { Trailed } from "./trail.js";

const TIMEOUT_MS = 10_000;
const FIRST_RETRY_MS = 200;
const LAST_RETRY_MS = 5000;

interface Asked {
	readonly timeoutMs?: number;
	readonly signal?: AbortSignal;
}

export function remoteAuthority(credentials: Credentials): KeyAuthority {
	const { url, efs, ca, key, certificate: cert } = credentials;
	const dispatcher = new Agent({
		connect: {
			ca,
			key,
			cert,
			servername: AUC_NAME,
			minVersion: "TLSv1.3",
			timeout: TIMEOUT_MS,
		},
	});
	const closing = new AbortController();
	const returning: (() => void)[] = [];

	/** Throws what the centre answers, or Fault keys_unavailable. */
	async function ask(
		method: "GET" | "PUT" | "POST",
		path: string,
		body?: unknown,
		{ timeoutMs = TIMEOUT_MS, signal }: Asked = {},
	): Promise<unknown> {
		const isBytes = Buffer.isBuffer(body);
		const type = isBytes ? "application/octet-stream" : "application/json";
		try {
			const response = await request(url + path, {
				method,
				dispatcher,
				signal: AbortSignal.any([closing.signal, ...(signal ? [signal] : [])]),
				headersTimeout: timeoutMs,
				bodyTimeout: timeoutMs,
				...(body !== undefined && {
					headers: { "content-type": type },
					body: isBytes ? body : JSON.stringify(body),
				}),
			});
			const text = await response.body.text();
			if (response.statusCode >= 400) throw faultOf(text);
			return text === "" ? undefined : JSON.parse(text);
		} catch (error) {
			if (error instanceof Fault) throw error;
			throw unavailable(url, error);
		}
	}

	/** Lines from now on, and those missed since `afterId`; ends when they do. */
	async function read(
		afterId: number | undefined,
		take: (one: Trailed) => void,
		signal: AbortSignal,
		onOpen: () => void,
	): Promise<void> {
		const query = afterId === undefined ? "" : `?after=${afterId}`;
		const { body, statusCode } = await request(`${url}/audit${query}`, {
			dispatcher,
			signal,
			headersTimeout: TIMEOUT_MS,
			bodyTimeout: 3 * HEARTBEAT_MS,
		});
		if (statusCode !== 200) throw faultOf(await body.text());
		onOpen();
		let rest = "";
		for await (const piece of body.setEncoding("utf8")) {
			const lines = (rest + String(piece)).split("\n");
			rest = lines.pop() ?? "";
			for (const line of lines) {
				if (line !== "") take(JSON.parse(line) as Trailed);
			}
		}
	}

	async function follow(
		listener: (record: AuditRecord) => void,
		signal: AbortSignal,
	): Promise<void> {
		let lastId: number | undefined;
		for (let tries = 0; !signal.aborted; tries++) {
			const take = ({ id, record }: Trailed) => {
				lastId = id;
				listener(record);
			};
			const opened = () => {
				tries = 0;
				for (const returned of returning) returned();
			};
			await read(lastId, take, signal, opened).catch(() => {});
			await paused(backOff(FIRST_RETRY_MS, LAST_RETRY_MS, tries), signal);
		}
	}

	return {
		address: efs,
		declare: async (links) => void (await ask("PUT", "/links", links)),
		async ready(links, timeoutMs, signal) {
			const endMs = performance.now() + timeoutMs;
			for (let tries = 0; ; tries++) {
				const leftMs = Math.max(0, Math.ceil(endMs - performance.now()));
				const asked = {
					timeoutMs: leftMs + TIMEOUT_MS,
					...(signal && { signal }),
				};
				const body = { links, timeoutMs: leftMs };
				try {
					const left = (await ask("POST", "/ready", body, asked)) as number[];
					const missing = new Set(left);
					return links.filter((link) => missing.has(linkId(link)));
				} catch (error) {
					if (signal?.aborted) return links;
					/* It may be on its way back. */
					if (performance.now() >= endMs) throw error;
					const pauseMs = backOff(FIRST_RETRY_MS, LAST_RETRY_MS, tries);
					await paused(
						Math.min(pauseMs, endMs - performance.now()),
						signal ?? closing.signal,
					);
				}
			}
		},
		revoke: async (target, by) =>
			void (await ask("POST", "/revoke", { target, by })),
		admit: async (node, by) => void (await ask("POST", "/admit", { node, by })),
		rekey: async (target) => void (await ask("POST", "/rekey", target)),
		async configure(ef, secret) {
			try {
				const path = `/efs/${encodeURIComponent(ef)}/key`;
				await ask("PUT", path, secret.reveal());
			} finally {
				secret.wipe();
			}
		},
		status: async () => (await ask("GET", "/status")) as AucStatus,
		follow(listener) {
			const stop = new AbortController();
			void follow(listener, AbortSignal.any([stop.signal, closing.signal]));
			return () => stop.abort();
		},
		onReturn: (listener) => void returning.push(listener),
		async close() {
			closing.abort();
			await dispatcher.destroy();
		},
	};
}

function faultOf(text: string): Fault {
	try {
		const { code, message } = JSON.parse(text) as Record<string, unknown>;
		const known = faultCodes.find((one) => one === code);
		if (known) return new Fault(known satisfies FaultCode, String(message));
	} catch {
		/* No centre's answer. */
	}
	return new Fault("keys_unavailable", "auc: it answers something unknown");
}

function unavailable(url: string, error: unknown): Fault {
	const { cause, message } = error as Error;
	const why = cause instanceof Error ? cause.message : message;
	return new Fault(
		"keys_unavailable",
		`auc: ${url} does not answer: ${why} (does \`chainmail auc\` run there?)`,
	);
}

function paused(ms: number, signal: AbortSignal): Promise<void> {
	return new Promise((done) => {
		if (signal.aborted) return done();
		const finish = () => {
			clearTimeout(timer);
			signal.removeEventListener("abort", finish);
			done();
		};
		const timer = setTimeout(finish, ms);
		signal.addEventListener("abort", finish);
	});
}
