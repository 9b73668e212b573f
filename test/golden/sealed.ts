/** Golden rows of sealed hops: to the EF and from it, and what may not leave or arrive. */
import assert from "node:assert/strict";
import {
	type BuildLayer,
	ipv4,
	nsh,
	packet,
	raw,
	udp,
	vxlanGpe,
} from "../../src/wire/build.js";
import { decodePacket, layerOf } from "../../src/wire/decode.js";
import { NshNext } from "../../src/wire/nsh.js";
import { functionMac } from "../bpf/world.js";
import { expectNsh, expectTunnel } from "./expect.js";
import * as f from "./frames.js";
import { SPI } from "./node.js";
import {
	access,
	inner,
	outer,
	port,
	type Row,
	type Step,
	underlay,
	wire,
} from "./row.js";

const ESP = 50;
const MD3 = 3;
const secret = [
	ipv4({ src: "192.0.2.1", dst: "192.0.2.5", proto: ESP }),
	raw(Buffer.alloc(64, 0x5a)),
] as const;
const plaintext = [f.down4, f.answer(465)] as const;
/** Metadata of MD type 2 with a MAC: nobody but the EF looks into it. */
const MAC_TLV = {
	nsh: {
		mdType: 2,
		metadata: {
			kind: "tlvs",
			tlvs: [
				{ class: 0, type: 2, unassigned: false, value: Buffer.alloc(36, 0x77) },
			],
		},
	},
} as const;

/** Outer NSH of MD type 3 whose path and encryption path are `spi`, `si`. */
const outerNsh = (spi: number, si: number, eSpi = spi, eSi = si, ttl = 63) => {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32BE(((eSpi << 8) | eSi) >>> 0);
	return nsh({
		spi,
		si,
		ttl,
		mdType: MD3,
		nextProtocol: NshNext.nsh,
		metadata: { kind: "raw", bytes },
	});
};

/** What encryption functions say to each other every 10 ms (bpf/lib/far.h). */
const ALIVE = 3;
const heartbeat = (from: number, to: number) => ({
	nsh: {
		oam: true,
		nextProtocol: NshNext.ipv4,
		metadata: {
			kind: "context" as const,
			words: [to, (from << 16) | ALIVE, 0, 0],
		},
	},
});

const inNsh = (spi: number, si: number) => nsh({ spi, si, ttl: 60 });

/** What edge2's outer forwarder sends: outer NSH, inner NSH, ESP. */
const sealedFromEdge2 = (
	place: {
		readonly eSpi?: number;
		readonly eSi?: number;
		readonly ttl?: number;
	},
	...parts: readonly (BuildLayer | Uint8Array)[]
): Step =>
	underlay(
		packet(
			f.fromEdge2(0, 0, {}).subarray(0, 14),
			ipv4({ src: "192.0.2.5", dst: "192.0.2.1" }),
			udp({ sport: 50000, dport: 4790, checksum: 0 }),
			vxlanGpe(),
			outerNsh(SPI.sealed + 1, 254, place.eSpi, place.eSi, place.ttl),
			...parts,
		),
	);
const back = inNsh(SPI.sealed + 1, 254);

const given = (row: Step, more: Partial<Row>, title: string): Row => ({
	title,
	verdict: "drop",
	...row,
	...more,
});
const drops = (
	title: string,
	step: Step,
	reason: string,
	more?: Partial<Row>,
) => given(step, { ...more, verdict: "drop", drop: reason }, title);
const passes = (title: string, step: Step) =>
	given(step, { verdict: "pass" }, title);

/** Leads to the EF: its MACs, everything else as a tunnel to edge2. */
function expectAtEf(out: Buffer, side: "efi" | "efo"): void {
	assert.equal(
		out.subarray(0, 12).toString("hex"),
		`${functionMac(side)}${f.MAC[side]}`.replaceAll(":", ""),
	);
}

