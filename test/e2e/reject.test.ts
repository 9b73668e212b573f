/**
 * What functions say themselves reaches who it is for: resets and ICMP errors of
 * nftables, of both functions of a chain over two nodes, IPv4 and IPv6. A second
 * tenant has ports at the same functions: each answer leaves by the right one.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
	mobileEdgeAddresses as at,
	mobileEdge,
} from "../../lab/topologies/mobile-edge.js";
import { startCapture } from "../../lab/traffic/capture.js";
import { curl, startHttpServer } from "../../lab/traffic/http.js";
import { layerOf } from "../../src/wire/decode.js";
import { type Edge, openEdge } from "./mobile-edge.js";

const RESET = { first: 7001, second: 7003 } as const;
const UNREACHABLE = { first: 7002, second: 7004 } as const;
/** The server's answers from these are rejected. */
const ANSWER = { first: 7005, second: 7006 } as const;
/** Below this, an answer came; a timeout would take the whole of it. */
const TIMEOUT_MS = 5000;

const reject = (which: "first" | "second", node: string) => `
kind: Function
name: ${which}
spec:
  attach: routed
  runtime: process
  ruleset:
    text: |
      table inet filter {
        chain forward {
          type filter hook forward priority filter;
          tcp dport ${RESET[which]} reject with tcp reset
          tcp dport ${UNREACHABLE[which]} reject
          tcp sport ${ANSWER[which]} reject with tcp reset
        }
      }
  instances:
    - { name: a, node: ${node} }
`;

/* The other tenant's ports come first: the functions' default routes are there. */
const TEXT = `
kind: Tenant
name: another
spec: { subnets: [10.0.2.0/24], exit: edge2 }
---
kind: Tenant
name: blue
spec: { subnets: [10.0.1.0/24, "2001:db8:1::/64"], exit: edge2 }
---
kind: Node
name: edge1
spec:
  underlay: ${at.edge1}
  interfaces:
    - { name: ap, role: access, tenant: blue }
    - { name: ap, vlan: 100, role: access, tenant: another }
    - { name: up, role: underlay }
---
kind: Node
name: edge2
spec:
  underlay: ${at.edge2}
  interfaces:
    - { name: up, role: underlay }
    - { name: net, role: exit }
---${reject("first", "edge1")}---${reject("second", "edge2")}---
kind: Policy
name: a
spec: { tenant: another, rule: "match(*) >> first -> second" }
---
kind: Policy
name: b
spec: { tenant: blue, rule: "match(*) >> first -> second" }
`;

describe("what functions say themselves", () => {
	let edge: Edge;
	before(async () => {
		edge = await openEdge(mobileEdge(), TEXT);
	});
	after(async () => edge?.lab.destroy());
	const user = () => edge.lab.host("user");

	for (const [family, host] of [
		["IPv4", at.server],
		["IPv6", `[${at.server6}]`],
	] as const)
		for (const which of ["first", "second"] as const)
			for (const [what, port] of [
				["a reset", RESET[which]],
				["an ICMP error", UNREACHABLE[which]],
			] as const)
				it(`${what} of the ${which} function ends a connection at once, ${family}`, async () => {
					const found = await curl(
						user(),
						`http://${host}:${port}/`,
						TIMEOUT_MS,
					);
					assert.equal(found.status, 0);
					assert.match(
						found.error,
						/refused|Couldn't connect|Failed to connect/i,
					);
					assert.doesNotMatch(found.error, /timed out|timeout/i);
					assert.ok(found.seconds < TIMEOUT_MS / 2000, found.error);
				});

	for (const which of ["first", "second"] as const)
		it(`a reset of the ${which} function about the server's answer goes to the server`, async () => {
			const port = ANSWER[which];
			const { process } = await startHttpServer(
				edge.lab.host("server"),
				at.server,
				port,
			);
			const capture = await startCapture(
				edge.lab.host("server"),
				"eth0",
				`dst port ${port} and tcp[tcpflags] & tcp-rst != 0`,
			);
			const found = await curl(user(), `http://${at.server}:${port}/`, 300);
			const packets = await capture.stop();
			await process.stop();
			assert.equal(found.status, 0, "the answer is rejected");
			const [reset] = packets.map((packet) => layerOf(packet, "ipv4"));
			assert.ok(reset, "the server got no reset");
			assert.deepEqual([reset.src, reset.dst], [at.user, at.server]);
		});

	for (const [which, hops] of [
		["first", 1],
		["second", 2],
	] as const)
		for (const [family, host] of [
			["IPv4", at.server],
			["IPv6", at.server6],
		] as const)
			it(`the ${which} function says that a packet's time is exceeded, ${family}`, async () => {
				const { stdout } = await user().run([
					..."ping -n -c 1 -W 3 -t".split(" "),
					String(hops),
					host,
				]);
				assert.match(stdout, /Time (to live )?exceeded/i, stdout);
				assert.ok(
					stdout.includes(host),
					`it comes from the destination: ${stdout}`,
				);
			});
});
