/**
 * The centre's door to EFs: TLS 1.3, messages as of keys/framing.ts. With a
 * certificate that counts an EF says what it likes; without one it may enrol, and
 * that slowly: strangers cannot hold up those that are known.
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
import { RateLimit, Tally } from "./limits.js";

/** What a centre does with what arrives. */
export interface AucHearer {
	isCurrent(ef: string, serial: string): boolean;
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
/** Connections that have not proved who they are: at all, and of one address. */
const MAX_STRANGERS = 256;
const MAX_STRANGERS_OF_ONE = 32;
/** New connections, and messages of strangers, of one address. */
const CONNECTIONS = { perSecond: 20, burst: 100 };
const ENROL_MESSAGES = { perSecond: 10, burst: 50 };
/** Messages of one EF: a rekey of all links of a large one is some 10,000. */
const MESSAGES = { perSecond: 2000, burst: 50_000 };
const HANDSHAKE_MS = 10_000;
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
	const unproved = new Tally();
	/** By address and port: ends counting a connection among the unproved. */
	const proofs = new Map<string, () => void>();
	const arrivals = new RateLimit(CONNECTIONS);
	const enrolments = new RateLimit(ENROL_MESSAGES);
	const messages = new RateLimit(MESSAGES);
	let nextConnection = 1;

	const tls = createTlsServer({
		...identity,
		requestCert: true,
		rejectUnauthorized: false,
		handshakeTimeout: HANDSHAKE_MS,
	});
	const door = createServer();
	door.on("connection", (socket) => {
		const { remoteAddress: address = "" } = socket;
		const isTooMuch =
			unproved.total >= MAX_STRANGERS ||
			unproved.of(address) >= MAX_STRANGERS_OF_ONE ||
			!arrivals.allows(address, Date.now());
		if (isTooMuch) return void socket.destroy();
		const name = nameOf(socket);
		const proved = unproved.add(address);
		proofs.set(name, proved);
		sockets.add(socket);
		socket.once("close", () => {
			sockets.delete(socket);
			proofs.delete(name);
			proved();
		});
		tls.emit("connection", socket);
	});
	tls.on("tlsClientError", (_, socket) => socket.destroy());
	tls.on("secureConnection", (socket) => {
		socket.on("error", () => socket.destroy());
		const certificate = socket.getPeerCertificate();
		if (Object.keys(certificate ?? {}).length === 0) return stranger(socket);
		const { subject, serialNumber, valid_to: until } = certificate;
		const ef = String(subject?.CN ?? "");
		if (!socket.authorized || !hearer.isCurrent(ef, serialNumber)) {
			socket.setTimeout(HANDSHAKE_MS, () => socket.destroy());
			socket.resume();
			socket.end(framed(encodeAucMessage({ type: "unknown" })));
			return;
		}
		proofs.get(nameOf(socket))?.();
		accept(ef, { socket, serial: serialNumber }, Date.parse(until));
	});

	/** What a connection says, message by message; ended by what is none. */
	function hear(
		socket: TLSSocket,
		maxBytes: number | undefined,
		take: (message: Buffer) => void,
	): void {
		const deframer = new Deframer(maxBytes);
		socket.on("data", (piece: Buffer) => {
			try {
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
		hear(socket, MAX_ENROL_BYTES, (message) => {
			if (!enrolments.allows(socket.remoteAddress ?? "", Date.now())) {
				throw new MessageError("too many requests to enrol");
			}
			hearer.enrol(connection, decodeEnrolRequest(message));
		});
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
		hear(socket, undefined, (bytes) => {
			if (!messages.allows(ef, Date.now())) {
				throw new MessageError(`too many messages of ${ef}`);
			}
			const message = decodeEfMessage(bytes);
			if (Date.now() < untilMs) hearer.message(ef, message);
			else socket.end(framed(encodeAucMessage({ type: "unknown" })));
		});
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
