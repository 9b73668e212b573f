/**
 * The agents' sessions: one a node, over a WebSocket whose client certificate
 * has been checked before. Knows who is there and what each last said.
 */
import type { WebSocket } from "ws";
import { Secret } from "../keys/secret.js";
import {
	type AgentMessage,
	type AgentRequest,
	type AucAddress,
	type ControllerMessage,
	type DoctorCheck,
	type NodeEvent,
	type NodeStatus,
	PROTOCOL_VERSION,
} from "../plan/protocol.js";
import type { NodeState } from "../plan/state.js";
import { Fault } from "./fault.js";
import { parseAgentMessage, parseReply, type Replies } from "./messages.js";

/** WebSocket close codes of our own (RFC 6455 §7.4.2: 4000 to 4999 are private). */
export const CLOSE_REPLACED = 4001;
export const CLOSE_PROTOCOL = 4002;
export const CLOSE_REVOKED = 4003;
const CLOSE_GOING_AWAY = 1001;

/** What the reconciler wants to hear. */
export interface FleetListener {
	/**
	 * The message as far as this node is believed, before anything else is done
	 * with it. Throws where the session must end.
	 */
	believe(node: string, message: AgentMessage): AgentMessage;
	hello(node: string, revision: number): void;
	acknowledged(node: string, revision: number): void;
	refused(node: string, revision: number, reason: string): void;
	status(node: string, status: NodeStatus): void;
	event(node: string, event: NodeEvent): void;
	/** The node's EF will enrol with this key, which the listener wipes. */
	enrolEf(node: string, key: Secret): void;
	gone(node: string): void;
}

/** What is known of a node that has said hello since the controller's start. */
export interface NodeReport {
	readonly connected: boolean;
	/** Newest revision it acknowledged or came with. */
	readonly revision: number;
	readonly version: string;
	readonly sinceMs: number;
	readonly lastError?: string;
	readonly checks: readonly DoctorCheck[];
	/** When it told these checks. */
	readonly checkedMs: number;
	readonly status?: NodeStatus;
}

export interface Fleet {
	/** Takes over a socket that proved to be this node's. */
	accept(node: string, socket: WebSocket): void;
	isConnected(node: string): boolean;
	/** Nodes that have said hello and are there. */
	connected(): string[];
	report(node: string): NodeReport | undefined;
	/** False where the node is not connected. */
	send(state: NodeState): boolean;
	/** Tells the node where its EF reaches the authentication centre. */
	tellAuc(node: string, address: AucAddress): void;
	/** Throws Fault node_unreachable where no good answer comes in time. */
	request<W extends AgentRequest["what"]>(
		node: string,
		question: AgentRequest & { readonly what: W },
		timeoutMs?: number,
	): Promise<Replies[W]>;
	/** Ends the node's session at once; nothing more is heard from it. */
	disconnect(node: string, reason: string): void;
	/** Ends a session on which nothing is heard; the agent may come back. */
	drop(node: string): void;
	close(): void;
}

export interface FleetOptions {
	readonly pingEveryMs?: number;
	/** A session that says nothing for so long is ended. */
	readonly silenceMs?: number;
	readonly now?: () => number;
}

interface Waiting {
	readonly done: (body: unknown) => void;
	readonly failed: (error: Error) => void;
}

