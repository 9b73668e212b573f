/**
 * Packets nobody should send, into every program: captures of malformed traffic,
 * golden frames cut at every length, and seeded mutations of them. CHAINMAIL_SEED
 * replays a run.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { parseMac } from "../../src/wire/address.js";
import { eth, ipv4, nsh, packet, udp, vxlanGpe } from "../../src/wire/build.js";
import { decodePacket } from "../../src/wire/decode.js";
import { describe } from "../../src/wire/describe.js";
import { readPcap } from "../../src/wire/pcap.js";
import { captures, dataTest } from "../data.js";
import { SERVER, USER } from "../golden/frames.js";
import { locals, network, node, PORT, SPI } from "../golden/node.js";
import { delivered, type Step } from "../golden/row.js";
import { rows } from "../golden/rows.js";
import { Random, REPLAY, SEED } from "../random.js";
import { faultOf } from "./hostile/judge.js";
import { isRunnable, LONGEST, mutated, truncations } from "./hostile/mutate.js";
import { type ProgramName, World } from "./world.js";

/** Of these, each goes into each of the programs. */
const MUTATIONS = 50_000;
const FORGED = 10_000;
/** More than all paths of the node have. */
const HOPS = 64;
/** Mutations between two times that flows are set up anew. */
const BATCH = 1000;
/** Of each capture: what follows is more of the same stream. */
const PACKETS = 20;
const FOLDERS = ["malformed", "nsh", "tcp", "ids"];

const world = World.open(node, { network, locals });
after(() => world.close());

/** Where each program meets packets; of the golden rows' flows each knows some. */
const PLACES: Readonly<Record<ProgramName, readonly string[]>> = {
	access: ["ap", "net"],
	port: ["p1i", "p1o", "p2o", "p3i", "p4i", "p4o"],
	underlay: ["up"],
	inner: ["efi"],
	outer: ["efo"],
	wire: ["up"],
};
const PROGRAMS = Object.keys(PLACES) as ProgramName[];

const seen: Record<string, number> = {};

/** Flows as after the golden rows. */
function prepare(): void {
	world.forget();
	for (const row of rows)
		for (const step of [...(row.after ?? []), row]) send(step);
	world.newDrops();
}

const send = ({ program, on, frame }: Step) =>
	world.measure(program, on, frame, 1);

/** One run, judged; a frame for the interface, so that it is not left alone. */
function judge(program: ProgramName, on: string, hostile: Buffer): void {
	const frame = Buffer.from(hostile);
	frame.set(parseMac(world.interface(on).mac), 0);
	const probes = probed();
	const outcome = world.run(program, on, frame);
	const fault = faultOf(outcome, {
		consumed: probed() > probes,
		transit: ["underlay", "outer", "wire"].includes(program),
	});
	const what = `${program} ${outcome.verdict} ${outcome.drops.join()}`.trim();
	seen[what] = (seen[what] ?? 0) + 1;
	if (fault === undefined) return;
	assert.fail(
		[
			`${REPLAY}: ${program} on ${on}: ${fault}`,
			`in:  ${frame.toString("hex")}`,
			`     ${describe(decodePacket(frame))}`,
			`out: ${outcome.data.toString("hex")}`,
			`     ${describe(decodePacket(outcome.data))}`,
		].join("\n"),
	);
}

/** Probes that came through any of the ports. */
const probed = () =>
	world.maps.probes
		.range(0, PORT.nat + 1)
		.reduce((sum, { count }) => sum + count, 0);

test("golden frames cut at every length", () => {
	prepare();
	for (const { program, on, frame } of rows)
		for (const part of truncations(frame)) judge(program, on, part);
});

test("mutated frames into every program", (t) => {
	t.diagnostic(REPLAY);
	const random = new Random(SEED);
	for (let i = 0; i < MUTATIONS; i++) {
		if (i % BATCH === 0) prepare();
		const { frame, program, on } = random.pick(rows);
		const hostile = mutated(random, frame, random.pick(rows).frame);
		for (const one of PROGRAMS)
			judge(one, one === program ? on : random.pick(PLACES[one]), hostile);
	}
	t.diagnostic(JSON.stringify(seen));
});

test("nothing a function forges leaves by a path its port is not bound to", (t) => {
	t.diagnostic(REPLAY);
	const random = new Random(SEED);
	world.forget();
	/* The firewall holds one flow, the bridge and the tap none. */
	send(delivered);
	const mayUse: Readonly<Record<string, readonly number[]>> = {
		p1i: [SPI.local, SPI.local + 1],
		p1o: [SPI.local, SPI.local + 1],
		p2i: [],
		p2o: [],
		p3i: [],
		p4i: [SPI.translated, SPI.translated + 1],
		p4o: [SPI.translated, SPI.translated + 1],
	};
	const ports = Object.keys(mayUse);
	let left = 0;
	for (let i = 0; i < FORGED; i++) {
		const on = random.pick(ports);
		const { frame } = random.pick(rows);
		const forged = mutated(random, frame, random.pick(rows).frame);
		forged.set(parseMac(world.interface(on).mac), 0);
		const before = walked();
		const { verdict } = world.run("port", on, forged);
		const used = spisOf(before, walked());
		if (verdict === "redirect") left++;
		assert.ok(
			used.every((spi) => mayUse[on]?.includes(spi)),
			`${REPLAY}: ${on} sent on path ${used.join()}: ${forged.toString("hex")}`,
		);
		assert.ok(
			verdict === "drop" || used.length === 1 || verdict === "pass",
			on,
		);
	}
	assert.ok(left > 0, "nothing was forged that is a port's own");
});

/** Packets at every hop of every path. */
const walked = () =>
	world.maps.hopCounters.range(0, HOPS).map(({ packets }) => packets);

function spisOf(before: readonly number[], now: readonly number[]): number[] {
	const rose = (index: number) => now[index] !== before[index];
	return node.paths
		.map(({ spi, length }) => ({
			spi,
			length,
			path: world.maps.paths.get(spi),
		}))
		.filter(({ path, length }) =>
			Array.from({ length: length + 1 }).some(
				(_, i) => path && rose(path.firstHop + i),
			),
		)
		.map(({ spi }) => spi);
}

dataTest("captures of malformed traffic into every program", (folder) => {
	prepare();
	let packets = 0;
	for (const file of FOLDERS.flatMap((name) => captures(`${folder}/${name}`)))
		for (const { data } of readPcap(readFileSync(file)).packets.slice(
			0,
			PACKETS,
		)) {
			packets++;
			for (const frame of dressed(data.subarray(0, LONGEST))) everywhere(frame);
		}
	assert.ok(packets > 0, "no packet in any capture");
});

function everywhere(frame: Buffer): void {
	for (const program of PROGRAMS)
		for (const on of PLACES[program]) judge(program, on, frame);
}

/** As captured, from the user to the server, and from another node. */
function dressed(data: Buffer): Buffer[] {
	if (!isRunnable(data)) return [];
	const readdressed = Buffer.from(data);
	if (data.readUInt16BE(12) === 0x0800 && data.length >= 34) {
		readdressed.set(USER.split(".").map(Number), 26);
		readdressed.set(SERVER.split(".").map(Number), 30);
	}
	const tunnelled = packet(
		eth(),
		ipv4({ src: "192.0.2.5", dst: "192.0.2.1" }),
		udp({ sport: 50_000, checksum: 0 }),
		vxlanGpe(),
		nsh({ spi: SPI.remote + 1, si: 254, nextProtocol: 3 }),
		data,
	);
	return [data, readdressed, tunnelled];
}
