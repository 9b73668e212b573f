/**
 * The centre's door to EFs: TLS 1.3, messages as of keys/framing.ts. With a
 * certificate that counts an EF is heard; without one it may enrol, and that
 * slowly. A place is taken for the handshake alone, then among strangers: those
 * never take one from who is known, and among them the newest counts.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import {
	decodeEfMessage,
	decodeEnrolRequest,
	encodeAucMessage,
	encodeEnrolment,
	MessageError,
} from "../../keys/codec.js";
import type { EnrolReply, EnrolRequest } from "../../keys/enrol-messages.js";
import { Deframer, framed } from "../../keys/framing.js";
import type { AucMessage, EfMessage } from "../../keys/messages.js";
import type { TlsIdentity } from "../ca.js";
import { Lobby, RateLimit, sourceOf } from "./limits.js";

/** What a centre does with what arrives. */
export interface AucHearer {
	isCurrent(ef: string, serial: string): boolean;
	/** Longest message in bytes that the EF may have something to say in. */
	maxBytes(ef: string): number;
	message(from: string, message: EfMessage): void;
	enrol(connection: number, message: EnrolRequest): void;
	/** Something arrived that is no message, or too much of it. */
	refused(cause: string): void;
}

export interface AucListener {
	readonly port: number;
	/** EFs that are connected. */
	readonly connected: ReadonlySet<string>;
	/** To an EF that is not there nothing is sent. */
	send(to: string, message: AucMessage): void;
	reply(connection: number, message: EnrolReply): void;
	/** Ends connections by certificates that do not count any more. */
	recheck(): void;
	renew(identity: TlsIdentity): void;
	close(): Promise<void>;
}

/** Longest message of a stranger in bytes: a certificate request. */
const MAX_ENROL_BYTES = 32 * 1024;
/** Connections before the end of their handshake, and others without a certificate. */
const ROOM = { total: 256, ofOneSource: 32 };
/** New connections, and messages of strangers, of one source. */
const CONNECTIONS = { perSecond: 20, burst: 100 };
const ENROL_MESSAGES = { perSecond: 10, burst: 50 };
/** Messages of one EF: a rekey of all links of a large one is some 10,000. */
const MESSAGES = { perSecond: 2000, burst: 50_000 };
/** A usage or report of 100,000 SAs has 10 MB, and a usage comes every 5 s. */
const BYTES = { perSecond: 2 * 2 ** 20, burst: 32 * 2 ** 20 };
const HANDSHAKE_MS = 3000;
const STRANGER_MS = 60_000;
/** An EF tells every 5 s what it has used; this much silence means that it is gone. */
const SILENCE_MS = 30_000;
/** An EF that does not read what it is sent. */
const MAX_BACKLOG_BYTES = 16 * 2 ** 20;

interface Known {
	readonly socket: TLSSocket;
	readonly serial: string;
}

