/** A real NAT, of source and destination, whose translations are learned. */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { lineAddresses as at } from "../../lab/topologies/line.js";
import { startCapture } from "../../lab/traffic/capture.js";
import { Datagrams } from "../../lab/traffic/datagrams.js";
import {
	startTcpRequests,
	startTcpServer,
	type TcpRequestOptions,
	type TcpResult,
} from "../../lab/traffic/tcp-requests.js";
import type { DecodedPacket, Layer } from "../../src/wire/decode.js";
import { Skipping, servers } from "./skipping.fixture.js";

const PUBLIC = "203.0.113.50";
const PUBLIC6 = "2001:db8:203::50";
/** Where users connect to; only the NAT knows where the server is. */
const SERVICE = "198.51.100.7";
const SERVICE6 = "2001:db8:51::7";
const PORT = 7000;
/** Bytes of a capture without packets. */
const PCAP_HEADER = 24;
/** To each of four addresses. */
const CONNECTIONS = 2500;

const FAMILIES = [
	{ family: "ip", server: at.server, service: SERVICE },
	{ family: "ip6", server: at.server6, service: SERVICE6 },
] as const;

const RULES = FAMILIES.map(
	({ family, server, service }) => `table ${family} nat {
	chain to {
		type nat hook prerouting priority dstnat;
		${family} daddr ${service} dnat to ${server}
	}
	chain from {
		type nat hook postrouting priority srcnat;
		oifname "outside*" masquerade
	}
}
`,
).join("");

let here: Skipping;
before(async () => {
	here = await Skipping.open(() => ({
		rewrites: true,
		addresses: [`${PUBLIC}/32`, `${PUBLIC6}/128`],
		ruleset: { text: RULES },
	}));
	const server = here.lab.host("server");
	for (const [address, gateway] of [
		[PUBLIC, at.serverGateway],
		[PUBLIC6, "2001:db8:203::1"],
	])
		await server.must([
			"ip",
			"route",
			"add",
			`${address}`,
			"via",
			`${gateway}`,
		]);
	for (const address of [at.server, at.server6])
		await startTcpServer(server, address, PORT);
});
after(() => here?.close());

async function requests(
	options: Omit<TcpRequestOptions, "from" | "port">,
): Promise<TcpResult> {
	const running = await startTcpRequests({
		from: here.lab.host("user"),
		port: PORT,
		...options,
	});
	return running.finished();
}

for (const { family, server, service } of FAMILIES)
	describe(`${family}`, () => {
		for (const address of [server, service])
			it(`carries ${CONNECTIONS} connections to ${address} to the last byte`, async () => {
				const { answered, failed } = await requests({
					address,
					count: CONNECTIONS,
					newConnections: true,
				});
				assert.deepEqual([answered, failed], [CONNECTIONS, 0]);
			});

		it("has most packets of a connection skip it", async () => {
			for (const address of [server, service]) {
				const before = here.given();
				const { answered } = await requests({ address, count: 2000 });
				assert.equal(answered, 2000);
				const given = here.given() - before;
				assert.ok(given < 200, `it was given ${given} packets of some 4,000`);
			}
		});

		it("lets a port be used again at once, by a connection of its own", async () => {
			for (const address of [server, service]) {
				const { answered, failed } = await requests({
					address,
					count: 100,
					newConnections: true,
					sourcePort: 4100,
					resets: true,
				});
				assert.deepEqual([answered, failed], [100, 0]);
			}
		});
	});

it("shows the server the translated address alone", async () => {
	const user = await Datagrams.open(here.lab.host("user"), at.user, 4001);
	const server = await servers(here.lab);
	for (let i = 0; i < 5; i++) {
		user.send(Buffer.from(`n${i}`), SERVICE, 5000);
		const { from, port, data } = await server.next();
		assert.deepEqual([from, String(data)], [PUBLIC, `n${i}`]);
		server.send(Buffer.from(`a${i}`), from, port);
		const answer = await user.next();
		assert.deepEqual([answer.from, String(answer.data)], [SERVICE, `a${i}`]);
	}
});

it("translates ICMP errors about a learned flow, inside as well", async () => {
	const user = await Datagrams.open(here.lab.host("user"), at.user, 4002);
	const server = await Datagrams.open(here.lab.host("server"), at.server, 5002);
	for (let i = 0; i < 5; i++) {
		user.send(Buffer.from("asked"), SERVICE, 5002);
		const { from, port } = await server.next();
		server.send(Buffer.from("answered"), from, port);
		await user.next();
	}
	await server.close();
	const capture = await startCapture(here.lab.host("user"), "eth0", "icmp");
	user.send(Buffer.from("to nobody"), SERVICE, 5002);
	const deadline = Date.now() + 5000;
	while (statSync(capture.file).size <= PCAP_HEADER) {
		assert.ok(Date.now() < deadline, "an error arrives");
		await delay(10);
	}
	const [error, ...more] = await capture.stop();
	assert.equal(more.length, 0);
	assert.deepEqual(addresses(error), [SERVICE, at.user]);
	assert.deepEqual(addresses(error?.embedded), [at.user, SERVICE]);
});

function addresses(packet: DecodedPacket | undefined): string[] {
	const ip = packet?.layers.find(
		(layer): layer is Extract<Layer, { kind: "ipv4" }> => layer.kind === "ipv4",
	);
	return ip ? [ip.header.src, ip.header.dst] : [];
}
