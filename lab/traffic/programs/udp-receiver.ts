/**
 * Receives numbered datagrams of one stream, optionally returns each; prints
 * its StreamReport as JSON soon after the stream's end, or on SIGTERM.
 * Arguments: JSON of ReceiverOptions.
 */
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { setPriority } from "node:os";
import { END, StreamJudge } from "../udp-wire.js";

export interface ReceiverOptions {
	readonly address: string;
	readonly port: number;
	readonly stream: number;
	readonly echo: boolean;
}

/** Time for packets that were overtaken by the end. */
const END_GRACE_MS = 200;

const options = JSON.parse(process.argv[2] ?? "{}") as ReceiverOptions;
const family = options.address.includes(":") ? "udp6" : "udp4";
const socket = createSocket({ type: family, recvBufferSize: 4_000_000 });
const judge = new StreamJudge();
let ending = false;

socket.on("message", (message, from) => {
	if (message.length < 8 || message.readUInt32BE(4) !== options.stream) return;
	const sequence = message.readUInt32BE(0);
	if (sequence === END) {
		end();
		return;
	}
	judge.take(sequence, performance.now());
	if (options.echo) socket.send(message, from.port, from.address, () => {});
});
socket.bind(options.port, options.address, () => {
	try {
		setPriority(-15);
	} catch {
		// Without the right it runs as it is.
	}
	process.stdout.write("listening\n");
});
process.on("SIGTERM", end);

function end(): void {
	if (ending) return;
	ending = true;
	setTimeout(() => {
		const report = { ...judge.report(), bufferErrors: bufferErrors() };
		process.stdout.write(`${JSON.stringify(report)}\n`);
		socket.close();
	}, END_GRACE_MS);
}

/** Datagrams this host dropped because a program read too slowly. */
function bufferErrors(): number {
	const rows = readFileSync("/proc/net/snmp", "utf8")
		.split("\n")
		.filter((line) => line.startsWith("Udp:"))
		.map((line) => line.split(" "));
	const column = rows[0]?.indexOf("RcvbufErrors") ?? -1;
	const v4 = Number(rows[1]?.[column] ?? 0);
	const v6 = /^Udp6RcvbufErrors\s+(\d+)$/m.exec(
		readFileSync("/proc/net/snmp6", "utf8"),
	);
	return v4 + Number(v6?.[1] ?? 0);
}
