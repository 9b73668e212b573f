/**
 * A UDP socket of one lab host, by hand: prints each datagram that arrives as a
 * JSON line {"from", "port", "hex"}, and sends what comes in as JSON lines
 * {"to", "port", "hex"}. Arguments: JSON of DatagramsOptions.
 */
import { createSocket } from "node:dgram";
import { createInterface } from "node:readline";

export interface DatagramsOptions {
	readonly address: string;
	readonly port: number;
}

interface Outgoing {
	readonly to: string;
	readonly port: number;
	readonly hex: string;
}

const options = JSON.parse(process.argv[2] ?? "{}") as DatagramsOptions;
const family = options.address.includes(":") ? "udp6" : "udp4";
const socket = createSocket({ type: family, recvBufferSize: 4_000_000 });

socket.on("message", (message, { address, port }) => {
	const line = { from: address, port, hex: message.toString("hex") };
	process.stdout.write(`${JSON.stringify(line)}\n`);
});
socket.bind(options.port, options.address, () => {
	process.stdout.write("open\n");
	const lines = createInterface({ input: process.stdin });
	lines.on("line", (line) => {
		const { to, port, hex } = JSON.parse(line) as Outgoing;
		socket.send(Buffer.from(hex, "hex"), port, to);
	});
	lines.on("close", () => socket.close());
});
