/** Serves `/` and `/bytes/N`. Arguments: JSON of { address, port }. */
import { createServer } from "node:http";

const { address, port } = JSON.parse(process.argv[2] ?? "{}") as {
	address: string;
	port: number;
};
const LARGEST = 1 << 30;

createServer((request, response) => {
	const match = /^\/bytes\/(\d{1,10})$/.exec(request.url ?? "");
	if (match === null) {
		response.end("chainmail lab\n");
		return;
	}
	let left = Math.min(Number(match[1]), LARGEST);
	response.setHeader("content-length", left);
	const chunk = Buffer.alloc(65_536, "x");
	const write = () => {
		while (left > 0) {
			const size = Math.min(left, chunk.length);
			left -= size;
			if (!response.write(chunk.subarray(0, size))) {
				response.once("drain", write);
				return;
			}
		}
		response.end();
	};
	write();
}).listen(port, address, () => process.stdout.write("listening\n"));
