/** Answers every byte with its complement. Arguments: JSON of { address, port }. */
import { createServer } from "node:net";

const { address, port } = JSON.parse(process.argv[2] ?? "{}") as {
	address: string;
	port: number;
};

createServer({ noDelay: true }, (socket) => {
	socket.on("data", (data) => socket.write(data.map((byte) => ~byte)));
	socket.on("error", () => socket.destroy());
}).listen(port, address, () => process.stdout.write("listening\n"));
