/**
 * The agent's session with its controller: connects, says what the node is and
 * does, applies what is desired, answers questions, and comes back after every
 * loss. The node goes on without it.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Agent, type MessageEvent, WebSocket } from "undici";
import { SESSION_PATH } from "../plan/join.js";
import {
	type AgentMessage,
	type AgentRequest,
	type AucAddress,
	type ControllerMessage,
	type DoctorCheck,
	type NodeEvent,
	PROTOCOL_VERSION,
} from "../plan/protocol.js";
import type { NodeState } from "../plan/state.js";
import { type Identity, tlsOf } from "./enrol.js";
import type { Node } from "./node.js";

const FIRST_DELAY_MS = 100;
const LAST_DELAY_MS = 10_000;
const STATUS_MS = 1000;
/** The controller pings every 5 s; this much silence means that it is gone. */
const SILENCE_MS = 15_000;
/** Events of a time without a controller that are told later. */
const EVENTS_KEPT = 100;
/** Longest text a controller takes. */
const TEXT_MAX = 4096;

export interface SessionOptions {
	/** `https://controller:8443`. */
	readonly url: string;
	readonly node: Pick<
		Node,
		| "state"
		| "apply"
		| "check"
		| "invalidate"
		| "status"
		| "counters"
		| "flows"
		| "states"
	>;
	readonly version: string;
	/** Asked at each connection: it may have been renewed meanwhile. */
	readonly identity: () => Promise<Identity>;
	/** What the node can do, as told in hello. */
	readonly checks: readonly DoctorCheck[];
	/** The same looked at anew, when the controller asks. */
	readonly doctor: () => readonly DoctorCheck[];
	/** Where this node's EF reaches the authentication centre; at each connection. */
	readonly onAuc?: (address: Required<AucAddress>) => void;
	readonly log: (message: string) => void;
}

export class Session {
	readonly #options: SessionOptions;
	#socket: WebSocket | undefined;
	#retry: NodeJS.Timeout | undefined;
	#failures = 0;
	#stopped = false;
	#heardMs = 0;
	#events: NodeEvent[] = [];
	/** Newest state not applied yet; older ones that wait are passed over. */
	#desired: NodeState | undefined;
	#applying = false;
	readonly #timer: NodeJS.Timeout;
	readonly #onPing = (message: unknown): void => {
		if ((message as { websocket?: unknown }).websocket === this.#socket)
			this.#heardMs = performance.now();
	};

