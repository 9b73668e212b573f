/**
 * Attacks on sealed and signed hops of real nodes: by a function, by another node,
 * by a router between them. Each is tried with raw frames, counts under its reason
 * and under no other, and brings nothing to anybody.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { LabAuc } from "../../lab/auc.js";
import { Fleet, prefixOf } from "../../lab/fleet.js";
import { buildLab, type Lab } from "../../lab/lab.js";
import { type Capture, startCapture } from "../../lab/traffic/capture.js";
import { Datagrams } from "../../lab/traffic/datagrams.js";
import { pinDirectory } from "../../src/agent/dataplane.js";
import {
	EF_MACS,
	efNamespace,
	macOf,
	namespaceName,
} from "../../src/functions/names.js";
import type { MapDefinition } from "../../src/kernel/codec.js";
import { HopFlags, MAPS } from "../../src/kernel/layout.gen.js";
import { BpfMap } from "../../src/kernel/map.js";
import { RawSocket } from "../../src/kernel/rawsocket.js";
import type { PathSummary } from "../../src/plan/path.js";
import { SI_START } from "../../src/plan/state.js";
import {
	type BuildLayer,
	eth,
	ipv4,
	nsh,
	packet,
	raw,
	udp,
	vxlanGpe,
} from "../../src/wire/build.js";
import { NshNext } from "../../src/wire/nsh.js";
import { VXLAN_GPE_PORT } from "../../src/wire/vxlan.js";
import {
	Attacker,
	changed,
	flipped,
	macAt,
	patched,
} from "./attacks/attacker.js";
import { type Counts, Refused } from "./attacks/refused.js";
import {
	at,
	intent,
	type Policy,
	SERVER_PORT,
	SPORT,
	star,
} from "./attacks/star.js";
import { until } from "./until.js";

/** No packet with these words may arrive anywhere. */
const FORGED = "forged packet";
/** Behind the first function: where packets go from `in` to `out`. */
const SI = 254;
/** WINDOW_PACKETS of the engine, and some. */
const BEYOND_WINDOW = 1100;
/** A signature is good for so long (MAX_SKEW_MS of the engine). */
const MAX_SKEW_MS = 2000;

/** Where things are in a sealed frame between the nodes. */
const SOURCE_AT = 26;
const VXLAN_AT = 42;
const SEALED = {
	outer: 50,
	inner: 62,
	tunnel: 86,
	spi: 106,
	sequence: 110,
	iv: 114,
} as const;
/** And in a signed one; NSH of MD type 2, then the packet. */
const SIGNED = {
	nsh: 50,
	path: 54,
	contextTlv: 58,
	context: 62,
	sequence: 78,
	macTlv: 86,
	keyId: 91,
	timestamp: 95,
	nonceBytes: 103,
	mac: 104,
	padding: 120,
	packet: 122,
} as const;

/** Of a signed NSH whose first word is not as it was. */
const KINDS = [
	...["nsh_version", "nsh_oam", "nsh_md_type", "next_protocol", "truncated"],
	...["ef malformed", "ef notEsp"],
].join("|");

type Part = BuildLayer | Uint8Array | string;

