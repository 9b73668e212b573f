/**
 * Sends back what it gets, over UDP and TCP at one port; prints {"ended": code}
 * for each connection that breaks. Arguments: JSON of { address, port }.
 */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";

const { address, port } = JSON.parse(process.argv[2] ?? "{}") as {
	address: string;
	port: number;
};

const udp = createSocket(address.includes(":") ? "udp6" : "udp4");
udp.on("message", (message, from) => {
	udp.send(message, from.port, from.address, () => {});
});
const tcp = createServer({ noDelay: true }, (socket) => {
	socket.on("data", (data) => socket.write(data));
	socket.on("error", ({ code }: NodeJS.ErrnoException) => {
		process.stdout.write(`${JSON.stringify({ ended: code })}\n`);
	});
});
udp.bind(port, address, () => {
	tcp.listen(port, address, () => process.stdout.write("listening\n"));
});
