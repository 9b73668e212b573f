/**
 * Attacks on sealed and signed hops of real nodes: by a function, by another node,
 * by who sends packets again or in the clear. Each is tried with raw frames, counts
 * under its reason and under no other, and brings nothing to anybody.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { prefixOf } from "../../lab/fleet.js";
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
import { ip, patched } from "./attacks/attacker.js";
import { SEALED, SIGNED, SOURCE_AT, VXLAN_AT } from "./attacks/frames.js";
import { Refused } from "./attacks/refused.js";
import { Scene } from "./attacks/scene.js";
import { at, type Policy, SERVER_PORT, SPORT } from "./attacks/star.js";
import { until } from "./until.js";

/** No packet with these words may arrive anywhere. */
const FORGED = "forged packet";
/** Behind the first function: where packets go from `in` to `out`. */
const SI = 254;
/** WINDOW_PACKETS of the engine, and some. */
const BEYOND_WINDOW = 1100;
/** A signature is good for so long (MAX_SKEW_MS of the engine). */
const MAX_SKEW_MS = 2000;

type Part = BuildLayer | Uint8Array | string;

describe("attacks on sealed hops", () => {
	let scene: Scene;
	before(async () => {
		scene = await Scene.open();
	});
	after(async () => {
		await scene?.close();
	});

	describe("by a function on the same node", () => {
		let archive: (side: "inside" | "outside", ...parts: Part[]) => void;
		before(() => {
			const { instances } = scene.fleet.node("out").state;
			const port = instances.find((one) => one.function === "archive")
				?.ports[0];
			assert.ok(port);
			const name = { function: "archive", instance: "a" };
			const netns = namespaceName(prefixOf(scene.lab), "out", name);
			const ends = {
				inside: scene.socket("inside", netns),
				outside: scene.socket("outside", netns),
			};
			archive = (side, ...parts) => {
				const src = macOf(port.id, side, "function");
				const dst = macOf(port.id, side, "host");
				ends[side].send(packet(eth({ src, dst }), ...parts));
			};
		});

		for (const policy of ["mail", "signed"] as const)
			it(`a packet of ${policy}'s flow, and an answer to it`, () =>
				scene.refused.counts({ port_unbound: 2 }, () => {
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
				scene.refused.counts({ port_forged: 1, port_unbound: 2 }, () => {
					const place = { spi: scene.spi(policy), si: SI, nextProtocol: 1 };
					const inside = [nsh(place), scene.fromUser(policy, FORGED)] as const;
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
			const [frame, text] = await scene.held("mail");
			await scene.refused.counts({ port_unbound: 2 }, () => {
				archive("outside", ip(frame.subarray(SEALED.tunnel)));
				archive("outside", ip(frame.subarray(14)));
			});
			await scene.takenOnce(text, [frame]);
		});
	});

	describe("by another node", () => {
		let third: Datagrams;
		before(async () => {
			third = await Datagrams.open(scene.lab.host("third"), at.third, 0);
		});
		const fromThird = (payload: Uint8Array) =>
			third.send(payload, at.out, VXLAN_GPE_PORT);
		const inTheClear = (place: number, si = SI, more = {}) =>
			packet(
				vxlanGpe(),
				nsh({ spi: place, si, ttl: 60, nextProtocol: 1, ...more }),
				scene.fromUser("mail", FORGED),
			);

		it("in the clear into a chain in the clear: nobody asked for more", () => {
			const text = "what a node may send";
			scene.sent.push(text);
			const place = {
				spi: scene.spi("clear"),
				si: SI,
				ttl: 60,
				nextProtocol: 1,
			};
			const inside = scene.fromUser("clear", text);
			fromThird(packet(vxlanGpe(), nsh(place), inside));
			return scene.arrives(text);
		});

		for (const policy of ["mail", "bank", "signed", "header"] as const)
			it(`in the clear to where ${policy} comes out sealed, and where it goes in`, () =>
				scene.refused.counts({ unsealed: 2 }, () => {
					fromThird(inTheClear(scene.spi(policy)));
					fromThird(inTheClear(scene.back(policy), SI));
				}));

		it("behind the encryption function's place on the path", () =>
			scene.refused.counts({ no_hop: 1 }, () =>
				fromThird(inTheClear(scene.spi("mail"), SI - 2)),
			));

		it("a question ahead of a sealed path", () =>
			scene.refused.counts({ unsealed: 1 }, () =>
				fromThird(
					inTheClear(scene.spi("mail"), SI, {
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
			scene.refused.counts({ bad_header: 3 }, () => {
				const [mail, bank] = [scene.spi("mail"), scene.spi("bank")];
				fromThird(sealed({ spi: mail, eSpi: bank }, mail));
				fromThird(sealed({ spi: mail, eSpi: bank }, bank));
				fromThird(sealed({ spi: bank }, mail));
			}));

		it("an outer NSH for a path that is not sealed here", () =>
			scene.refused.counts({ no_hop: 2 }, () => {
				fromThird(sealed({ spi: scene.spi("clear") }, scene.spi("clear")));
				fromThird(sealed({ spi: scene.back("mail") }, scene.back("mail")));
			}));

		it("ESP of nobody's keys, and plaintext behind both NSHs", () =>
			scene.refused.counts({ "ef unknownSpi": 1, "ef notEsp": 1 }, () => {
				const mail = scene.spi("mail");
				fromThird(sealed({ spi: mail }, mail));
				fromThird(
					sealed({ spi: mail }, mail, [scene.fromUser("mail", FORGED)]),
				);
			}));

		it("ESP of one link under the path of another", async () => {
			const [frame, text] = await scene.held("mail");
			const bank = Buffer.alloc(4);
			bank.writeUInt32BE(scene.spi("bank") * 256 + SI);
			const other = patched(
				frame,
				[SEALED.outer + 4, bank],
				[SEALED.outer + 8, bank],
				[SEALED.inner + 4, bank],
			);
			await scene.refused.counts({ "ef wrongPath": 1 }, () =>
				fromThird(other.subarray(VXLAN_AT)),
			);
			await scene.takenOnce(text, [frame]);
		});

		it("a signed packet under the path of another", async () => {
			const [frame, text] = await scene.held("signed");
			const path = (name: Policy) => {
				const bytes = Buffer.alloc(4);
				bytes.writeUInt32BE(scene.spi(name) * 256 + SI);
				return patched(frame, [SIGNED.path, bytes]).subarray(VXLAN_AT);
			};
			/* At once: a signature is good for two seconds. */
			const want = { "ef wrongPath": 1, unsealed: 1, "ef opened": 1 };
			await scene.refused.counts(want, () => {
				fromThird(path("header"));
				fromThird(path("mail"));
				scene.attacker.send(frame);
			});
			await scene.arrives(text);
		});

		for (const policy of ["mail", "signed"] as const)
			it(`${policy} from an address that is no node's`, async () => {
				const [frame, text] = await scene.held(policy);
				const address = Buffer.from(at.evil.split(".").map(Number));
				const other = patched(frame, [SOURCE_AT, address]);
				await scene.counts({ unknown_peer: 1, "ef opened": 1 }, [other, frame]);
				await scene.arrives(text);
			});
	});

	describe("by sending again", () => {
		for (const policy of ["mail", "signed", "header"] as const)
			it(`${policy}: at once`, async () => {
				const [frame, text] = await scene.held(policy);
				await scene.takenOnce(text, Array(5).fill(frame));
			});

		/* ESP carries half of the number: one that old is read as one to come. */
		for (const [policy, reason] of [
			["mail", "ef badIcv"],
			["signed", "ef tooOld"],
		] as const)
			it(`${policy}: after more packets than the window holds: ${reason}`, async () => {
				const [early] = await scene.held(policy);
				const [known, text] = await scene.held(policy);
				await scene.takenOnce(text, [known]);
				await scene.refused.counts({ "ef opened": BEYOND_WINDOW }, async () => {
					for (let i = 0; i < BEYOND_WINDOW; i++) {
						await scene.arrives(scene.say(policy));
					}
				});
				await scene.counts({ [reason]: 2 }, [early, known]);
			});

		it("signed: held back for longer than a signature holds", async () => {
			const heldMs = Date.now();
			const [frame] = await scene.held("signed");
			await until("it is stale", () => Date.now() - heldMs > MAX_SKEW_MS + 500);
			await scene.counts({ "ef stale": 1 }, [frame]);
		});
	});

	describe("by sending plaintext out", () => {
		let atIn: Refused;
		before(async () => {
			atIn = new Refused(scene.fleet, "in");
			await atIn.start();
		});
		const tunnel = (place: number, ...parts: readonly Part[]) =>
			packet(
				ipv4({ src: at.in, dst: at.out }),
				udp({ sport: 50_000, checksum: 0 }),
				vxlanGpe(),
				nsh({ spi: place, si: SI, ttl: 60, nextProtocol: NshNext.ipv4 }),
				...parts,
			);

		it("a program on the sending node", async () => {
			const up = scene.socket("up", scene.lab.netns("in"));
			await atIn.counts({ plaintext: 4 }, () => {
				for (const policy of ["mail", "bank", "signed", "header"] as const)
					up.send(
						packet(
							eth(),
							ip(tunnel(scene.spi(policy), scene.fromUser(policy, FORGED))),
						),
					);
			});
		});

		it("a flow rule that leads a sealed hop past the encryption function", async () => {
			const pins = pinDirectory(prefixOf(scene.lab), "in");
			const map = <K, V>(definition: MapDefinition<K, V>) =>
				BpfMap.open(join(pins, definition.name), definition);
			const [paths, hops] = [map(MAPS.paths), map(MAPS.hops)];
			try {
				for (const policy of ["mail", "signed"] as const) {
					const { firstHop = 0 } = paths.get(scene.spi(policy)) ?? {};
					const index = firstHop + SI_START - SI;
					const hop = hops.get(index);
					assert.ok(hop && hop.flags & (HopFlags.SEALED | HopFlags.SIGNED));
					hops.set(index, { ...hop, flags: 0 });
					await atIn.counts({ plaintext: 1 }, () => scene.say(policy));
					hops.set(index, hop);
					await scene.refused.counts({ "ef opened": 1 }, async () =>
						scene.arrives(scene.say(policy)),
					);
				}
			} finally {
				paths.close();
				hops.close();
			}
		});

		it("an encryption function, by either side", async () => {
			const netns = efNamespace(prefixOf(scene.lab), "in");
			const outside = scene.socket("outside", netns);
			const inside = scene.socket("inside", netns);
			const frame = (side: "inside" | "outside", place: number) =>
				packet(
					eth({ src: EF_MACS[side].ef, dst: EF_MACS[side].host }),
					ip(tunnel(place, scene.fromUser("mail", FORGED))),
				);
			await atIn.counts({ plaintext: 2, port_unbound: 3 }, () => {
				outside.send(frame("outside", scene.spi("mail")));
				outside.send(frame("outside", scene.spi("signed")));
				outside.send(frame("outside", scene.spi("clear")));
				inside.send(frame("inside", scene.spi("clear")));
				inside.send(frame("inside", scene.spi("mail")));
			});
		});
	});

	it("keys that changed open nothing of before", async () => {
		const [frame, text] = await scene.held("mail");
		await scene.takenOnce(text, [frame]);
		const [late] = await scene.held("mail");
		const { links: before } = await scene.auc.status();
		const old = before.flatMap(({ sas }) => sas.map(({ espSpi }) => espSpi));
		await scene.auc.rekey("in");
		await until("all keys are new", async () => {
			const { links } = await scene.auc.status();
			return links.every(
				({ sas: [sa, ...others] }) =>
					sa && others.length === 0 && !old.includes(sa.espSpi),
			);
		});
		await scene.counts({ "ef unknownSpi": 2 }, [frame, late]);
	});

	it("nothing forged has arrived anywhere, and nothing twice", () =>
		scene.nothingForged());
});

/** Outer NSH of a path, and of an encryption path that should be the same. */
function outerNsh(spi: number, eSpi = spi): BuildLayer {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32BE(eSpi * 256 + SI);
	return nsh({
		...{ spi, si: SI, ttl: 63, mdType: 3, nextProtocol: NshNext.nsh },
		metadata: { kind: "raw", bytes },
	});
}