export const sealed: readonly Row[] = [
	...(["sealed", "signed"] as const).map((name): Row => {
		const packetIn = [f.up4, f.syn(name === "sealed" ? 465 : 993)] as const;
		return {
			title: `${name}: to the EF before the wire`,
			after: [access(f.fromUser(...packetIn))],
			...port("p1o", f.fromFunction("p1o", ...packetIn)),
			verdict: "redirect",
			check: (out) => {
				expectAtEf(out, "efi");
				expectTunnel(out, {
					spi: SPI[name],
					si: 254,
					ttl: 61,
					inner: packet(...packetIn),
				});
			},
		};
	}),
	{
		title: "sealed: out of the EF behind an outer NSH",
		...outer(f.fromEf("efo", SPI.sealed, 254, {}, ...secret)),
		verdict: "redirect",
		check: (out) => {
			expectTunnel(out, {
				spi: SPI.sealed,
				si: 254,
				ttl: 63,
				inner: packet(nsh({ spi: SPI.sealed, si: 254, ttl: 60 }), ...secret),
			});
			const outerHeader = layerOf(decodePacket(out), "nsh");
			assert.ok(outerHeader);
			assert.equal(outerHeader.mdType, MD3);
			assert.deepEqual(outerHeader.metadata, {
				kind: "raw",
				bytes: Buffer.from([0, 0, SPI.sealed, 254]),
			});
		},
	},
	drops(
		"sealed: plaintext that comes out of the EF's outside",
		outer(f.fromEf("efo", SPI.sealed, 254, {}, f.up4, f.syn(465))),
		"plaintext",
	),
	drops(
		"signed: without a MAC out of the EF's outside",
		outer(f.fromEf("efo", SPI.signed, 254, {}, f.up4, f.syn(993))),
		"plaintext",
	),
	{
		title: "signed: out of the EF as it is",
		...outer(f.fromEf("efo", SPI.signed, 254, MAC_TLV, f.up4, f.syn(993))),
		verdict: "redirect",
		check: (out) => {
			const inner = packet(f.up4, f.syn(993));
			expectTunnel(out, { spi: SPI.signed, si: 254, ttl: 60, inner });
			expectNsh(out, MAC_TLV.nsh);
		},
	},
	drops(
		"a path that is not sealed, out of the EF's outside",
		outer(f.fromEf("efo", SPI.remote, 254, {}, ...secret)),
		"port_unbound",
	),
	drops(
		"no NSH out of the EF's outside",
		outer(packet(f.fromEf("efo", 1, 1, {}).subarray(0, 14), f.up4, f.syn(465))),
		"port_forged",
	),
	{
		title: "sealed: from edge2 to the EF, without the outer NSH",
		...sealedFromEdge2({}, back, ...secret),
		verdict: "redirect",
		check: (out) => {
			expectAtEf(out, "efo");
			assert.equal(
				out.subarray(14).toString("hex"),
				f
					.fromEdge2(SPI.sealed + 1, 254, {}, ...secret)
					.subarray(14)
					.toString("hex"),
			);
		},
	},
	drops(
		"sealed: outer and inner NSH name different hops",
		sealedFromEdge2({}, inNsh(SPI.signed + 1, 254), ...secret),
		"bad_header",
	),
	drops(
		"sealed: path and encryption path differ",
		sealedFromEdge2({ eSpi: SPI.sealed }, back, ...secret),
		"bad_header",
	),
	drops(
		"sealed: the outer NSH has come to its TTL",
		sealedFromEdge2({ ttl: 1 }, back, ...secret),
		"ttl_zero",
	),
	drops(
		"an outer NSH for a hop that is not sealed",
		underlay(
			packet(
				f.fromEdge2(0, 0, {}).subarray(0, 14),
				ipv4({ src: "192.0.2.5", dst: "192.0.2.1" }),
				udp({ sport: 50000, dport: 4790, checksum: 0 }),
				vxlanGpe(),
				outerNsh(SPI.remote + 1, 254),
				inNsh(SPI.remote + 1, 254),
				...secret,
			),
		),
		"no_hop",
	),
	drops(
		"sealed: plaintext from edge2",
		underlay(f.fromEdge2(SPI.sealed + 1, 254, {}, ...plaintext)),
		"unsealed",
	),
	drops(
		"sealed: plaintext from edge2 for a place that this node seals",
		underlay(f.fromEdge2(SPI.sealed, 254, {}, ...plaintext)),
		"unsealed",
	),
	drops(
		"signed: without a MAC from edge2",
		underlay(f.fromEdge2(SPI.signed + 1, 254, {}, ...plaintext)),
		"unsealed",
	),
	{
		title: "signed: from edge2 to the EF",
		...underlay(f.fromEdge2(SPI.signed + 1, 254, MAC_TLV, ...plaintext)),
		verdict: "redirect",
		check: (out) => expectAtEf(out, "efo"),
	},
	...(["sealed", "signed"] as const).map(
		(name): Row => ({
			title: `${name}: what the EF has opened goes to the function`,
			...inner(f.fromEf("efi", SPI[name] + 1, 254, {}, ...plaintext)),
			verdict: "redirect",
			out: f.toFunction("p1o", ...plaintext),
		}),
	),
	drops(
		"an EF puts a packet into a path that is not sealed here",
		inner(f.fromEf("efi", SPI.remote + 1, 254, {}, ...plaintext)),
		"port_unbound",
	),
	drops(
		"an EF puts a packet behind a function",
		inner(f.fromEf("efi", SPI.sealed + 1, 253, {}, ...plaintext)),
		"port_unbound",
	),
	...(
		[
			["a heartbeat of the node it comes from", 2, 1, undefined],
			["a heartbeat of another node", 3, 1, "nsh_oam"],
			["a heartbeat for another node", 2, 3, "nsh_oam"],
		] as const
	).map(
		([title, from, to, drop]): Row => ({
			title,
			...underlay(f.fromEdge2(0, 255, heartbeat(from, to))),
			verdict: drop ? "drop" : "redirect",
			...(drop && { drop }),
		}),
	),
	drops(
		"on the wire: plaintext of a sealed hop",
		wire(f.toEdge2(SPI.sealed, 254, {}, f.up4, f.syn(465))),
		"plaintext",
	),
	drops(
		"on the wire: a sealed hop's packet without a MAC",
		wire(f.toEdge2(SPI.signed, 254, {}, f.up4, f.syn(993))),
		"plaintext",
	),
	drops(
		"on the wire: a question that goes ahead of a sealed path",
		wire(f.toEdge2(SPI.sealed, 254, { nsh: { oam: true } }, f.up4, f.syn(465))),
		"plaintext",
	),
	drops(
		"on the wire: a sealed path from a place that is none of its ways out",
		wire(f.toEdge2(SPI.sealed, 255, {}, f.up4, f.syn(465))),
		"plaintext",
	),
	passes(
		"on the wire: the hop in the clear of a path that has a sealed one, too",
		wire(f.toEdge2(SPI.mixed, 255, {}, f.up4, f.syn(443))),
	),
	drops(
		"on the wire: plaintext of the sealed hop of such a path",
		wire(f.toEdge2(SPI.mixed, 254, {}, f.up4, f.syn(443))),
		"plaintext",
	),
	passes(
		"on the wire: signed",
		wire(f.toEdge2(SPI.signed, 254, MAC_TLV, f.up4, f.syn(993))),
	),
	passes(
		"on the wire: of a path that is not sealed",
		wire(f.toEdge2(SPI.remote, 254, {}, f.up4, f.syn(443))),
	),
	passes(
		"on the wire: no tunnel",
		wire(packet(f.toEdge2(1, 1, {}).subarray(0, 14), f.up4, f.syn(443))),
	),
];
