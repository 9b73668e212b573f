/**
 * Sealed and signed packets of real nodes of which single bits were turned on their
 * way: each bit of every field. All of them count as refused, under a reason that
 * fits the field, and the packet as it was still arrives, once.
 */
import { after, before, describe, it } from "node:test";
import { changed, flipped } from "./attacks/attacker.js";
import { SEALED, SIGNED } from "./attacks/frames.js";
import { Scene } from "./attacks/scene.js";

/** Of a signed NSH whose first word is not as it was. */
const KINDS = [
	...["nsh_version", "nsh_oam", "nsh_md_type", "next_protocol", "truncated"],
	...["ef malformed", "ef notEsp"],
].join("|");

describe("attacks on sealed packets", () => {
	let scene: Scene;
	before(async () => {
		scene = await Scene.open();
	});
	after(async () => {
		await scene?.close();
	});

	describe("by turning single bits of a sealed packet", () => {
		let frame: Buffer;
		let text: string;
		before(async () => {
			[frame, text] = await scene.held("mail");
		});
		const flips = (what: string, reason: string, make: () => Buffer[]) =>
			it(`${what}: ${reason.replaceAll("|", " or ")}`, async () => {
				const frames = make();
				await scene.counts({ [reason]: frames.length }, frames);
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
			scene.takenOnce(text, [
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
					const [frame, text] = await scene.held(policy);
					const frames = make(frame);
					await scene.counts({ [reason]: frames.length, "ef opened": 1 }, [
						...frames,
						frame,
					]);
					await scene.arrives(text);
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
					const [frame, text] = await scene.held(policy);
					const last = changed(frame, frame.length - 1, 0x01);
					/* No checksum. */
					last.writeUInt16BE(0, s.packet + 26);
					const other = `${text.slice(0, -1)}y`;
					scene.sent.push(other);
					await scene.takenOnce(other, [last, frame]);
				});
			it("unassigned bits and TTL: the packet comes as it was, and once", async () => {
				const [frame, text] = await scene.held(policy);
				await scene.takenOnce(text, [
					...flipped(frame, s.nsh, s.nsh + 1, 0x1f),
					...flipped(frame, s.nsh + 1, s.nsh + 2, 0xc0),
					...flipped(frame, s.nsh + 2, s.nsh + 3, 0xf0),
				]);
			});
		});

	it("nothing forged has arrived anywhere, and nothing twice", () =>
		scene.nothingForged());
});
