/** Answers every request of 64 bytes with 64 bytes. Arguments: JSON of { address, port }. */
import { createServer } from "node:net";

const SIZE = 64;
const { address, port } = JSON.parse(process.argv[2] ?? "{}") as {
	address: string;
	port: number;
};
const answer = Buffer.alloc(SIZE, "a");

createServer({ noDelay: true }, (socket) => {
	let open = 0;
	socket.on("data", (data) => {
		open += data.length;
		for (; open >= SIZE; open -= SIZE) socket.write(answer);
	});
	socket.on("error", () => socket.destroy());
}).listen(port, address, () => process.stdout.write("listening\n"));
