/**
 * Hostile packets on the wire of a real node: each is dropped under its own
 * reason, which the command line shows, and nothing of it arrives anywhere.
 * Two tenants with the same addresses share the node; they never meet.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Host } from "../../lab/lab.js";
import { mobileEdgeAddresses as at } from "../../lab/topologies/mobile-edge.js";
import { type Capture, startCapture } from "../../lab/traffic/capture.js";
import { Datagrams } from "../../lab/traffic/datagrams.js";
import { macOf } from "../../src/functions/names.js";
import { RawSocket } from "../../src/kernel/rawsocket.js";
import {
	type BuildLayer,
	eth,
	ipv4,
	nsh,
	packet,
	udp,
	vxlanGpe,
} from "../../src/wire/build.js";
import { VXLAN_GPE_PORT } from "../../src/wire/vxlan.js";
import {
	answer,
	encapsulate,
	type Fields,
	faults,
	type Place,
} from "./hostile/tunnel.js";
import {
	BLUE,
	BLUE_PORT,
	DECLARED,
	FORGED,
	LOOKOUTS,
	PORT,
	RED,
	RED_PORT,
	RED_SERVER,
	twoTenants,
} from "./hostile/two-tenants.js";
import { activePaths, counters, type Edge, openEdge } from "./mobile-edge.js";

/** Times the counters are read before a packet counts as lost. */
const LOOKS = 10;

async function macAt(host: Host, name: string): Promise<string> {
	const text = await host.must(["ip", "-j", "link", "show", name]);
	const [link] = JSON.parse(text) as { address: string }[];
	assert.ok(link);
	return link.address;
}

/** Captures what others send to an interface. */
const arriving = async (host: Host, name: string) =>
	startCapture(host, name, `not ether src ${await macAt(host, name)}`);

type Part = BuildLayer | Uint8Array | string;

