/**
 * Opens flows to an echo server and has each ask and be answered, as often as a
 * line comes on standard input: { timeoutMs }. Prints { asked, answered } for
 * each line, and { ended: code } for a connection that breaks. UDP asks again
 * until it is answered, TCP does by itself. Arguments: JSON of FlowSetOptions.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";

interface FlowSetProgram {
	readonly address: string;
	readonly port: number;
	readonly udp: number;
	readonly tcp: number;
}

const AGAIN_MS = 50;
const options = JSON.parse(process.argv[2] ?? "{}") as FlowSetProgram;
const { address, port } = options;

/** Sends a number, and tells of each that comes back. */
interface Flow {
	send(number: number): void;
	onAnswer: (number: number) => void;
	readonly asksAgain: boolean;
}

function udpFlow(): Flow {
	const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
	const flow: Flow = {
		send: (number) => socket.send(bytes(number), port, address, () => {}),
		onAnswer: () => {},
		asksAgain: true,
	};
	socket.on("message", (data) => flow.onAnswer(data.readUInt32BE(0)));
	return flow;
}

async function tcpFlow(): Promise<Flow> {
	const socket = connect({ host: address, port, noDelay: true });
	await once(socket, "connect");
	const flow: Flow = {
		send: (number) => void socket.write(bytes(number)),
		onAnswer: () => {},
		asksAgain: false,
	};
	socket.on("data", (data) =>
		flow.onAnswer(data.readUInt32BE(data.length - 4)),
	);
	socket.on("error", ({ code }: NodeJS.ErrnoException) =>
		print({ ended: code }),
	);
	return flow;
}

/** Whether the flow was answered in time. */
function ask(flow: Flow, number: number, timeoutMs: number): Promise<boolean> {
	return new Promise((resolve) => {
		const end = (answered: boolean) => {
			clearInterval(again);
			clearTimeout(deadline);
			resolve(answered);
		};
		flow.onAnswer = (answer) => answer === number && end(true);
		const deadline = setTimeout(() => end(false), timeoutMs);
		const again = flow.asksAgain
			? setInterval(() => flow.send(number), AGAIN_MS)
			: undefined;
		flow.send(number);
	});
}

const flows = [
	...Array.from({ length: options.udp }, udpFlow),
	...(await Promise.all(Array.from({ length: options.tcp }, tcpFlow))),
];
print({ open: flows.length });
let number = 0;
for await (const line of createInterface({ input: process.stdin })) {
	const { timeoutMs } = JSON.parse(line) as { timeoutMs: number };
	number++;
	const answers = await Promise.all(
		flows.map((flow) => ask(flow, number, timeoutMs)),
	);
	print({ asked: number, answered: answers.filter(Boolean).length });
}
process.exit();

function bytes(value: number): Buffer {
	const buffer = Buffer.alloc(4);
	buffer.writeUInt32BE(value);
	return buffer;
}

function print(value: object): void {
	process.stdout.write(`${JSON.stringify(value)}\n`);
}