describe("attacks on sealed hops", () => {
	let lab: Lab;
	let auc: LabAuc;
	let fleet: Fleet;
	let attacker: Attacker;
	let refused: Refused;
	let server: Datagrams;
	let user: RawSocket;
	let toNode: BuildLayer;
	let third: Datagrams;
	let captures: readonly Capture[] = [];
	let paths: ReadonlyMap<string, PathSummary>;
	const sockets: RawSocket[] = [];
	const sent: string[] = [];

	before(async () => {
		lab = await buildLab(star);
		auc = await LabAuc.start({ lab, host: "in", address: at.in });
		fleet = await Fleet.open(lab, intent, auc);
		const planned = await fleet.apply(intent);
		paths = new Map(
			planned
				.filter(({ side }) => side === "access")
				.map((one) => [one.policy, one]),
		);
		await auc.ready();
		server = await Datagrams.open(lab.host("server"), at.server, SERVER_PORT);
		third = await Datagrams.open(lab.host("third"), at.third, 0);
		user = new RawSocket("eth0", lab.netns("user"));
		const colons = (mac: Buffer) => mac.toString("hex").match(/../g)?.join(":");
		toNode = eth({
			src: colons(await macAt(lab.host("user"), "eth0")) ?? "",
			dst: colons(await macAt(lab.host("in"), "acc")) ?? "",
		});
		captures = await Promise.all(
			(["user", "server"] as const).map((host) =>
				startCapture(lab.host(host), "eth0"),
			),
		);
		attacker = await Attacker.open(lab);
		refused = new Refused(fleet, "out");
	});
	after(async () => {
		for (const socket of [user, ...sockets]) socket?.close();
		await attacker?.close();
		await fleet?.destroy();
		await lab?.destroy();
	});

	const spi = (policy: Policy): number => {
		const path = paths.get(policy);
		assert.ok(path, policy);
		return path.spi;
	};
	const back = (policy: Policy): number => paths.get(policy)?.reverseSpi ?? 0;
	const fromUser = (policy: Policy, text: string) =>
		packet(
			ipv4({ src: at.user, dst: at.server }),
			udp({ sport: SPORT[policy], dport: SERVER_PORT }),
			text,
		);
	/** The user sends a packet whose words no other has. */
	function say(policy: Policy): string {
		const text = `${policy} ${sent.length} ${"x".repeat(80)}`;
		sent.push(text);
		user.send(packet(toNode, ip(fromUser(policy, text))));
		return text;
	}
	async function arrives(text: string): Promise<void> {
		assert.equal((await server.next()).data.toString(), text);
	}
	/** A packet of the user's on its way to `out`, which has not arrived there. */
	async function held(policy: Policy): Promise<[Buffer, string]> {
		attacker.skip();
		await attacker.holdBack();
		const text = say(policy);
		const frame = await attacker.next();
		await attacker.letGo();
		return [frame, text];
	}
	/** `out` counts these frames just so. */
	const counts = (want: Counts, frames: readonly Uint8Array[]) =>
		refused.counts(want, () => attacker.send(...frames));
	/** The first of them that comes is taken, the others are the same packet. */
	async function takenOnce(
		text: string,
		frames: readonly Uint8Array[],
	): Promise<void> {
		const rest = frames.length - 1;
		const want = { "ef opened": 1, ...(rest && { "ef replayed": rest }) };
		await counts(want, frames);
		await arrives(text);
	}

	it("there is traffic on every path, so that only the attack makes the drop", async () => {
		for (const policy of Object.keys(SPORT) as Policy[]) {
			await arrives(say(policy));
		}
		await until("all is counted", () => {
			const { in: opened } = fleet.node("out").counters().ef ?? {};
			return opened?.packets === 4;
		});
		await refused.start();
	});

	describe("by a function on the same node", () => {
		let archive: (side: "inside" | "outside", ...parts: Part[]) => void;
		before(() => {
			const { instances } = fleet.node("out").state;
			const port = instances.find((one) => one.function === "archive")
				?.ports[0];
			assert.ok(port);
			const name = { function: "archive", instance: "a" };
			const netns = namespaceName(prefixOf(lab), "out", name);
			const ends = {
				inside: new RawSocket("inside", netns),
				outside: new RawSocket("outside", netns),
			};
			sockets.push(...Object.values(ends));
			archive = (side, ...parts) => {
				const src = macOf(port.id, side, "function");
				const dst = macOf(port.id, side, "host");
				ends[side].send(packet(eth({ src, dst }), ...parts));
			};
		});

		for (const policy of ["mail", "signed"] as const)
			it(`a packet of ${policy}'s flow, and an answer to it`, () =>
				refused.counts({ port_unbound: 2 }, () => {
					archive(
						"outside",
						ipv4({ src: at.user, dst: at.server }),
						udp({ sport: SPORT[policy], dport: SERVER_PORT }),
						FORGED,
					);
					archive(
						"inside",
						ipv4({ src: at.server, dst: at.user }),
						udp({ sport: SERVER_PORT, dport: SPORT[policy] }),
						FORGED,
					);
				}));

		for (const policy of ["mail", "signed", "clear"] as const)
			it(`${policy}'s NSH, bare and in VXLAN-GPE`, () =>
				refused.counts({ port_forged: 1, port_unbound: 2 }, () => {
					const place = { spi: spi(policy), si: SI, nextProtocol: 1 };
					const inside = [nsh(place), fromUser(policy, FORGED)] as const;
					archive("outside", ...inside);
					for (const dst of [at.out, at.in])
						archive(
							"outside",
							ipv4({ src: at.in, dst }),
							udp({ sport: 50_000 }),
							vxlanGpe(),
							...inside,
						);
				}));

		it("ESP, bare and as the other node would send it", async () => {
			const [frame, text] = await held("mail");
			await refused.counts({ port_unbound: 2 }, () => {
				archive("outside", ip(frame.subarray(SEALED.tunnel)));
				archive("outside", ip(frame.subarray(14)));
			});
			await takenOnce(text, [frame]);
		});
	});

	describe("by another node", () => {
		const fromThird = (payload: Uint8Array) =>
			third.send(payload, at.out, VXLAN_GPE_PORT);
		const inTheClear = (place: number, si = SI, more = {}) =>
			packet(
				vxlanGpe(),
				nsh({ spi: place, si, ttl: 60, nextProtocol: 1, ...more }),
				fromUser("mail", FORGED),
			);

		it("in the clear into a chain in the clear: nobody asked for more", () => {
			const text = "what a node may send";
			sent.push(text);
			const place = { spi: spi("clear"), si: SI, ttl: 60, nextProtocol: 1 };
			const inside = fromUser("clear", text);
			fromThird(packet(vxlanGpe(), nsh(place), inside));
			return arrives(text);
		});

		for (const policy of ["mail", "bank", "signed", "header"] as const)
			it(`in the clear to where ${policy} comes out sealed, and where it goes in`, () =>
				refused.counts({ unsealed: 2 }, () => {
					fromThird(inTheClear(spi(policy)));
					fromThird(inTheClear(back(policy), SI));
				}));

		it("behind the encryption function's place on the path", () =>
			refused.counts({ no_hop: 1 }, () =>
				fromThird(inTheClear(spi("mail"), SI - 2)),
			));

		it("a question ahead of a sealed path", () =>
			refused.counts({ unsealed: 1 }, () =>
				fromThird(
					inTheClear(spi("mail"), SI, {
						oam: true,
						metadata: { kind: "context", words: [1, 0x10001, 0, 0] },
					}),
				),
			));

		const secret = [
			ipv4({ src: at.third, dst: at.out, proto: 50 }),
			raw(Buffer.alloc(64, 0x5a)),
		] as const;
		const sealed = (
			outer: { spi: number; eSpi?: number },
			inner: number,
			parts: readonly Part[] = secret,
		) =>
			packet(
				vxlanGpe(),
				outerNsh(outer.spi, outer.eSpi),
				nsh({ spi: inner, si: SI, ttl: 60, nextProtocol: NshNext.ipv4 }),
				...parts,
			);

		it("an outer NSH for another path's encryption path", () =>
			refused.counts({ bad_header: 3 }, () => {
				const [mail, bank] = [spi("mail"), spi("bank")];
				fromThird(sealed({ spi: mail, eSpi: bank }, mail));
				fromThird(sealed({ spi: mail, eSpi: bank }, bank));
				fromThird(sealed({ spi: bank }, mail));
			}));

		it("an outer NSH for a path that is not sealed here", () =>
			refused.counts({ no_hop: 2 }, () => {
				fromThird(sealed({ spi: spi("clear") }, spi("clear")));
				fromThird(sealed({ spi: back("mail") }, back("mail")));
			}));

		it("ESP of nobody's keys, and plaintext behind both NSHs", () =>
			refused.counts({ "ef unknownSpi": 1, "ef notEsp": 1 }, () => {
				const mail = spi("mail");
				fromThird(sealed({ spi: mail }, mail));
				fromThird(sealed({ spi: mail }, mail, [fromUser("mail", FORGED)]));
			}));

		it("ESP of one link under the path of another", async () => {
			const [frame, text] = await held("mail");
			const bank = Buffer.alloc(4);
			bank.writeUInt32BE(spi("bank") * 256 + SI);
			const other = patched(
				frame,
				[SEALED.outer + 4, bank],
				[SEALED.outer + 8, bank],
				[SEALED.inner + 4, bank],
			);
			await refused.counts({ "ef wrongPath": 1 }, () =>
				fromThird(other.subarray(VXLAN_AT)),
			);
			await takenOnce(text, [frame]);
		});

		it("a signed packet under the path of another", async () => {
			const [frame, text] = await held("signed");
			const path = (name: Policy) => {
				const bytes = Buffer.alloc(4);
				bytes.writeUInt32BE(spi(name) * 256 + SI);
				return patched(frame, [SIGNED.path, bytes]).subarray(VXLAN_AT);
			};
			/* At once: a signature is good for two seconds. */
			const want = { "ef wrongPath": 1, unsealed: 1, "ef opened": 1 };
			await refused.counts(want, () => {
				fromThird(path("header"));
				fromThird(path("mail"));
				attacker.send(frame);
			});
			await arrives(text);
		});

		for (const policy of ["mail", "signed"] as const)
			it(`${policy} from an address that is no node's`, async () => {
				const [frame, text] = await held(policy);
				const address = Buffer.from(at.evil.split(".").map(Number));
				const other = patched(frame, [SOURCE_AT, address]);
				await counts({ unknown_peer: 1, "ef opened": 1 }, [other, frame]);
				await arrives(text);
			});
	});

	describe("by sending again", () => {
		for (const policy of ["mail", "signed", "header"] as const)
			it(`${policy}: at once`, async () => {
				const [frame, text] = await held(policy);
				await takenOnce(text, Array(5).fill(frame));
			});

		/* ESP carries half of the number: one that old is read as one to come. */
		for (const [policy, reason] of [
			["mail", "ef badIcv"],
			["signed", "ef tooOld"],
		] as const)
			it(`${policy}: after more packets than the window holds: ${reason}`, async () => {
				const [early] = await held(policy);
				const [known, text] = await held(policy);
				await takenOnce(text, [known]);
				await refused.counts({ "ef opened": BEYOND_WINDOW }, async () => {
					for (let i = 0; i < BEYOND_WINDOW; i++) {
						await arrives(say(policy));
					}
				});
				await counts({ [reason]: 2 }, [early, known]);
			});

		it("signed: held back for longer than a signature holds", async () => {
			const heldMs = Date.now();
			const [frame] = await held("signed");
			await until("it is stale", () => Date.now() - heldMs > MAX_SKEW_MS + 500);
			await counts({ "ef stale": 1 }, [frame]);
		});
	});

	describe("by turning single bits of a sealed packet", () => {
		let frame: Buffer;
		let text: string;
		before(async () => {
			[frame, text] = await held("mail");
		});
		const flips = (what: string, reason: string, make: () => Buffer[]) =>
			it(`${what}: ${reason.replaceAll("|", " or ")}`, async () => {
				const frames = make();
				await counts({ [reason]: frames.length }, frames);
			});
		const { outer, inner, tunnel, spi, sequence, iv } = SEALED;

		flips("outer NSH's version", "nsh_version", () =>
			flipped(frame, outer, outer + 1, 0xc0),
		);
		flips("outer NSH's O bit", "nsh_oam", () =>
			flipped(frame, outer, outer + 1, 0x20),
		);
		flips("outer NSH's length", "nsh_md_type", () =>
			flipped(frame, outer + 1, outer + 2, 0x3f),
		);
		flips(
			"outer NSH's type and next protocol",
			"nsh_md_type|next_protocol",
			() => [
				...flipped(frame, outer + 2, outer + 3, 0x0f),
				...flipped(frame, outer + 3, outer + 4),
			],
		);
		flips("both NSHs' paths", "bad_header", () => [
			...flipped(frame, outer + 4, outer + 12),
			...flipped(frame, inner + 4, inner + 8),
		]);
		flips("inner NSH's fields", "ef malformed|ef notEsp", () => [
			...flipped(frame, inner, inner + 1, 0xe0),
			...flipped(frame, inner + 1, inner + 2, 0x3f),
			...flipped(frame, inner + 2, inner + 3, 0x0f),
			...flipped(frame, inner + 3, inner + 4),
		]);
		const anywhere = "ef malformed|ef notEsp|ef unknownSpi|ef badIcv";
		flips("the tunnel's IPv4 header", anywhere, () => [
			...flipped(frame, tunnel, tunnel + 1),
			...flipped(frame, tunnel + 2, tunnel + 4),
			...flipped(frame, tunnel + 6, tunnel + 7, 0x3f),
			...flipped(frame, tunnel + 7, tunnel + 8),
			...flipped(frame, tunnel + 9, tunnel + 10),
		]);
		flips("ESP's SPI", "ef unknownSpi|ef wrongPath", () =>
			flipped(frame, spi, sequence),
		);
		flips("ESP's sequence number", "ef badIcv|ef replayed|ef tooOld", () =>
			flipped(frame, sequence, iv),
		);
		flips("IV, ciphertext and ICV", "ef badIcv", () =>
			flipped(frame, iv, frame.length),
		);

		it("what nothing protects: the packet comes as it was, and once", () =>
			takenOnce(text, [
				/* Unassigned bits, TTL, and the inner one's context. */
				...[outer, inner].flatMap((at) => [
					...flipped(frame, at, at + 1, 0x1f),
					...flipped(frame, at + 1, at + 2, 0xc0),
					...flipped(frame, at + 2, at + 3, 0xf0),
				]),
				...flipped(frame, inner + 8, inner + 24),
				/* DSCP, identification, TTL, checksum, addresses. */
				...flipped(frame, tunnel + 1, tunnel + 2, 0xfc),
				...flipped(frame, tunnel + 4, tunnel + 6),
				...flipped(frame, tunnel + 8, tunnel + 9),
				...flipped(frame, tunnel + 10, tunnel + 20),
			]));
	});

	for (const policy of ["signed", "header"] as const)
		describe(`by turning single bits of a packet of ${policy}`, () => {
			/* A signature is good for two seconds: each has a packet of its own. */
			const flips = (
				what: string,
				reason: string,
				make: (frame: Buffer) => Buffer[],
			) =>
				it(`${what}: ${reason.replaceAll("|", " or ")}`, async () => {
					const [frame, text] = await held(policy);
					const frames = make(frame);
					await counts({ [reason]: frames.length, "ef opened": 1 }, [
						...frames,
						frame,
					]);
					await arrives(text);
				});
			const s = SIGNED;

			flips("version, O bit, length, types", KINDS, (frame) => [
				...flipped(frame, s.nsh, s.nsh + 1, 0xe0),
				...flipped(frame, s.nsh + 1, s.nsh + 2, 0x3f),
				...flipped(frame, s.nsh + 2, s.nsh + 3, 0x0f),
				...flipped(frame, s.nsh + 3, s.nsh + 4),
			]);
			flips("path and index", "no_path|no_hop", (frame) =>
				[0, 1, 2, 3].map((i) => changed(frame, s.path + i, 0xff)),
			);
			flips("headers of its metadata", "ef malformed", (frame) => [
				...flipped(frame, s.contextTlv, s.context),
				...flipped(frame, s.macTlv, s.keyId),
				...flipped(frame, s.nonceBytes, s.mac),
				...flipped(frame, s.padding, s.packet),
			]);
			flips("context and MAC", "ef badMac", (frame) => [
				...flipped(frame, s.context, s.sequence),
				...flipped(frame, s.mac, s.padding),
			]);
			flips("sequence number", "ef badMac|ef replayed|ef tooOld", (frame) =>
				flipped(frame, s.sequence, s.macTlv),
			);
			flips("key's identifier", "ef unknownSpi|ef wrongPath", (frame) =>
				flipped(frame, s.keyId, s.timestamp),
			);
			flips("timestamp", "ef badMac|ef stale", (frame) =>
				flipped(frame, s.timestamp, s.nonceBytes),
			);
			if (policy === "signed")
				flips(
					"the packet it carries",
					"ef badMac|ef malformed|ef notEsp",
					(frame) => flipped(frame, s.packet, frame.length),
				);
			else
				it("the packet it carries: not protected, as declared", async () => {
					const [frame, text] = await held(policy);
					const last = changed(frame, frame.length - 1, 0x01);
					/* No checksum. */
					last.writeUInt16BE(0, s.packet + 26);
					const other = `${text.slice(0, -1)}y`;
					sent.push(other);
					await takenOnce(other, [last, frame]);
				});
			it("unassigned bits and TTL: the packet comes as it was, and once", async () => {
				const [frame, text] = await held(policy);
				await takenOnce(text, [
					...flipped(frame, s.nsh, s.nsh + 1, 0x1f),
					...flipped(frame, s.nsh + 1, s.nsh + 2, 0xc0),
					...flipped(frame, s.nsh + 2, s.nsh + 3, 0xf0),
				]);
			});
		});

	describe("by sending plaintext out", () => {
		let atIn: Refused;
		before(async () => {
			atIn = new Refused(fleet, "in");
			await atIn.start();
		});
		const open = (name: string, netns: string) => {
			const socket = new RawSocket(name, netns);
			sockets.push(socket);
			return socket;
		};
		const tunnel = (place: number, ...parts: readonly Part[]) =>
			packet(
				ipv4({ src: at.in, dst: at.out }),
				udp({ sport: 50_000, checksum: 0 }),
				vxlanGpe(),
				nsh({ spi: place, si: SI, ttl: 60, nextProtocol: NshNext.ipv4 }),
				...parts,
			);

		it("a program on the sending node", async () => {
			const up = open("up", lab.netns("in"));
			await atIn.counts({ plaintext: 4 }, () => {
				for (const policy of ["mail", "bank", "signed", "header"] as const)
					up.send(
						packet(eth(), ip(tunnel(spi(policy), fromUser(policy, FORGED)))),
					);
			});
		});

		it("a flow rule that leads a sealed hop past the encryption function", async () => {
			const pins = pinDirectory(prefixOf(lab), "in");
			const map = <K, V>(definition: MapDefinition<K, V>) =>
				BpfMap.open(join(pins, definition.name), definition);
			const [paths, hops] = [map(MAPS.paths), map(MAPS.hops)];
			try {
				for (const policy of ["mail", "signed"] as const) {
					const { firstHop = 0 } = paths.get(spi(policy)) ?? {};
					const index = firstHop + SI_START - SI;
					const hop = hops.get(index);
					assert.ok(hop && hop.flags & (HopFlags.SEALED | HopFlags.SIGNED));
					hops.set(index, { ...hop, flags: 0 });
					await atIn.counts({ plaintext: 1 }, () => say(policy));
					hops.set(index, hop);
					await refused.counts({ "ef opened": 1 }, async () =>
						arrives(say(policy)),
					);
				}
			} finally {
				paths.close();
				hops.close();
			}
		});

		it("an encryption function, by either side", async () => {
			const netns = efNamespace(prefixOf(lab), "in");
			const [outside, inside] = [open("outside", netns), open("inside", netns)];
			const frame = (side: "inside" | "outside", place: number) =>
				packet(
					eth({ src: EF_MACS[side].ef, dst: EF_MACS[side].host }),
					ip(tunnel(place, fromUser("mail", FORGED))),
				);
			await atIn.counts({ plaintext: 2, port_unbound: 3 }, () => {
				outside.send(frame("outside", spi("mail")));
				outside.send(frame("outside", spi("signed")));
				outside.send(frame("outside", spi("clear")));
				inside.send(frame("inside", spi("clear")));
				inside.send(frame("inside", spi("mail")));
			});
		});
	});

	it("keys that changed open nothing of before", async () => {
		const [frame, text] = await held("mail");
		await takenOnce(text, [frame]);
		const [late] = await held("mail");
		await auc.rekey("in");
		await until("all keys are new", async () => {
			const { links } = await auc.status();
			return links.every(({ sas }) => sas.length === 1);
		});
		await counts({ "ef unknownSpi": 2 }, [frame, late]);
	});

	it("nothing forged has arrived anywhere, and nothing twice", async () => {
		for (const policy of Object.keys(SPORT) as Policy[])
			await arrives(say(policy));
		for (const capture of captures) {
			const payloads = (await capture.stop())
				.map(({ payload }) => payload.toString("latin1"))
				.filter((text) => text.includes(FORGED) || sent.includes(text));
			assert.equal(new Set(payloads).size, payloads.length, "twice");
			assert.ok(!payloads.some((text) => text.includes(FORGED)));
		}
	});
});

/** A whole IPv4 packet as what follows Ethernet. */
function ip(bytes: Uint8Array): BuildLayer {
	return { etherType: 0x0800, header: () => Buffer.from(bytes) };
}

/** Outer NSH of a path, and of an encryption path that should be the same. */
function outerNsh(spi: number, eSpi = spi): BuildLayer {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32BE(eSpi * 256 + SI);
	return nsh({
		...{ spi, si: SI, ttl: 63, mdType: 3, nextProtocol: NshNext.nsh },
		metadata: { kind: "raw", bytes },
	});
}
