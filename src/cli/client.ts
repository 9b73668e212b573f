/** The HTTP API as the CLI uses it: TLS against the controller's own CA. */
import { Agent, request } from "undici";
import type { AdminFile, ErrorBody, EventView } from "../api/schemas.js";
import { CliFailure, ExitCode } from "./failure.js";

/** Longest a request may take: an apply waits for nodes. */
const ANSWER_MS = 310_000;
const CONNECT_MS = 5000;

export type Query = Readonly<Record<string, string | number | undefined>>;

/** The controller refused a request; `body` has located problems. */
export class Refusal extends CliFailure {
	readonly body: ErrorBody["error"];

	constructor(status: number, body: ErrorBody["error"]) {
		super(textOf(body), exitCodeOf(status));
		this.body = body;
	}
}

/**
 * The API's error in words of the command line: one hint, no verb of HTTP. The
 * message has one in brackets as a rule; else the code's, where it fits here.
 */
function textOf({ code, message, hint, problems }: ErrorBody["error"]): string {
	const [, plain = message] =
		/^(?:GET|POST|DELETE) \S+: (.*)$/s.exec(message) ?? [];
	if (code === "invalid_request" && problems.length > 0)
		return problems
			.map(({ pointer = "", message: cause }) => {
				const field = pointer.slice(1).replaceAll("/", ".");
				return field === "" ? cause : `${field}: ${cause}`;
			})
			.join("\n");
	const isForHttp = /GET \/|Authorization|PEM/.test(hint);
	return plain.endsWith(")") || isForHttp || hint === ""
		? plain
		: `${plain} (${hint.replace(/\.$/, "")})`;
}

export class Client {
	readonly #config: AdminFile;
	readonly #agent: Agent;

	constructor(config: AdminFile) {
		this.#config = config;
		this.#agent = new Agent({
			connect: { ca: config.ca, timeout: CONNECT_MS },
			headersTimeout: ANSWER_MS,
			bodyTimeout: 0,
		});
	}

	get<T>(path: string, query: Query = {}): Promise<T> {
		return this.#json<T>("GET", path, { query });
	}

	post<T>(path: string, body: unknown): Promise<T> {
		return this.#json<T>("POST", path, { body });
	}

	delete<T>(path: string, query: Query = {}): Promise<T> {
		return this.#json<T>("DELETE", path, { query });
	}

	/** Events as they happen (server-sent events). */
	events(after: number | undefined): AsyncGenerator<EventView> {
		return this.follow<EventView>("/v1/events", { after });
	}

	/** What a path sends as it changes; throws when the connection is lost. */
	async *follow<T>(path: string, query: Query = {}): AsyncGenerator<T> {
		const { body } = await this.#send("GET", path, {
			query,
			accept: "text/event-stream",
		});
		let rest = "";
		try {
			for await (const chunk of body.setEncoding("utf8")) {
				rest += chunk as string;
				const records = rest.split("\n\n");
				rest = records.pop() ?? "";
				for (const record of records) {
					const data = /^data: (.*)$/m.exec(record)?.[1];
					if (data !== undefined) yield JSON.parse(data) as T;
				}
			}
		} catch (error) {
			throw unreachable(this.#config.url, error);
		}
		throw unreachable(this.#config.url, { code: "EPIPE" });
	}

	async close(): Promise<void> {
		await this.#agent.destroy();
	}

	async #json<T>(
		method: "GET" | "POST" | "DELETE",
		path: string,
		options: { query?: Query; body?: unknown },
	): Promise<T> {
		const response = await this.#send(method, path, options);
		const text = await response.body.text();
		return (text === "" ? undefined : JSON.parse(text)) as T;
	}

	async #send(
		method: "GET" | "POST" | "DELETE",
		path: string,
		{
			query = {},
			body,
			accept = "application/json",
		}: { query?: Query; body?: unknown; accept?: string },
	) {
		const url = new URL(path, this.#config.url);
		for (const [name, value] of Object.entries(query))
			if (value !== undefined) url.searchParams.set(name, String(value));
		const response = await request(url, {
			method,
			dispatcher: this.#agent,
			headers: {
				accept,
				authorization: `Bearer ${this.#config.token}`,
				...(body === undefined ? {} : { "content-type": "application/json" }),
			},
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
		}).catch((error: unknown) => {
			throw unreachable(this.#config.url, error);
		});
		if (response.statusCode < 400) return response;
		throw await refusal(`${method} ${url.pathname}`, response);
	}
}

async function refusal(
	operation: string,
	response: { statusCode: number; body: { text(): Promise<string> } },
): Promise<CliFailure> {
	const text = await response.body.text();
	try {
		const { error } = JSON.parse(text) as ErrorBody;
		return new Refusal(response.statusCode, error);
	} catch {
		return new CliFailure(
			`${operation}: answer ${response.statusCode} is not the API's (is another server at this address?)`,
			ExitCode.unreachable,
		);
	}
}

function exitCodeOf(status: number): ExitCode {
	if (status === 401) return ExitCode.unreachable;
	if (status === 404) return ExitCode.notFound;
	return ExitCode.refused;
}

function unreachable(url: string, error: unknown): CliFailure {
	const cause = error as NodeJS.ErrnoException;
	const code = cause.code ?? cause.name;
	const known = CAUSES.find(([pattern]) => pattern.test(code));
	const [, text, hint] = known ?? [
		/./,
		cause.message || code,
		"see the controller's log",
	];
	return new CliFailure(
		`controller ${url}: ${text} (${hint})`,
		ExitCode.unreachable,
	);
}

const CAUSES: readonly [code: RegExp, cause: string, hint: string][] = [
	[
		/ECONNREFUSED/,
		"connection refused",
		"start it with `chainmail controller`, or correct `url` in the config",
	],
	[
		/ETIMEDOUT|CONNECT_TIMEOUT|EHOSTUNREACH|ENETUNREACH/,
		"no answer",
		"is its address reachable from here?",
	],
	[
		/ENOTFOUND|EAI_AGAIN/,
		"name does not resolve",
		"correct `url` in the config",
	],
	[
		/SELF_SIGNED|UNABLE_TO_VERIFY|CERT_SIGNATURE|UNABLE_TO_GET_ISSUER/,
		"its certificate is not from the CA in the config",
		"copy the controller's admin.json again",
	],
	[
		/ALTNAME_INVALID/,
		"its certificate does not name this address",
		"start the controller with --name for it",
	],
	[
		/ECONNRESET|SOCKET|EPIPE/,
		"connection lost",
		"try again; the controller's log tells why",
	],
];
