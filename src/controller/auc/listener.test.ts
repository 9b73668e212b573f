/** Who gets in at the centre's door while others crowd it. */
import assert from "node:assert/strict";
import { connect as connectTcp, type Socket } from "node:net";
import { test } from "node:test";
import { connect, TLSSocket } from "node:tls";
import { newRequest } from "../../functions/certificate.js";
import { encodeEfMessage } from "../../keys/codec.js";
import { framed } from "../../keys/framing.js";
import { openAuthority, serverIdentity } from "../ca.js";
import { listen } from "./listener.js";
import { Site, until } from "./testing/site.js";

const HOST = "127.0.0.1";
const MAX_BYTES = 1000;

/** A door, and an EF that is known there. */
async function open(site: Site) {
	const authority = await openAuthority(`${site.directory}/ca`);
	const request = await newRequest("a");
	const issued = await authority.issue(request.csr, "a");
	const refused: string[] = [];
	const identity = await serverIdentity(authority, [HOST]);
	const door = await listen({ host: HOST, port: 0 }, identity, {
		isCurrent: (_, serial) => serial === issued.serial,
		maxBytes: () => MAX_BYTES,
		message: () => {},
		enrol: () => {},
		refused: (cause) => refused.push(cause),
	});
	site.onClose(() => door.close());
	const sockets = new Set<Socket>();
	site.onClose(() => {
		for (const socket of sockets) socket.destroy();
	});
	function keep<S extends Socket>(socket: S): S {
		socket.on("error", () => socket.destroy());
		sockets.add(socket);
		return socket;
	}
	const { port } = door;
	return {
		door,
		refused,
		keep,
		from: (localAddress: string) =>
			keep(connectTcp({ host: HOST, port, localAddress })),
		known: () => {
			const { key } = request;
			const cert = issued.certificate;
			const ca = authority.certificate;
			return keep(connect({ host: HOST, port, ca, key, cert }));
		},
	};
}

async function withDoor(
	work: (at: Awaited<ReturnType<typeof open>>) => Promise<void>,
): Promise<void> {
	const site = new Site();
	try {
		await work(await open(site));
	} finally {
		await site.close();
	}
}

for (const [who, isTls] of [
	["strangers that greet", true],
	["connections that say nothing", false],
] as const) {
	test(`${who}, of many addresses: the known EF gets in`, () =>
		withDoor(async ({ door, from, keep, known }) => {
			const held = Array.from({ length: 256 }, (_, i) => {
				const socket = from(`127.0.0.${2 + (i % 8)}`);
				return isTls
					? keep(connect({ socket, rejectUnauthorized: false }))
					: socket;
			});
			const isHere = (one: Socket) =>
				one instanceof TLSSocket ? one.getProtocol() !== null : !one.connecting;
			await until("they are there", () =>
				held.every((one) => one.destroyed || isHere(one)),
			);
			assert.ok(held.some(({ destroyed }) => !destroyed));
			const one = known();
			await until("it is in", () => door.connected.has("a"));
			assert.ok(!one.destroyed);
		}));
}

test("a handshake that is dragged out comes to an end", () =>
	withDoor(async ({ from }) => {
		const socket = from("127.0.0.2");
		/* A record of a handshake, of 512 bytes: one at a time. */
		const hello = Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252]);
		socket.write(hello);
		const drip = setInterval(() => socket.write(Buffer.alloc(1)), 100);
		await until("it is cut off", () => socket.destroyed).finally(() =>
			clearInterval(drip),
		);
	}));

test("an EF that says more than its links can hold is cut off", () =>
	withDoor(async ({ door, refused, known }) => {
		const one = known();
		await until("it is in", () => door.connected.has("a"));
		const sa = { eSpi: 1, eSi: 255, generation: 1 };
		const uses = Array.from({ length: 20 }, () => ({
			sa,
			bytes: 2 ** 40,
			packets: 2 ** 40,
		}));
		one.write(framed(encodeEfMessage({ type: "usage", session: "x", uses })));
		await until("it is cut off", () => one.destroyed);
		assert.match(refused.join(), /more than 1000/);
	}));