/** Throws `auc: cause` where the address cannot be listened at. */
export async function listen(
	{ host, port }: { readonly host: string; readonly port: number },
	identity: TlsIdentity,
	hearer: AucHearer,
): Promise<AucListener> {
	const known = new Map<string, Known>();
	const strangers = new Map<number, TLSSocket>();
	const sockets = new Set<Socket>();
	const destroy = (socket: Socket) => void socket.destroy();
	const greeting = new Lobby<Socket>(ROOM, destroy);
	const waiting = new Lobby<Socket>(ROOM, destroy);
	/** By address and port: ends counting a connection among those that greet. */
	const greeted = new Map<string, () => void>();
	const arrivals = new RateLimit(CONNECTIONS);
	const enrolments = new RateLimit(ENROL_MESSAGES);
	const messages = new RateLimit(MESSAGES);
	const bytes = new RateLimit(BYTES);
	let nextConnection = 1;

	const tls = createTlsServer({
		...identity,
		requestCert: true,
		rejectUnauthorized: false,
	});
	const door = createServer();
	door.on("connection", (socket) => {
		const source = sourceOf(socket.remoteAddress ?? "");
		if (!arrivals.allows(source, performance.now())) return destroy(socket);
		const name = nameOf(socket);
		const leave = greeting.enter(source, socket);
		/* Node's own only ends those that say nothing at all for so long. */
		const ending = setTimeout(destroy, HANDSHAKE_MS, socket);
		const ended = () => {
			clearTimeout(ending);
			greeted.delete(name);
			leave();
		};
		greeted.set(name, ended);
		sockets.add(socket);
		socket.once("close", () => {
			sockets.delete(socket);
			ended();
		});
		tls.emit("connection", socket);
	});
	tls.on("tlsClientError", (_, socket) => socket.destroy());
	tls.on("secureConnection", (socket) => {
		socket.on("error", () => socket.destroy());
		greeted.get(nameOf(socket))?.();
		const certificate = socket.getPeerCertificate();
		const { subject, serialNumber = "", valid_to: until } = certificate ?? {};
		const ef = String(subject?.CN ?? "");
		if (socket.authorized && hearer.isCurrent(ef, serialNumber)) {
			return accept(ef, { socket, serial: serialNumber }, Date.parse(until));
		}
		const leave = waiting.enter(sourceOf(socket.remoteAddress ?? ""), socket);
		socket.once("close", leave);
		if (subject === undefined) return stranger(socket);
		setTimeout(destroy, HANDSHAKE_MS, socket).unref();
		socket.resume();
		socket.end(framed(encodeAucMessage({ type: "unknown" })));
	});

	/** What a connection says, message by message; ended by a MessageError. */
	function hear(
		socket: TLSSocket,
		maxBytes: () => number,
		weigh: (piece: Buffer) => void,
		take: (message: Buffer) => void,
	): void {
		const deframer = new Deframer(maxBytes);
		socket.on("data", (piece: Buffer) => {
			try {
				weigh(piece);
				for (const message of deframer.push(piece)) {
					if (!socket.destroyed) take(message);
				}
			} catch (error) {
				if (!(error instanceof MessageError)) throw error;
				hearer.refused(`${socket.remoteAddress ?? ""}: ${error.message}`);
				socket.destroy();
			}
		});
	}

	function stranger(socket: TLSSocket): void {
		const connection = nextConnection++;
		strangers.set(connection, socket);
		const ending = setTimeout(() => socket.destroy(), STRANGER_MS);
		socket.once("close", () => {
			clearTimeout(ending);
			strangers.delete(connection);
		});
		const source = sourceOf(socket.remoteAddress ?? "");
		const take = (message: Buffer) => {
			if (!enrolments.allows(source, performance.now())) {
				throw new MessageError("too many requests to enrol");
			}
			hearer.enrol(connection, decodeEnrolRequest(message));
		};
		hear(
			socket,
			() => MAX_ENROL_BYTES,
			() => {},
			take,
		);
	}

	function accept(ef: string, one: Known, untilMs: number): void {
		const { socket } = one;
		known.get(ef)?.socket.destroy();
		known.set(ef, one);
		socket.setKeepAlive(true, SILENCE_MS);
		socket.setTimeout(SILENCE_MS, () => socket.destroy());
		socket.once("close", () => {
			if (known.get(ef) === one) known.delete(ef);
		});
		const weigh = ({ length }: Buffer) => {
			if (bytes.allows(ef, performance.now(), length)) return;
			throw new MessageError(`too many bytes of ${ef}`);
		};
		const take = (raw: Buffer) => {
			if (!messages.allows(ef, performance.now())) {
				throw new MessageError(`too many messages of ${ef}`);
			}
			const message = decodeEfMessage(raw);
			if (Date.now() < untilMs) hearer.message(ef, message);
			else socket.end(framed(encodeAucMessage({ type: "unknown" })));
		};
		hear(socket, () => hearer.maxBytes(ef), weigh, take);
	}

	door.listen({ host, port });
	await once(door, "listening").catch((error: Error) => {
		throw new Error(
			`auc: cannot listen at ${host} port ${port}: ${error.message} (name another address)`,
		);
	});
	return {
		port: (door.address() as AddressInfo).port,
		get connected() {
			return new Set(known.keys());
		},
		send(to, message) {
			const socket = known.get(to)?.socket;
			/* What it was for is given up: the key went while this waited. */
			const isVoid = message.type === "install" && message.entry.key.wiped;
			if (!socket?.writable || isVoid) return;
			write(socket, encodeAucMessage(message));
			if (socket.writableLength > MAX_BACKLOG_BYTES) socket.destroy();
		},
		reply(connection, message) {
			const socket = strangers.get(connection);
			if (socket?.writable) write(socket, encodeEnrolment(message));
		},
		recheck() {
			for (const [ef, { socket, serial }] of known) {
				if (!hearer.isCurrent(ef, serial)) socket.destroy();
			}
		},
		renew: (next) => tls.setSecureContext(next),
		async close() {
			const closed = once(door, "close");
			door.close();
			for (const socket of sockets) socket.destroy();
			await closed;
		},
	};
}

/** Nothing of a key stays in this memory once it is on its way. */
function write(socket: TLSSocket, message: Buffer): void {
	const frame = framed(message);
	socket.write(frame, () => frame.fill(0));
}

function nameOf({ remoteAddress, remotePort }: Socket): string {
	return `${remoteAddress} ${remotePort}`;
}
