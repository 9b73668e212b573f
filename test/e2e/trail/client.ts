/**
 * For each line on standard input sends a message (wire.ts) over four flows, a
 * running and a fresh one of UDP and of TCP, and prints what came back as JSON:
 * hexadecimal by flow, null where nothing did. Argument: the server's address.
 */
import { createSocket } from "node:dgram";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { MESSAGE, TRAIL_PORT } from "./wire.js";

const [, , address = ""] = process.argv;
/** Longer than TCP takes to send again: what is lost shows in UDP. */
const TIMEOUT_MS = 2000;

type Flow = (message: Buffer) => Promise<Buffer | null>;

function udpFlow(): Flow & { close(): void } {
	const socket = createSocket("udp4");
	const flow = (message: Buffer) =>
		answer((take) => {
			socket.once("message", take);
			socket.send(message, TRAIL_PORT, address);
		});
	return Object.assign(flow, { close: () => socket.close() });
}

async function tcpFlow(): Promise<(Flow & { close(): void }) | null> {
	const socket = await new Promise<Socket | null>((resolve) => {
		const made = connect({ port: TRAIL_PORT, host: address, noDelay: true });
		made.once("connect", () => resolve(made));
		made.on("error", () => resolve(null));
		setTimeout(() => resolve(null), TIMEOUT_MS).unref();
	});
	if (socket === null) return null;
	const flow = (message: Buffer) =>
		answer((take) => {
			let got = Buffer.alloc(0);
			const collect = (data: Buffer) => {
				got = Buffer.concat([got, data]);
				if (got.length < MESSAGE) return;
				socket.off("data", collect);
				take(got);
			};
			socket.on("data", collect);
			socket.write(message);
		});
	return Object.assign(flow, { close: () => socket.destroy() });
}

function answer(ask: (take: (data: Buffer) => void) => void) {
	return new Promise<Buffer | null>((resolve) => {
		const timer = setTimeout(() => resolve(null), TIMEOUT_MS);
		ask((data) => {
			clearTimeout(timer);
			resolve(data);
		});
	});
}

async function freshTcp(): Promise<Buffer | null> {
	const flow = await tcpFlow();
	const got = (await flow?.(Buffer.alloc(MESSAGE))) ?? null;
	flow?.close();
	return got;
}

async function freshUdp(): Promise<Buffer | null> {
	const flow = udpFlow();
	const got = await flow(Buffer.alloc(MESSAGE));
	flow.close();
	return got;
}

const udp = udpFlow();
const tcp = await tcpFlow();
if (tcp === null) throw new Error(`${address}: no TCP connection`);
console.log("connected");
for await (const _ of createInterface({ input: process.stdin })) {
	const [runningUdp, runningTcp, newUdp, newTcp] = await Promise.all([
		udp(Buffer.alloc(MESSAGE)),
		tcp(Buffer.alloc(MESSAGE)),
		freshUdp(),
		freshTcp(),
	]);
	const hex = (data: Buffer | null) => data?.toString("hex") ?? null;
	console.log(
		JSON.stringify({
			"running UDP": hex(runningUdp),
			"running TCP": hex(runningTcp),
			"new UDP": hex(newUdp),
			"new TCP": hex(newTcp),
		}),
	);
}
process.exit(0);
