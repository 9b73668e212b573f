/**
 * An agent without a data plane for tests of the controller: it joins and
 * speaks the real protocol over real mutual TLS, and does as it is told.
 */
import { Agent, request, WebSocket } from "undici";
import { pinnedAuthority } from "../../agent/enrol.js";
import { newRequest } from "../../functions/certificate.js";
import {
	JOIN_PATH,
	type JoinAnswer,
	parseJoinToken,
	RENEW_PATH,
	SESSION_PATH,
} from "../../plan/join.js";
import {
	type AgentMessage,
	type AgentRequest,
	type AucAddress,
	type ControllerMessage,
	type InstanceStatus,
	type NodeCounters,
	PROTOCOL_VERSION,
} from "../../plan/protocol.js";
import type { NodeState } from "../../plan/state.js";

/** Counters of a node where nothing has happened yet. */
export const NO_COUNTERS: NodeCounters = {
	hops: [],
	ports: [],
	verdicts: [],
	states: { entries: 0, capacity: 1024 },
	drops: [],
};

/** What to do with a state: nothing at all, or leave, are answers too. */
export type Reaction = "ack" | "ignore" | "leave" | { refuse: string };

export interface Credentials {
	readonly key: string;
	readonly certificate: string;
	readonly ca: string;
}

export async function join(
	url: string,
	node: string,
	token: string,
): Promise<Credentials> {
	const { secret, pin } = parseJoinToken(token);
	const ca = await pinnedAuthority(url, pin);
	const { key, csr } = await newRequest(node);
	const dispatcher = new Agent({ connect: { ca } });
	const { statusCode, body } = await request(url + JOIN_PATH, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify({ node, secret, csr }),
		dispatcher,
	});
	const answer = (await body.json()) as JoinAnswer;
	await dispatcher.close();
	if (statusCode !== 200) throw new Error(JSON.stringify(answer));
	return { key, certificate: answer.certificate, ca: answer.ca };
}

export async function renew(
	url: string,
	credentials: Credentials,
): Promise<{ status: number; credentials: Credentials }> {
	const { key, csr } = await newRequest("renewed");
	const dispatcher = dispatcherOf(credentials);
	const { statusCode, body } = await request(url + RENEW_PATH, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify({ csr }),
		dispatcher,
	});
	const answer = (await body.json()) as JoinAnswer;
	await dispatcher.close();
	return {
		status: statusCode,
		credentials: { key, certificate: answer.certificate, ca: credentials.ca },
	};
}

function dispatcherOf({ key, certificate, ca }: Credentials): Agent {
	return new Agent({ connect: { key, cert: certificate, ca } });
}

export class FakeAgent {
	/** Every state that came, oldest first. */
	readonly states: NodeState[] = [];
	react: (state: NodeState) => Reaction = () => "ack";
	/** What it says of inactive paths. */
	idleMs = 1_000_000;
	idleOf: (spi: number) => number = () => this.idleMs;
	instances: InstanceStatus[] = [];
	/** Where its EF reaches the authentication centre, as it was told. */
	auc: AucAddress | undefined;
	answer: (question: AgentRequest) => unknown = (question) =>
		question.what === "counters" ? NO_COUNTERS : [];
	/** Keeps over sessions, as a real node's data plane does. */
	running: NodeState | undefined;
	#socket: WebSocket | undefined;
	#dispatcher: Agent | undefined;
	#waiting = new Set<() => void>();

	constructor(
		readonly node: string,
		private readonly credentials: Credentials,
	) {}

	get isConnected(): boolean {
		return this.#socket?.readyState === WebSocket.OPEN;
	}

	/** Resolves when the session is open and hello is sent. */
	async connect(url: string): Promise<void> {
		this.#dispatcher = dispatcherOf(this.credentials);
		const socket = new WebSocket(url.replace("https:", "wss:") + SESSION_PATH, {
			dispatcher: this.#dispatcher,
		});
		this.#socket = socket;
		socket.addEventListener("message", ({ data }) => {
			if (this.#socket === socket) this.#hear(JSON.parse(String(data)));
		});
		socket.addEventListener("close", () => this.#wake());
		await new Promise<void>((open, failed) => {
			socket.addEventListener("open", () => open());
			socket.addEventListener("error", () =>
				failed(new Error(`${this.node}: session refused`)),
			);
		});
		this.say({
			type: "hello",
			protocol: PROTOCOL_VERSION,
			version: "test",
			revision: this.running?.revision ?? 0,
			checks: [],
		});
		this.status();
	}

	say(message: AgentMessage | object): void {
		if (this.isConnected) this.#socket?.send(JSON.stringify(message));
	}

	sayRaw(text: string): void {
		this.#socket?.send(text);
	}

	status(): void {
		const idle = (this.running?.paths ?? []).filter((path) => !path.active);
		this.say({
			type: "status",
			revision: this.running?.revision ?? 0,
			instances: this.instances,
			idlePaths: idle.map(({ spi }) => ({ spi, idleMs: this.idleOf(spi) })),
		});
	}

	async leave(): Promise<void> {
		const socket = this.#socket;
		this.#socket = undefined;
		socket?.close();
		await this.#dispatcher?.destroy();
		this.#wake();
	}

	/** Resolves when `holds`, looked at whenever something happens here. */
	async until(holds: () => boolean, timeoutMs = 10_000): Promise<void> {
		if (holds()) return;
		await new Promise<void>((done, failed) => {
			const timer = setTimeout(() => {
				this.#waiting.delete(check);
				failed(new Error(`${this.node}: not reached in ${timeoutMs} ms`));
			}, timeoutMs);
			const check = () => {
				if (!holds()) return;
				clearTimeout(timer);
				this.#waiting.delete(check);
				done();
			};
			this.#waiting.add(check);
		});
	}

	#wake(): void {
		for (const check of [...this.#waiting]) check();
	}

	#hear(message: ControllerMessage): void {
		if (message.type === "request") {
			const { type: _, id, ...question } = message;
			const body = this.answer(question as AgentRequest);
			this.say({ type: "reply", id, body });
			return;
		}
		if (message.type === "auc") {
			this.auc = message;
			this.#wake();
			return;
		}
		const { state } = message;
		const reaction = this.react(state);
		if (reaction === "ack") {
			this.running = state;
			this.say({ type: "ack", revision: state.revision, tookMs: 1 });
			this.status();
		} else if (reaction === "leave") {
			void this.leave();
		} else if (reaction !== "ignore") {
			const { refuse: reason } = reaction;
			this.say({ type: "refuse", revision: state.revision, reason });
		}
		this.states.push(state);
		this.#wake();
	}
}