	/** Connects at once and whenever the connection is lost. */
	constructor(options: SessionOptions) {
		this.#options = options;
		subscribe("undici:websocket:ping", this.#onPing);
		this.#timer = setInterval(() => this.#everySecond(), STATUS_MS);
		void this.#connect();
	}

	/** Health changed: the controller shall know now. */
	tellStatus(): void {
		if (this.connected)
			this.#send({ type: "status", ...this.#options.node.status() });
	}

	tellEvent(event: NodeEvent): void {
		const short = { ...event, message: event.message.slice(0, TEXT_MAX) };
		if (this.connected) this.#send({ type: "event", ...short });
		else this.#events = [...this.#events, short].slice(-EVENTS_KEPT);
	}

	/**
	 * Lets this node's EF enrol with the key, 32 random bytes or more; the caller
	 * wipes them. False: there is no controller now; ask again with the next onAuc.
	 */
	enrolEf(key: Buffer): boolean {
		if (!this.connected) return false;
		this.#send({ type: "ef-enrol", key: key.toString("base64") });
		return true;
	}

	get connected(): boolean {
		return this.#socket?.readyState === WebSocket.OPEN;
	}

	/** Ends the session for good. */
	close(): void {
		this.#stopped = true;
		clearTimeout(this.#retry);
		clearInterval(this.#timer);
		unsubscribe("undici:websocket:ping", this.#onPing);
		this.#socket?.close();
	}

	async #connect(): Promise<void> {
		const { url, identity, checks, version, node } = this.#options;
		try {
			const dispatcher = new Agent({ connect: tlsOf(await identity()) });
			if (this.#stopped) return;
			const socket = new WebSocket(
				`${url.replace(/^http/, "ws")}${SESSION_PATH}`,
				{ dispatcher },
			);
			this.#socket = socket;
			this.#heardMs = performance.now();
			socket.addEventListener("open", () => {
				const { revision } = node.state;
				this.#send({
					type: "hello",
					protocol: PROTOCOL_VERSION,
					version,
					revision,
					checks,
				});
				for (const event of this.#events.splice(0)) this.tellEvent(event);
				this.tellStatus();
				this.#options.log(`connected to ${url}`);
			});
			socket.addEventListener("message", (event) => this.#hear(event));
			socket.addEventListener("error", (event) =>
				this.#options.log(`session with ${url}: ${causeOf(event.error)}`),
			);
			socket.addEventListener("close", (event) => {
				void dispatcher.destroy();
				if (this.#socket !== socket) return;
				this.#socket = undefined;
				this.#again(event.reason);
			});
		} catch (error) {
			this.#again(error instanceof Error ? error.message : String(error));
		}
	}

	/** Full jitter: agents of a controller that restarts do not come all at once. */
	#again(reason: string): void {
		if (this.#stopped) return;
		const limit = Math.min(
			FIRST_DELAY_MS * 2 ** this.#failures++,
			LAST_DELAY_MS,
		);
		const delay = limit / 2 + Math.random() * (limit / 2);
		if (reason)
			this.#options.log(`session with ${this.#options.url}: ${reason}`);
		this.#retry = setTimeout(() => void this.#connect(), delay);
	}

	#everySecond(): void {
		const socket = this.#socket;
		if (!socket) return;
		if (performance.now() - this.#heardMs <= SILENCE_MS) {
			this.tellStatus();
			return;
		}
		/* A closing handshake with somebody who is gone would wait for long. */
		this.#socket = undefined;
		socket.close();
		this.#again(`nothing heard for ${SILENCE_MS} ms`);
	}

	#hear(event: MessageEvent): void {
		this.#heardMs = performance.now();
		this.#failures = 0;
		let message: ControllerMessage;
		try {
			message = JSON.parse(String(event.data)) as ControllerMessage;
		} catch {
			this.#options.log(
				"message of the controller: not JSON (have both the same version?)",
			);
			return;
		}
		if (message.type === "desired") {
			this.#desired = message.state;
			void this.#applyNewest();
		} else if (message.type === "auc") {
			const host = message.host ?? hostOf(this.#options.url);
			this.#options.onAuc?.({ host, port: message.port });
		} else if (message.type === "request")
			void this.#answer(message.id, message);
	}

	async #applyNewest(): Promise<void> {
		if (this.#applying) return;
		this.#applying = true;
		for (let state = this.#desired; state; state = this.#desired) {
			this.#desired = undefined;
			this.#send(await this.#applied(state));
			this.tellStatus();
		}
		this.#applying = false;
	}

	async #applied(state: NodeState): Promise<AgentMessage> {
		const { node, log } = this.#options;
		const { revision } = state;
		const startMs = performance.now();
		try {
			if (revision < node.state.revision)
				throw new Error(
					`revision ${revision}: ${node.state.revision} runs already (an older store of the controller? purge this node to accept it)`,
				);
			if (revision > node.state.revision) await node.apply(state);
			const tookMs = performance.now() - startMs;
			log(`revision ${revision} applied in ${tookMs.toFixed(0)} ms`);
			return { type: "ack", revision, tookMs };
		} catch (error) {
			const reason = error instanceof Error ? error.message : String(error);
			log(`revision ${revision} refused: ${reason}`);
			return { type: "refuse", revision, reason: reason.slice(0, TEXT_MAX) };
		}
	}

	async #answer(id: number, question: AgentRequest): Promise<void> {
		try {
			this.#send({ type: "reply", id, body: await this.#body(question) });
		} catch (error) {
			const reason = error instanceof Error ? error.message : String(error);
			this.#send({ type: "reply", id, error: reason.slice(0, TEXT_MAX) });
		}
	}

	async #body(question: AgentRequest): Promise<unknown> {
		const { node, doctor } = this.#options;
		switch (question.what) {
			case "counters":
				return node.counters();
			case "flows":
				return node.flows(question.filter);
			case "states":
				return node.states(question.filter);
			case "doctor":
				return doctor();
			case "invalidate":
				return node.invalidate(question.function, question.instance);
			case "check":
				return (await node.check(question.instances)).map((reason) =>
					reason.slice(0, TEXT_MAX),
				);
			default:
				throw new Error(
					`question ${(question as { what: string }).what}: unknown (the controller is newer: update the agent)`,
				);
		}
	}

	#send(message: AgentMessage): void {
		if (this.connected) this.#socket?.send(JSON.stringify(message));
	}
}

/** Without the brackets that a URL puts around an IPv6 address. */
function hostOf(url: string): string {
	return new URL(url).hostname.replace(/^\[|\]$/g, "");
}

function causeOf(error: unknown): string {
	if (!(error instanceof Error)) return "connection failed";
	const { cause } = error;
	return cause instanceof Error ? cause.message : error.message;
}
