/** The engine in a namespace as an agent makes it. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { XfrmEngine } from "../../../src/functions/ef/xfrm.js";
import {
	efSides,
	makeEfPairs,
	openEfPairs,
} from "../../../src/functions/ef-process/network.js";
import { efHostEnd } from "../../../src/functions/names.js";
import { parseMac } from "../../../src/wire/address.js";
import { ipv4, packet, raw, udp } from "../../../src/wire/build.js";
import { Tap } from "../../ef/tap.js";
import { framed, until, Wiring } from "./line.js";

const PATH = (11 << 8) | 255;
const MTU_BYTES = 1800;

const wiring = new Wiring();
after(() => wiring.remove());

test("xfrm: seals in the namespace that an agent makes for it", async () => {
	const [node, namespace] = [wiring.ends, `${wiring.ends}-ef`];
	await wiring.namespace(node);
	await wiring.namespace(namespace);
	const place = { node, namespace, mtuBytes: MTU_BYTES, isTapped: false };
	await makeEfPairs(place);
	await openEfPairs(place);
	const sides = efSides(MTU_BYTES);
	const side = (which: "inside" | "outside") => {
		const { src, dst, ...rest } = sides[which];
		return { ...rest, src: parseMac(src), dst: parseMac(dst) };
	};
	const engine = await XfrmEngine.open({
		netns: namespace,
		inside: side("inside"),
		outside: side("outside"),
		onEvent: () => {},
	});
	const taps = [efHostEnd("inside"), efHostEnd("outside")].map(
		(name) => new Tap(node, name),
	);
	const [inside, outside] = taps;
	assert.ok(inside && outside);
	try {
		await engine.install({
			direction: "out",
			transform: "esp",
			spi: 4096,
			key: new Uint8Array(randomBytes(32)),
			salt: new Uint8Array(randomBytes(4)),
			tunnel: { src: "192.0.2.1", dst: "192.0.2.2" },
			extended: true,
			path: PATH,
		});
		const user = packet(
			ipv4({ src: "10.0.0.1", dst: "10.0.0.2" }),
			udp({ dport: 9 }),
			raw(randomBytes(64)),
		);
		inside.put(framed(user, PATH));
		await until("the sealed frame", () => outside.count > 0);
		const [sealed] = outside.take();
		assert.ok(sealed && !sealed.includes(user));
		assert.equal((await engine.usage()).out.packets, 1);
	} finally {
		for (const tap of taps) tap.close();
		await engine.close();
	}
});
