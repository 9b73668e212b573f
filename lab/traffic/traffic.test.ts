/** The traffic helpers measure what they say, in plain namespaces. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { buildLab, type Lab } from "../lab.js";
import { pairAddresses as at, pair } from "../topologies/pair.js";
import { startCapture } from "./capture.js";
import { curl, startHttpServer } from "./http.js";
import { iperf, parseIperf, startIperfServer } from "./iperf.js";
import { latency, startLatencyServer } from "./latency.js";
import { packetRate } from "./packet-rate.js";
import { parsePing, ping } from "./ping.js";
import { startTcpRequests, startTcpServer } from "./tcp-requests.js";
import { startUdpStream } from "./udp-stream.js";
import { StreamJudge } from "./udp-wire.js";

let lab: Lab;
before(async () => {
	lab = await buildLab(pair);
});
after(() => lab.destroy());

const ends = () => ({ from: lab.host("client"), to: lab.host("server") });

test("udp stream: a judge tells loss, reordering and duplicates apart", () => {
	const judge = new StreamJudge();
	for (const [time, sequence] of [0, 1, 3, 2, 2, 600_000].entries())
		judge.take(sequence, time);
	assert.deepEqual(judge.report(), {
		received: 5,
		reordered: 1,
		duplicated: 1,
		longestGapMs: 1,
	});
});

for (const address of [at.server, at.server6])
	test(`udp stream: 1,000 packets a second to ${address}, none lost, all returned`, async () => {
		const start = performance.now();
		const stream = await startUdpStream({
			...ends(),
			address,
			port: 4000,
			count: 1000,
			echo: true,
		});
		const result = await stream.finished();
		const seconds = (performance.now() - start) / 1000;
		assert.equal(result.sent, 1000);
		assert.equal(result.lost, 0);
		assert.equal(result.lostBothWays, 0);
		assert.equal(result.reordered, 0);
		assert.ok(seconds >= 0.999, `not faster than asked: ${seconds} s`);
	});

test("udp stream: packets a firewall drops are lost, and counted", async () => {
	const { to } = ends();
	// Every tenth packet, by nftables' own counter.
	await to.must(["nft", "-f", "-"], {
		input:
			"table inet t { chain c { type filter hook input priority 0; udp dport 4000 numgen inc mod 10 0 drop; }; }",
	});
	try {
		const stream = await startUdpStream({
			...ends(),
			address: at.server,
			port: 4000,
			count: 500,
		});
		const result = await stream.finished();
		assert.equal(result.lost, 50);
		assert.equal(result.received, 450);
	} finally {
		await to.must(["nft", "delete", "table", "inet", "t"]);
	}
});

test("udp stream: a blocked stream ends by itself with everything lost", async () => {
	const stream = await startUdpStream({
		...ends(),
		to: lab.host("client"),
		address: at.client,
		port: 4001,
		count: 1,
	});
	assert.equal((await stream.finished()).lost, 0);
});

test("tcp requests: counts answers on one connection and on many", async () => {
	const { from, to } = ends();
	const server = await startTcpServer(to, at.server, 4002);
	for (const newConnections of [false, true]) {
		const client = await startTcpRequests({
			from,
			address: at.server,
			port: 4002,
			count: 50,
			newConnections,
		});
		const result = await client.finished();
		assert.deepEqual(
			{ answered: result.answered, failed: result.failed },
			{ answered: 50, failed: 0 },
		);
	}
	await server.stop();
	const refused = await startTcpRequests({
		from,
		address: at.server,
		port: 4002,
		count: 3,
	});
	assert.equal((await refused.finished()).failed, 3);
});

test("http: curl gets bytes, and says why it gets none", async () => {
	const { from, to } = ends();
	await startHttpServer(to, at.server, 8000);
	const good = await curl(from, `http://${at.server}:8000/bytes/100000`);
	assert.deepEqual([good.status, good.bytes], [200, 100_000]);
	const refused = await curl(from, `http://${at.server}:8001/`);
	assert.equal(refused.status, 0);
	assert.match(refused.error, /connect/);
});

test("ping: counts answers; silence is not an error", async () => {
	const { from } = ends();
	const good = await ping(from, at.server6, { count: 3 });
	assert.deepEqual([good.sent, good.received], [3, 3]);
	const silent = parsePing(
		"2 packets transmitted, 0 received, 100% packet loss, time 20ms",
	);
	assert.deepEqual(silent, { sent: 2, received: 0 });
	assert.throws(() => parsePing("", "ping: no route"), /no route/);
});

test("iperf: moves bytes; a refused connection is an error", async () => {
	const { from, to } = ends();
	await startIperfServer(to);
	const result = await iperf({ from, address: at.server, seconds: 1 });
	assert.ok(result.bitsPerSecond > 1e8, `${result.bitsPerSecond} bit/s`);
	await assert.rejects(
		iperf({ from, address: at.server, port: 5999, seconds: 1 }),
		/iperf3: .*refused/,
	);
	assert.throws(() => parseIperf("", "killed"), /no JSON: killed/);
});

test("latency: a round trip on one link takes microseconds", async () => {
	const { from, to } = ends();
	await startLatencyServer(to, at.server);
	const result = await latency(from, at.server, { seconds: 1 });
	assert.ok(result.p50Us > 0.5 && result.p50Us < 5000, `${result.p50Us} µs`);
	assert.ok(result.p99Us >= result.p50Us);
});

test("packet rate: what is sent arrives", async () => {
	const { from, to } = ends();
	const rate = await packetRate({
		from,
		fromInterface: "eth0",
		to,
		toInterface: "eth0",
		src: at.client,
		dst: at.server,
		gateway: at.server,
		seconds: 0.5,
	});
	assert.ok(rate.sentPerSecond > 10_000, `${rate.sentPerSecond} packets/s`);
	assert.ok(rate.receivedPerSecond > 0.8 * rate.sentPerSecond);
});

test("capture: sees exactly the packets that passed", async () => {
	const { from, to } = ends();
	const capture = await startCapture(to, "eth0", "icmp[icmptype] == icmp-echo");
	await ping(from, at.server, { count: 3 });
	const packets = await capture.stop();
	assert.equal(packets.length, 3);
	assert.ok(
		packets.every((packet) =>
			packet.layers.some((layer) => layer.kind === "icmp"),
		),
	);
});
