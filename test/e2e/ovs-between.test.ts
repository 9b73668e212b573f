/**
 * Chainmail and Open vSwitch carry each other's NSH packets, real hosts behind
 * both: every packet on every wire is compared byte for byte with what RFC 8300
 * lets a forwarder and a proxy change.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { whyNoOvs } from "../../lab/ovs.js";
import type {
	ContextWords,
	Encapsulation,
	Reading,
} from "../../lab/ovs-nsh.js";
import { ovsBetweenAddresses as at } from "../../lab/topologies/ovs-between.js";
import type { End } from "../../lab/topology.js";
import type { Capture } from "../../lab/traffic/capture.js";
import { Datagrams } from "../../lab/traffic/datagrams.js";
import { startHttpServer } from "../../lab/traffic/http.js";
import { ipv4, nsh, packet, udp, vxlanGpe } from "../../src/wire/build.js";
import type { NshMetadata } from "../../src/wire/nsh.js";
import { VXLAN_GPE_PORT } from "../../src/wire/vxlan.js";
import {
	assertCounters,
	type Between,
	BLOCKED,
	converse,
	HTTP,
	openBetween,
	TRANSIT,
} from "./ovs-between.js";
import {
	assertCarried,
	assertSame,
	between,
	capture,
	eventually,
	ourContext,
	type Pair,
	tsharkReads,
	tunnelled,
	type Way,
	wrapped,
} from "./ovs-wires.js";

const TO_EDGE1 = [at.ovs, at.edge1] as const;
const FROM_EDGE1 = [at.edge1, at.ovs] as const;
const TO_EDGE2 = [at.ovs, at.edge2] as const;
const FROM_EDGE2 = [at.edge2, at.ovs] as const;
/** Echo there and back, one datagram each way: what a conversation has at least. */
const AT_LEAST = 20;

