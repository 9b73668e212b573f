/** Messages to and from the authentication centre over TLS. */
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { AUC_NAME } from "../../keys/enrol-messages.js";
import { Deframer, framed } from "../../keys/framing.js";
import type { AucAddress } from "../../plan/protocol.js";

const CONNECT_MS = 10_000;
/** The system looks after so long a silence whether the other side is there. */
const KEEP_ALIVE_MS = 5_000;

export interface StreamEvents {
	readonly onOpen: () => void;
	/** Throws where it is no message: the stream ends then. */
	readonly onMessage: (bytes: Buffer) => void;
	/** Once; why it ended, or could not begin. */
	readonly onEnd: (reason: Error) => void;
}

export class AucStream {
	readonly #socket: TLSSocket;
	#ended = false;

	/** `tls`: a certificate of the centre's authority, or none to enrol. */
	constructor(
		address: Required<AucAddress>,
		tls: Pick<ConnectionOptions, "ca" | "key" | "cert" | "rejectUnauthorized">,
		events: StreamEvents,
	) {
		const { host, port } = address;
		const socket = connect({
			...tls,
			host,
			port,
			servername: AUC_NAME,
			minVersion: "TLSv1.3",
		});
		this.#socket = socket;
		const deframer = new Deframer();
		const end = (reason: Error): void => {
			clearTimeout(timer);
			socket.destroy();
			if (this.#ended) return;
			this.#ended = true;
			events.onEnd(
				Object.assign(
					new Error(`authentication centre ${host}:${port}: ${reason.message}`),
					{ code: (reason as NodeJS.ErrnoException).code },
				),
			);
		};
		const timer = setTimeout(
			() => end(new Error(`no answer in ${CONNECT_MS} ms`)),
			CONNECT_MS,
		);
		socket.setKeepAlive(true, KEEP_ALIVE_MS);
		socket.setNoDelay(true);
		socket.once("secureConnect", () => {
			clearTimeout(timer);
			events.onOpen();
		});
		socket.on("data", (piece) => {
			try {
				for (const message of deframer.push(piece)) {
					if (this.#ended) message.fill(0);
					else events.onMessage(message);
				}
			} catch (error) {
				end(error instanceof Error ? error : new Error(String(error)));
			}
		});
		socket.on("error", end);
		socket.on("close", () => end(new Error("it has hung up")));
	}

	/** Takes the message over. */
	send(message: Buffer): void {
		const frame = framed(message);
		this.#socket.write(frame, () => frame.fill(0));
	}

	/** Ends it without a word to its owner. */
	close(): void {
		this.#ended = true;
		this.#socket.destroy();
	}
}
