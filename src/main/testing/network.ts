/** A controller with a small network declared, for tests: started, called, closed. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { Agent, request } from "undici";
import type {
	AdminFile,
	ErrorBody,
	JoinTokenCreated,
	TokenCreated,
} from "../../api/schemas.js";
import type { IntentDocument } from "../../model/intent.js";
import {
	type Controller,
	type ControllerOptions,
	startController,
} from "../controller.js";
import { FakeAgent, join } from "./fake-agent.js";

export interface Answer {
	readonly status: number;
	// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of many shapes
	readonly body: any;
	readonly headers: Record<string, string | string[] | undefined>;
}

/** Calls one controller's API as a client with that token. */
export class Client {
	readonly #dispatcher: Agent;

	constructor(
		readonly url: string,
		readonly ca: string,
		readonly token?: string,
	) {
		this.#dispatcher = new Agent({ connect: { ca }, bodyTimeout: 0 });
	}

	as(token: string | undefined): Client {
		return new Client(this.url, this.ca, token);
	}

	async call(
		method: "GET" | "POST" | "DELETE",
		path: string,
		body?: unknown,
	): Promise<Answer> {
		const answer = await request(this.url + path, {
			method,
			headers: {
				...(this.token !== undefined && {
					authorization: `Bearer ${this.token}`,
				}),
				...(body !== undefined && { "content-type": "application/json" }),
			},
			...(body !== undefined && {
				body: typeof body === "string" ? body : JSON.stringify(body),
			}),
			dispatcher: this.#dispatcher,
		});
		const text = await answer.body.text();
		const isJson = String(answer.headers["content-type"]).includes("json");
		return {
			status: answer.statusCode,
			body: isJson && text !== "" ? JSON.parse(text) : text,
			headers: answer.headers,
		};
	}

	get(path: string): Promise<Answer> {
		return this.call("GET", path);
	}

	apply(documents: unknown, more: object = {}): Promise<Answer> {
		return this.call("POST", "/v1/apply", { documents, ...more });
	}

	async newToken(body: object): Promise<string> {
		const answer = await this.call("POST", "/v1/tokens", body);
		return (answer.body as TokenCreated).token;
	}

	async close(): Promise<void> {
		await this.#dispatcher.destroy();
	}
}

export function adminOf(dataDir: string): Client {
	const path = joinPath(dataDir, "admin.json");
	const file = JSON.parse(readFileSync(path, "utf8")) as AdminFile;
	return new Client(file.url, file.ca, file.token);
}

export interface TestController {
	readonly dataDir: string;
	readonly admin: Client;
	readonly agents: Map<string, FakeAgent>;
	/** Joins and connects an agent. */
	agent(node: string): Promise<FakeAgent>;
	/** Stops and starts the controller, on the same directory and port. */
	restart(): Promise<void>;
	close(): Promise<void>;
}

/** Short waits: tests end at events, these are for what must not happen. */
export const FAST: Partial<ControllerOptions> = {
	host: "127.0.0.1",
	port: 0,
	logLevel: "silent",
	reconnectMs: 400,
	holdDownMs: 200,
	drainIdleMs: 1000,
	drainMaxMs: 60_000,
	keepIdleMs: 5000,
	keepMaxMs: 600_000,
};

export async function startTestController(
	options: Partial<ControllerOptions> = {},
): Promise<TestController> {
	const dataDir = mkdtempSync(joinPath(tmpdir(), "chainmail-controller-"));
	const agents = new Map<string, FakeAgent>();
	const start = (port: number): Promise<Controller> =>
		startController({ ...FAST, ...options, dataDir, port });
	let controller = await start(0);
	const { url } = controller;
	const admin = adminOf(dataDir);
	return {
		dataDir,
		admin,
		agents,
		async agent(node) {
			const credentials = await join(url, node, await joinToken(admin, node));
			const agent = new FakeAgent(node, credentials);
			agents.set(node, agent);
			await agent.connect(url);
			return agent;
		},
		async restart() {
			await controller.close();
			controller = await start(Number(new URL(url).port));
		},
		async close() {
			for (const agent of agents.values()) await agent.leave();
			await admin.close();
			await controller.close();
			rmSync(dataDir, { recursive: true, force: true });
		},
	};
}

export async function joinToken(admin: Client, node: string): Promise<string> {
	const { status, body } = await admin.call("POST", "/v1/join-tokens", {
		node,
	});
	if (status !== 201) throw new Error((body as ErrorBody).error.message);
	return (body as JoinTokenCreated).token;
}

/** Two nodes, two tenants, a firewall at both nodes and an IDS at the second. */
export const documents: readonly IntentDocument[] = [
	{ kind: "Tenant", name: "acme", spec: { subnets: ["10.0.1.0/24"] } },
	{ kind: "Tenant", name: "blue", spec: { subnets: ["10.0.2.0/24"] } },
	{
		kind: "Node",
		name: "edge1",
		spec: {
			underlay: "192.0.2.1",
			interfaces: [
				{ name: "acc0", role: "access", tenant: "acme" },
				{ name: "acc1", role: "access", tenant: "blue" },
				{ name: "und0", role: "underlay" },
			],
		},
	},
	{
		kind: "Node",
		name: "edge2",
		spec: {
			underlay: "192.0.2.2",
			interfaces: [
				{ name: "out0", role: "exit" },
				{ name: "und0", role: "underlay" },
			],
		},
	},
	{
		kind: "Function",
		name: "firewall",
		spec: {
			attach: "routed",
			runtime: "process",
			ruleset: { text: "table inet filter {}" },
			instances: [
				{ name: "fw1", node: "edge1" },
				{ name: "fw2", node: "edge2" },
			],
		},
	},
	{
		kind: "Function",
		name: "ids",
		spec: {
			attach: "routed",
			runtime: "process",
			command: ["/usr/bin/ids"],
			instances: [{ name: "ids1", node: "edge2" }],
		},
	},
	policy("web", "acme", "match(proto=tcp & dport=80) >> firewall"),
	policy("blue-all", "blue", "match(proto=udp) >> firewall -> ids"),
];

export function policy(
	name: string,
	tenant: string | undefined,
	rule: string,
): IntentDocument {
	const spec = tenant === undefined ? { rule } : { tenant, rule };
	return { kind: "Policy", name, spec };
}
