/**
 * Sends numbered datagrams at an exact average rate until told to stop
 * (SIGTERM) or `count` are out; prints {"sent", "returned"} as JSON.
 * Arguments: JSON of SenderOptions.
 */
import { createSocket } from "node:dgram";
import { setPriority } from "node:os";
import { END, encode, HEADER_BYTES, StreamJudge } from "../udp-wire.js";

export interface SenderOptions {
	readonly address: string;
	readonly port: number;
	readonly stream: number;
	/** Packets a second. */
	readonly rate: number;
	/** Bytes of payload. */
	readonly size: number;
	/** Behind the header. */
	readonly marker?: string;
	readonly count?: number;
	readonly sourcePort?: number;
}

/** Time for the last echoes to come home. */
const ECHO_GRACE_MS = 300;
/** The end is announced several times, in case one is lost. */
const END_REPEATS = 5;

const options = JSON.parse(process.argv[2] ?? "{}") as SenderOptions;
const family = options.address.includes(":") ? "udp6" : "udp4";
const socket = createSocket({ type: family, recvBufferSize: 4_000_000 });
const payload = Buffer.alloc(Math.max(options.size, HEADER_BYTES));
payload.write(options.marker ?? "", HEADER_BYTES);
const echoes = new StreamJudge();
let sent = 0;
let refused = 0;
let stopping = false;

socket.on("message", (message) => {
	const sequence = message.readUInt32BE(0);
	if (sequence !== END) echoes.take(sequence, performance.now());
});
// An ICMP error of an earlier datagram: the receiver's count tells the loss.
socket.on("error", () => refused++);
process.on("SIGTERM", () => {
	stopping = true;
});

socket.bind(options.sourcePort ?? 0, () => {
	socket.connect(options.port, options.address, () => {
		raisePriority();
		process.stdout.write("sending\n");
		pace(performance.now());
	});
});

/** Sends all that are due by the clock, so that a late timer costs no rate. */
function pace(start: number): void {
	const due =
		Math.floor(((performance.now() - start) / 1000) * options.rate) + 1;
	const limit = options.count ?? Number.POSITIVE_INFINITY;
	while (sent < Math.min(due, limit)) {
		socket.send(Buffer.from(encode(payload, options.stream, sent)), ignore);
		sent++;
	}
	if (stopping || sent >= limit) finish(END_REPEATS);
	else setTimeout(pace, 1, start);
}

function finish(repeats: number): void {
	if (repeats > 0) {
		socket.send(Buffer.from(encode(payload, options.stream, END)), ignore);
		setTimeout(finish, 10, repeats - 1);
		return;
	}
	setTimeout(() => {
		const { received } = echoes.report();
		process.stdout.write(
			`${JSON.stringify({ sent, returned: received, refused })}\n`,
		);
		socket.close();
	}, ECHO_GRACE_MS);
}

function ignore(): void {}

/** A busy machine must not look like a lossy network. */
function raisePriority(): void {
	try {
		setPriority(-15);
	} catch {
		// Without the right it runs as it is.
	}
}
