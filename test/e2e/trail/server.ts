/** Answers messages over UDP and TCP (wire.ts). Argument: its address. */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { answerTo, MESSAGE, TRAIL_PORT } from "./wire.js";

const [, , address = ""] = process.argv;
const udp = createSocket("udp4", (message, { address: from, port }) =>
	udp.send(answerTo(message), port, from),
);
const tcp = createServer({ noDelay: true }, (socket) => {
	let pending = Buffer.alloc(0);
	socket.on("error", () => {});
	socket.on("data", (data) => {
		pending = Buffer.concat([pending, data]);
		for (; pending.length >= MESSAGE; pending = pending.subarray(MESSAGE))
			socket.write(answerTo(pending));
	});
});
udp.bind(TRAIL_PORT, address, () =>
	tcp.listen(TRAIL_PORT, address, () => console.log("listening")),
);
