/**
 * Asks and waits for the answer, over and over, on one connection or on a new
 * one each time, until told to stop (SIGTERM) or `count` are done; prints a
 * TcpResult as JSON. Arguments: JSON of TcpOptions.
 */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";

const SIZE = 64;
const options = JSON.parse(process.argv[2] ?? "{}") as {
	address: string;
	port: number;
	count?: number;
	newConnections: boolean;
	sourcePort?: number;
	resets: boolean;
	timeoutMs: number;
};
let answered = 0;
let failed = 0;
let slowestMs = 0;
let stopping = false;
process.on("SIGTERM", () => {
	stopping = true;
});

const done = () =>
	stopping || answered + failed >= (options.count ?? Number.POSITIVE_INFINITY);
let socket: Socket | undefined;
process.stdout.write("asking\n");
while (!done()) {
	const start = performance.now();
	try {
		socket ??= await open();
		await ask(socket);
		answered++;
		slowestMs = Math.max(slowestMs, performance.now() - start);
	} catch {
		failed++;
		socket?.destroy();
		socket = undefined;
	}
	if (options.newConnections) {
		if (options.resets) socket?.resetAndDestroy();
		else socket?.destroy();
		socket = undefined;
	}
}
socket?.destroy();
process.stdout.write(`${JSON.stringify({ answered, failed, slowestMs })}\n`);

function open(): Promise<Socket> {
	return within((resolve, reject) => {
		const opened = connect({
			host: options.address,
			port: options.port,
			noDelay: true,
			...(options.sourcePort && { localPort: options.sourcePort }),
		});
		opened.once("connect", () => resolve(opened));
		opened.once("error", reject);
		return opened;
	});
}

function ask(connected: Socket): Promise<void> {
	return within((resolve, reject) => {
		const request = randomBytes(SIZE);
		let answer = Buffer.alloc(0);
		const take = (data: Buffer) => {
			answer = Buffer.concat([answer, data]);
			if (answer.length < SIZE) return;
			connected.off("data", take);
			connected.off("error", reject);
			if (answer.equals(request.map((byte) => ~byte))) resolve();
			else reject(new Error("another answer than asked for"));
		};
		connected.on("data", take);
		connected.once("error", reject);
		connected.once("end", () => reject(new Error("closed")));
		connected.write(request);
		return connected;
	});
}

/** A step on a socket that has to end in time. */
function within<T>(
	step: (resolve: (value: T) => void, reject: (error: Error) => void) => Socket,
): Promise<T> {
	return new Promise((resolve, reject) => {
		const timer = setTimeout(() => {
			used.destroy();
			reject(new Error("no answer in time"));
		}, options.timeoutMs);
		const used = step(
			(value) => {
				clearTimeout(timer);
				resolve(value);
			},
			(error) => {
				clearTimeout(timer);
				reject(error);
			},
		);
	});
}