describe("Chainmail and Open vSwitch", { skip: whyNoOvs() }, () => {
	let world: Between;
	let captures: Capture[] = [];

	before(async () => {
		world = await openBetween();
		const { lab } = world;
		await startHttpServer(lab.host("server"), at.server, HTTP);
		await startHttpServer(lab.host("far"), at.far, HTTP);
	});
	after(async () => {
		await stopCaptures();
		await world?.close();
	});

	async function stopCaptures(): Promise<void> {
		await Promise.all(captures.splice(0).map((one) => one.stop()));
	}

	async function startCaptures<const E extends readonly End[]>(
		ends: E,
	): Promise<{ readonly [I in keyof E]: Capture }> {
		await stopCaptures();
		const started = await capture(world.lab, ends);
		captures = Object.values(started);
		return started;
	}

	/** Once all of it is there: what each way carried. */
	async function carried(
		...ways: readonly Way[]
	): Promise<readonly [there: number, back: number]> {
		const counts: number[] = [];
		await eventually(() => {
			const seen = ways.map(assertCarried);
			const blocked = seen.map(({ sent, passed }) => sent - passed);
			assert.deepEqual(blocked, [1, 0]);
			counts.splice(0, 2, ...seen.map(({ passed }) => passed));
			assert.ok(Math.min(...counts) > AT_LEAST, counts.join());
		});
		const [there = 0, back = 0] = counts;
		return [there, back];
	}

	it("OVS forwards our packets between two of our nodes", async () => {
		const { lab, ovs, states, user } = world;
		const { spi, reverseSpi } = user;
		const [one, two] = states;
		const tenant = one.tenants.find(({ name }) => name === "mobile")?.id ?? 0;
		/* What OVS reads in our header, or it would drop the packet. */
		const read = (nodeId: number): Reading => ({
			flags: 0,
			ttl: 61,
			mdType: 1,
			context: [tenant, nodeId, undefined, 0],
		});
		await ovs.forward({ spi, si: 254 }, at.edge2, read(one.nodeId));
		await ovs.forward({ spi: reverseSpi, si: 254 }, at.edge1, read(two.nodeId));
		const [atUser, left, right, atServer] = await startCaptures([
			"user:eth0",
			"ovs:edge1",
			"ovs:edge2",
			"server:eth0",
		]);
		await converse(
			[lab.host("user"), at.user],
			[lab.host("server"), at.server],
			at.server6,
		);
		/* Ours decide for the function and for the next hop, OVS decides once. */
		const before = { si: 254, ttl: 61, functions: 1 };
		const behind = { si: 254, ttl: 60, functions: 1 };
		/* Two functions, and the exit. */
		const common = { blocked: BLOCKED, routers: 3 };
		const [there, back] = await carried(
			{
				...common,
				spi,
				pairs: [
					[at.user, at.server],
					[at.user6, at.server6],
				],
				sent: atUser,
				wires: [
					{ at: left, ends: FROM_EDGE1, ...before },
					{ at: right, ends: TO_EDGE2, ...behind },
				],
				got: atServer,
				header: (ip) => ({ metadata: ourContext(ip, one.nodeId, tenant) }),
			},
			{
				...common,
				spi: reverseSpi,
				pairs: [
					[at.server, at.user],
					[at.server6, at.user6],
				],
				sent: atServer,
				wires: [
					{ at: right, ends: FROM_EDGE2, ...before },
					{ at: left, ends: TO_EDGE1, ...behind },
				],
				got: atUser,
				header: (ip) => ({ metadata: ourContext(ip, two.nodeId, tenant) }),
			},
		);
		await assertCounters(world, user, there, back, [254]);
		assert.deepEqual(tsharkReads(left.file), {
			[`ttl 61, MD type 1, SPI ${spi}, SI 254`]: there,
			[`ttl 60, MD type 1, SPI ${reverseSpi}, SI 254`]: back,
		});
	});

	it("we run OVS's packets through our functions, with its context and unassigned bit", async () => {
		const { lab, ovs, client, behind } = world;
		const { spi, reverseSpi } = client;
		const context = {
			there: [0x01020304, 0xffffffff, 7, 0x80000001],
			back: [9, 8, 0xdeadbeef, 6],
		} satisfies Record<string, ContextWords>;
		for (const [from, written] of [
			[behind.client, { spi, context: context.there, to: at.edge1 }],
			[behind.far, { spi: reverseSpi, context: context.back, to: at.edge2 }],
		] as const)
			await ovs.encapsulate(from, { ...written, si: 255, flags: 1 });
		await ovs.forward({ spi, si: 254 }, at.edge2);
		await ovs.forward({ spi: reverseSpi, si: 254 }, at.edge1);
		await ovs.deliver({ spi, si: 253 }, behind.far);
		await ovs.deliver({ spi: reverseSpi, si: 253 }, behind.client);
		const [atClient, left, right, atFar] = await startCaptures([
			"client:eth0",
			"ovs:edge1",
			"ovs:edge2",
			"far:eth0",
		]);
		await converse([lab.host("client"), at.client], [lab.host("far"), at.far]);
		const places = [
			{ si: 255, ttl: 63, functions: 0 },
			{ si: 254, ttl: 61, functions: 1 },
			{ si: 254, ttl: 60, functions: 1 },
			{ si: 253, ttl: 58, functions: 2 },
		];
		const wires = (...crossed: readonly (readonly [Capture, Pair])[]) =>
			places.map((place, i) => {
				const [at, ends] = crossed[i] ?? [];
				assert.ok(at && ends);
				return { at, ends, ...place };
			});
		const header = (words: ContextWords) => () => ({
			unassignedBit: true,
			metadata: { kind: "context", words } as const,
		});
		const one = [
			[left, TO_EDGE1],
			[left, FROM_EDGE1],
		] as const;
		const two = [
			[right, TO_EDGE2],
			[right, FROM_EDGE2],
		] as const;
		const common = { blocked: BLOCKED, routers: 2 };
		const [there, back] = await carried(
			{
				...common,
				spi,
				pairs: [[at.client, at.far]],
				sent: atClient,
				wires: wires(...one, ...two),
				got: atFar,
				header: header(context.there),
			},
			{
				...common,
				spi: reverseSpi,
				pairs: [[at.far, at.client]],
				sent: atFar,
				wires: wires(...two, ...one),
				got: atClient,
				header: header(context.back),
			},
		);
		await assertCounters(world, client, there, back, [254, 253]);
	});

	/** The client's datagram in OVS's header, as OVS sent it and as we sent it on. */
	async function transit(
		written: Omit<Encapsulation, "spi" | "si" | "to">,
	): Promise<{ sent: Buffer[]; ours: Buffer[]; ip: Buffer[] }> {
		const { lab, ovs, behind } = world;
		const { spi } = TRANSIT;
		const place = { spi, si: 255 };
		await ovs.encapsulate(behind.client, {
			...written,
			...place,
			to: at.edge1,
		});
		await ovs.deliver(place, behind.far);
		const [atClient, left] = await startCaptures(["client:eth0", "ovs:edge1"]);
		const [here, there] = await Promise.all([
			Datagrams.open(lab.host("client"), at.client, 7000),
			Datagrams.open(lab.host("far"), at.far, 7000),
		]);
		here.send(Buffer.from("between"), at.far, 7000);
		assert.equal((await there.next()).data.toString(), "between");
		await Promise.all([here.close(), there.close()]);
		let seen = { sent: [], ours: [], ip: [] } as Awaited<
			ReturnType<typeof transit>
		>;
		await eventually(() => {
			seen = {
				ip: between(atClient, [[at.client, at.far]]),
				sent: tunnelled(left, TO_EDGE1, place),
				ours: tunnelled(left, FROM_EDGE1, place),
			};
			assert.deepEqual(
				[seen.ip.length, seen.sent.length, seen.ours.length],
				[1, 1, 1],
			);
		});
		return seen;
	}

	const TLVS = [
		{ class: 0x1000, type: 5, value: Buffer.from("tena") },
		{ class: 0xfff6, type: 0x81, value: Buffer.alloc(8, 0xab) },
	];
	for (const [what, written, metadata, ttl] of [
		[
			"MD type 2",
			{ tlvs: TLVS },
			{
				kind: "tlvs",
				tlvs: TLVS.map((tlv) => ({ ...tlv, unassigned: false })),
			},
			62,
		],
		[
			"the context words of MD type 1",
			{ context: [1, 2, 3, 4] },
			{ kind: "context", words: [1, 2, 3, 4] },
			62,
		],
		[
			"a TTL of 0, which counts as 64",
			{ ttl: 0 },
			{ kind: "context", words: [0, 0, 0, 0] },
			63,
		],
	] as [
		string,
		Omit<Encapsulation, "spi" | "si" | "to">,
		NshMetadata,
		number,
	][])
		it(`between two of OVS's hops we change the TTL alone: ${what}`, async () => {
			const { sent, ours, ip } = await transit({ ...written, flags: 1 });
			const header = (left: number) => ({
				spi: TRANSIT.spi,
				si: 255,
				ttl: left,
				unassignedBit: true,
				metadata,
			});
			const bytes = (left: number) =>
				ip.map((one) => wrapped(one, header(left)));
			assertSame(sent, bytes(written.ttl ?? 63), "OVS's");
			assertSame(ours, bytes(ttl), "ours");
		});

	it("leaves every bit it does not own: unassigned ones, VNI, reserved", async () => {
		const { lab } = world;
		const bytes = (ttl: number) =>
			packet(
				vxlanGpe({ vni: 0xabcdef, reserved1: 0x1234, reserved2: 0x56 }),
				nsh({
					spi: TRANSIT.spi,
					si: 255,
					ttl,
					unassignedBit: true,
					unassigned: 0xf,
					nextProtocol: 1,
					metadata: { kind: "context", words: [1, 2, 3, 4] },
				}),
				ipv4({ src: at.client, dst: at.far }),
				udp({ sport: 1, dport: 2 }),
				"bits",
			);
		const [left] = await startCaptures(["ovs:edge1"]);
		const socket = await Datagrams.open(lab.host("ovs"), at.ovs, 50_000);
		socket.send(bytes(40), at.edge1, VXLAN_GPE_PORT);
		await eventually(() =>
			assertSame(
				tunnelled(left, FROM_EDGE1, { spi: TRANSIT.spi, si: 255 }),
				[bytes(39)],
				"ours",
			),
		);
		await socket.close();
	});

	for (const [what, written, reason] of [
		["TTL that ends here", { ttl: 1 }, "ttl_zero"],
		["OAM packet", { flags: 2 }, "nsh_oam"],
	] as const)
		for (const way of ["in transit", "ahead of a function"] as const)
			it(`drops OVS's ${what}, ${way}`, async () => {
				const { lab, ovs, edge1, client, behind } = world;
				const { spi } = way === "in transit" ? TRANSIT : client;
				await ovs.encapsulate(behind.client, {
					...written,
					spi,
					si: 255,
					to: at.edge1,
				});
				const dropped = () => {
					const { drops } = edge1.counters();
					return {
						all: drops.reduce((sum, { packets }) => sum + packets, 0),
						this: drops.find((one) => one.reason === reason)?.packets ?? 0,
					};
				};
				const before = dropped();
				const socket = await Datagrams.open(
					lab.host("client"),
					at.client,
					7000,
				);
				socket.send(Buffer.from("ends"), at.far, 7000);
				await eventually(() =>
					assert.deepEqual(dropped(), {
						all: before.all + 1,
						this: before.this + 1,
					}),
				);
				await socket.close();
			});
});