interface Session {
	readonly socket: WebSocket;
	readonly requests: Map<number, Waiting>;
	greeted: boolean;
	heardMs: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const REQUEST_TIMEOUT_MS = 5000;

export function createFleet(
	listener: FleetListener,
	options: FleetOptions = {},
): Fleet {
	const now = options.now ?? Date.now;
	const pingEveryMs = options.pingEveryMs ?? 5000;
	const silenceMs = options.silenceMs ?? 3 * pingEveryMs;
	const sessions = new Map<string, Session>();
	const reports = new Map<string, Mutable<NodeReport>>();
	let nextId = 1;

	const keepalive = setInterval(() => {
		for (const [, session] of sessions) {
			if (now() - session.heardMs > silenceMs) session.socket.terminate();
			else session.socket.ping();
		}
	}, pingEveryMs);
	keepalive.unref();

	function end(node: string, session: Session): void {
		for (const waiting of session.requests.values()) {
			waiting.failed(unreachable(node, "disconnected"));
		}
		session.requests.clear();
		if (sessions.get(node) !== session) return;
		sessions.delete(node);
		const report = reports.get(node);
		if (report) {
			report.connected = false;
			report.sinceMs = now();
		}
		if (session.greeted) listener.gone(node);
	}

	function hear(node: string, session: Session, said: AgentMessage): void {
		const message = listener.believe(node, said);
		if (message.type === "hello") {
			if (message.protocol !== PROTOCOL_VERSION) {
				throw new Error(
					`agent speaks protocol ${message.protocol}, the controller ${PROTOCOL_VERSION} (install the same version on both)`,
				);
			}
			session.greeted = true;
			reports.set(node, {
				connected: true,
				revision: message.revision,
				version: message.version,
				sinceMs: now(),
				checks: message.checks,
				checkedMs: now(),
			});
			listener.hello(node, message.revision);
			return;
		}
		const report = reports.get(node);
		if (!session.greeted || !report) {
			throw new Error(`agent said ${message.type} before hello`);
		}
		switch (message.type) {
			case "ack":
				report.revision = Math.max(report.revision, message.revision);
				delete report.lastError;
				listener.acknowledged(node, message.revision);
				return;
			case "refuse":
				report.lastError = message.reason;
				listener.refused(node, message.revision, message.reason);
				return;
			case "status": {
				const { type: _, ...status } = message;
				report.status = status;
				listener.status(node, status);
				return;
			}
			case "event": {
				const { type: _, ...event } = message;
				listener.event(node, event);
				return;
			}
			case "ef-enrol": {
				const key = Buffer.from(message.key, "base64");
				listener.enrolEf(node, new Secret(key));
				return;
			}
			case "reply": {
				// A reply after its deadline finds nobody waiting: not an error.
				const waiting = session.requests.get(message.id);
				session.requests.delete(message.id);
				if (message.error !== undefined) {
					waiting?.failed(unreachable(node, message.error));
				} else waiting?.done(message.body);
			}
		}
	}

	return {
		accept(node, socket) {
			const session: Session = {
				socket,
				requests: new Map(),
				greeted: false,
				heardMs: now(),
			};
			const older = sessions.get(node);
			if (older) {
				end(node, older);
				older.socket.close(CLOSE_REPLACED, "replaced by a newer session");
			}
			sessions.set(node, session);
			socket.on("pong", () => {
				session.heardMs = now();
			});
			socket.on("message", (data) => {
				if (sessions.get(node) !== session) return;
				session.heardMs = now();
				try {
					hear(node, session, parseAgentMessage(data.toString()));
				} catch (error) {
					const reason = error instanceof Error ? error.message : String(error);
					listener.event(node, {
						timeMs: now(),
						kind: "protocol",
						message: reason,
					});
					end(node, session);
					// A close frame holds 123 bytes of reason (RFC 6455 §5.5).
					socket.close(CLOSE_PROTOCOL, reason.slice(0, 100));
				}
			});
			socket.on("close", () => end(node, session));
			socket.on("error", () => socket.terminate());
		},

		isConnected: (node) => sessions.get(node)?.greeted ?? false,
		connected: () =>
			[...sessions].filter(([, s]) => s.greeted).map(([node]) => node),
		report: (node) => reports.get(node),

		send(state) {
			const session = sessions.get(state.node);
			if (!session?.greeted) return false;
			const message: ControllerMessage = { type: "desired", state };
			session.socket.send(JSON.stringify(message));
			return true;
		},

		tellAuc(node, address) {
			const session = sessions.get(node);
			if (!session?.greeted) return;
			const message: ControllerMessage = { type: "auc", ...address };
			session.socket.send(JSON.stringify(message));
		},

		async request<W extends AgentRequest["what"]>(
			node: string,
			question: AgentRequest & { readonly what: W },
			timeoutMs = REQUEST_TIMEOUT_MS,
		) {
			const session = sessions.get(node);
			if (!session?.greeted) throw unreachable(node, "not connected");
			const id = nextId++;
			const message: ControllerMessage = { type: "request", id, ...question };
			const body = await new Promise((done, failed) => {
				const timer = setTimeout(() => {
					session.requests.delete(id);
					failed(unreachable(node, `no answer in ${timeoutMs} ms`));
				}, timeoutMs);
				const settle =
					<T>(next: (value: T) => void) =>
					(value: T) => {
						clearTimeout(timer);
						next(value);
					};
				session.requests.set(id, {
					done: settle(done),
					failed: settle(failed),
				});
				session.socket.send(JSON.stringify(message));
			});
			try {
				return parseReply<W>(question.what, body);
			} catch (error) {
				throw unreachable(node, error instanceof Error ? error.message : "");
			}
		},

		disconnect(node, reason) {
			const session = sessions.get(node);
			if (!session) return;
			// A peer may leave the close unanswered: it is over here all the same.
			end(node, session);
			session.socket.close(CLOSE_REVOKED, reason);
		},

		drop(node) {
			const session = sessions.get(node);
			if (!session) return;
			end(node, session);
			session.socket.terminate();
		},

		close() {
			clearInterval(keepalive);
			for (const session of sessions.values()) {
				session.socket.close(CLOSE_GOING_AWAY, "controller stops");
			}
		},
	};
}

function unreachable(node: string, cause: string): Fault {
	return new Fault("node_unreachable", `node ${node}: ${cause}`);
}