describe("hostile packets", () => {
	let edge: Edge;
	let blue: Datagrams;
	let red: Datagrams;
	let server: Datagrams;
	let redServer: Datagrams;
	let captures: readonly Capture[];
	/** Blue's reverse path where it enters edge1, and the firewall's place on it. */
	let place: Place;
	let firewallPort: number;
	const sockets = new Map<string, RawSocket | Datagrams>();
	/** What edge1 had dropped when it was last looked at. */
	let known: ReadonlyMap<string, number>;

	before(async () => {
		edge = await openEdge(twoTenants(), DECLARED);
		const { lab } = edge;
		captures = await Promise.all(
			LOOKOUTS.map(([host, name]) => arriving(new Host(lab, host), name)),
		);
		[blue, red, server, redServer] = await Promise.all([
			Datagrams.open(lab.host("user"), at.user, BLUE_PORT),
			Datagrams.open(lab.host("reduser"), at.user, RED_PORT),
			Datagrams.open(lab.host("server"), at.server, PORT),
			Datagrams.open(lab.host("redserver"), RED_SERVER, PORT),
		]);
		const reverse = (await activePaths(edge)).find(
			(path) =>
				path.direction === "reverse" &&
				path.policy === "web" &&
				path.hops.at(-1)?.node === "edge1",
		);
		const hop = reverse?.hops.find(({ instance }) => instance === "firewall-1");
		assert.ok(reverse && hop);
		place = { spi: reverse.spi, si: hop.si };
		const ports = (await counters(edge)).flatMap((one) => one.ports);
		firewallPort = ports.find((one) => one.function === "firewall")?.port ?? 0;
	});
	after(async () => {
		for (const socket of sockets.values()) await socket.close();
		await edge?.lab.destroy();
	});

	/** Drops of edge1, without what functions' kernels say by themselves. */
	async function drops(): Promise<Map<string, number>> {
		const all = await counters(edge);
		const found = all.find(({ node }) => node === "edge1");
		return new Map(
			(found?.drops ?? [])
				.filter(({ reason }) => reason !== "port_link_local")
				.map(({ reason, packets }) => [reason, packets]),
		);
	}

	/** Asserts that a packet, once sent, is dropped under this reason alone. */
	async function dropped(reason: string, send: () => unknown): Promise<void> {
		const want = new Map(known).set(reason, (known.get(reason) ?? 0) + 1);
		await send();
		/* Same host, same queue: it is there by the next look, or soon after. */
		for (let look = 0; look < LOOKS; look++) {
			known = await drops();
			if (known.get(reason) === want.get(reason)) break;
		}
		assert.deepEqual(known, want);
	}

	async function datagrams(host: string, address: string): Promise<Datagrams> {
		const open = sockets.get(host);
		if (open instanceof Datagrams) return open;
		const made = await Datagrams.open(edge.lab.host(host), address, 0);
		sockets.set(host, made);
		return made;
	}

	function rawSocket(host: string, name: string): RawSocket {
		const key = `${host} ${name}`;
		const open = sockets.get(key);
		if (open instanceof RawSocket) return open;
		const made = new RawSocket(name, edge.lab.netns(host));
		sockets.set(key, made);
		return made;
	}

	const encapsulated = (fields?: Fields, inner?: Uint8Array) =>
		encapsulate(place, fields, inner);
	const fromEdge2 = async (payload: Uint8Array) =>
		(await datagrams("edge2", at.edge2)).send(
			payload,
			at.edge1,
			VXLAN_GPE_PORT,
		);

	it("each tenant's packets go their way and come back", async () => {
		for (const [user, port, peer, address, text] of [
			[blue, BLUE_PORT, server, at.server, BLUE],
			[red, RED_PORT, redServer, RED_SERVER, RED],
		] as const) {
			user.send(Buffer.from(text), address, PORT);
			const there = await peer.next();
			assert.deepEqual(
				[there.from, there.port, there.data.toString()],
				[at.user, port, text],
			);
			peer.send(there.data, at.user, port);
			assert.equal((await user.next()).data.toString(), text);
		}
	});

	it("the same tuple of two tenants at a shared exit: the second is dropped, exit_conflict", async () => {
		const twin = await Datagrams.open(
			edge.lab.host("reduser"),
			at.user,
			BLUE_PORT,
		);
		const before = await counters(edge);
		twin.send(Buffer.from(RED), at.server, PORT);
		const conflicts = (all: typeof before) =>
			all
				.flatMap(({ drops }) => drops)
				.filter(({ reason }) => reason === "exit_conflict")
				.reduce((sum, { packets }) => sum + packets, 0);
		let now = await counters(edge);
		for (
			let look = 0;
			look < LOOKS && conflicts(now) === conflicts(before);
			look++
		)
			now = await counters(edge);
		assert.equal(conflicts(now), conflicts(before) + 1);
		server.send(Buffer.from(BLUE), at.user, BLUE_PORT);
		assert.equal((await blue.next()).data.toString(), BLUE, "still blue's");
		await twin.close();
	});

	it("what edge2 could send arrives, so that only the fault makes the drop", async () => {
		await fromEdge2(encapsulated({}, answer("good")));
		assert.equal((await blue.next()).data.toString(), "good");
		/* RFC 8300 section 2.2: an incoming TTL of 0 counts as 64. */
		await fromEdge2(encapsulated({ nsh: { ttl: 0 } }, answer("good")));
		assert.equal((await blue.next()).data.toString(), "good");
		known = await drops();
	});

	for (const { what, reason, ...fields } of faults)
		it(`from a known node: ${what}: ${reason}`, async () => {
			await dropped(reason, () => fromEdge2(encapsulated(fields)));
		});

	it("VXLAN-GPE from an unknown address: unknown_peer", async () => {
		const router = await datagrams("router", "192.0.2.2");
		await dropped("unknown_peer", () =>
			router.send(encapsulated(), at.edge1, VXLAN_GPE_PORT),
		);
	});

	/** A frame as the firewall itself could send it. */
	const frame = (side: "inside" | "outside", ...layers: readonly Part[]) =>
		packet(
			eth({
				src: macOf(firewallPort, side, "function"),
				dst: macOf(firewallPort, side, "host"),
			}),
			...layers,
		);
	const fromFirewall = (
		side: "inside" | "outside",
		...layers: readonly Part[]
	) =>
		rawSocket("edge1.firewall.firewall-1", side).send(frame(side, ...layers));

	it("a function's packet of a flow it was never given: port_unbound", async () => {
		for (const side of ["inside", "outside"] as const)
			await dropped("port_unbound", () =>
				fromFirewall(
					side,
					ipv4({ src: at.user, dst: at.server }),
					udp({ sport: 7777, dport: PORT }),
					FORGED,
				),
			);
	});

	it("a function's packet into another tenant's flow, either way: port_unbound", async () => {
		await dropped("port_unbound", () =>
			fromFirewall(
				"outside",
				ipv4({ src: at.user, dst: RED_SERVER }),
				udp({ sport: RED_PORT, dport: PORT }),
				FORGED,
			),
		);
		await dropped("port_unbound", () =>
			fromFirewall(
				"inside",
				ipv4({ src: RED_SERVER, dst: at.user }),
				udp({ sport: PORT, dport: RED_PORT }),
				FORGED,
			),
		);
	});

	it("a function that speaks NSH, or VXLAN-GPE, by itself", async () => {
		await dropped("port_forged", () =>
			fromFirewall(
				"outside",
				nsh({ ...place, ttl: 60, nextProtocol: 1 }),
				answer(FORGED),
			),
		);
		await dropped("port_unbound", () =>
			fromFirewall(
				"outside",
				ipv4({ src: at.edge2, dst: at.edge1 }),
				udp({ sport: 50_000 }),
				vxlanGpe(),
				nsh({ ...place, ttl: 60, nextProtocol: 1 }),
				answer(FORGED),
			),
		);
	});

	it("a function's packet cut in its header: truncated", async () => {
		const whole = frame(
			"outside",
			ipv4({ src: at.user, dst: at.server }),
			udp({ sport: BLUE_PORT, dport: PORT }),
			FORGED,
		);
		await dropped("truncated", () =>
			rawSocket("edge1.firewall.firewall-1", "outside").send(
				whole.subarray(0, 26),
			),
		);
	});

	it("a user with another node's or tenant's source: spoofed", async () => {
		const src = await macAt(edge.lab.host("user"), "eth0");
		const dst = await macAt(edge.lab.host("edge1"), "ap");
		for (const source of [at.edge2, "10.9.9.9"])
			await dropped("spoofed", () =>
				rawSocket("user", "eth0").send(
					packet(
						eth({ src, dst }),
						ipv4({ src: source, dst: at.server }),
						udp({ sport: 50_000, dport: PORT }),
						FORGED,
					),
				),
			);
	});

	it("nothing forged arrived anywhere, and the tenants never met", async () => {
		/* Behind all that was sent before, on the same ways. */
		for (const [user, peer, address] of [
			[blue, server, at.server],
			[red, redServer, RED_SERVER],
		] as const) {
			user.send(Buffer.from("last"), address, PORT);
			assert.equal((await peer.next()).data.toString(), "last");
		}
		for (const [i, [host, name, texts]] of LOOKOUTS.entries()) {
			const packets = (await captures[i]?.stop()) ?? [];
			const seen = [BLUE, RED, FORGED].filter((text) =>
				packets.some(({ bytes }) => bytes.includes(text)),
			);
			assert.deepEqual(seen, texts, `${host} ${name}`);
		}
	});
});
