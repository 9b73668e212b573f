/** Flows that go past other nodes: what is asked, and whose answer counts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ipv4, tcp } from "../../../src/wire/build.js";
import { decodePacket } from "../../../src/wire/decode.js";
import * as f from "../../golden/frames.js";
import { node, SPI } from "../../golden/node.js";
import { access, port, underlay } from "../../golden/row.js";
import { type Opened, open, until } from "./firewall.js";

const EDGE3 = { nodeId: 3, name: "edge3", underlay: "192.0.2.9" };
const ASK = 1;
const ANSWER = 2;

/** The firewall here, a function on edge2, the exit on edge3. */
const state = {
	...node,
	peers: [...node.peers, EDGE3],
	paths: node.paths.map((path) =>
		path.spi === SPI.remote
			? {
					...path,
					length: 2,
					hops: [
						...path.hops.slice(0, 1),
						{ kind: "node", nodeId: 2, far: true } as const,
						null,
					],
				}
			: path,
	),
};

const segment = tcp({ sport: 40000, dport: 443, flags: "A" });
const give = access(f.fromUser(f.up4, segment));
const giveBack = port(
	"p1o",
	f.fromFunction("p1o", ipv4({ src: f.USER, dst: f.SERVER, ttl: 63 }), segment),
);

/** A flow that the firewall has let pass; it asks as it leaves for edge2. */
function learned(): Opened {
	const at = open({}, { state });
	at.world.maps.epochs.set(0, { now: 1, learning: 1 });
	at.run(give);
	at.run(giveBack);
	at.run(give);
	return at;
}

const grant = ({ world }: Opened) => [...world.maps.grants.entries()][0]?.[1];

/** Where a packet of the flow goes now. */
function target(at: Opened): { dst: string; si: number } {
	const { layers } = decodePacket(at.run(give).data);
	const outer = layers.find((layer) => layer.kind === "ipv4");
	const header = layers.find((layer) => layer.kind === "nsh");
	assert.ok(outer?.kind === "ipv4" && header?.kind === "nsh");
	return { dst: outer.header.dst, si: header.header.si };
}

interface Message {
	readonly nonce: number;
	readonly kind?: number;
	readonly src?: string;
	readonly taken?: number;
	readonly si?: number;
	readonly spi?: number;
}

/** What edge3 says: packets of the flow may come straight to it. */
const answer = ({ nonce, kind = ANSWER, src, taken = 1, ...place }: Message) =>
	underlay(
		f.fromEdge2(
			place.spi ?? SPI.remote,
			place.si ?? 253,
			{
				src: src ?? EDGE3.underlay,
				nsh: {
					oam: true,
					metadata: {
						kind: "context",
						words: [
							nonce,
							(1 << 16) | (taken << 8) | kind,
							0,
							EDGE3.nodeId << 8,
						],
					},
				},
			},
			ipv4({ src: f.USER, dst: f.SERVER, ttl: 62 }),
			segment,
		),
	);

/** Answers what was asked until the flow goes straight there: a lease is short. */
const leads = (at: Opened): Promise<void> =>
	until("the answer leads there", () => {
		at.run(give);
		const { verdict } = at.run(answer({ nonce: grant(at)?.nonce ?? 0 }));
		assert.equal(verdict, "drop", "it is never delivered");
		return target(at).si === 253;
	});

test("the answer to what was asked leads straight to the node that gave it", async () => {
	const at = learned();
	assert.notEqual(grant(at)?.nonce, 0, "it has asked");
	assert.deepEqual(target(at), { dst: "192.0.2.5", si: 254 });
	await leads(at);
	await until("it lasts a moment only", () => target(at).si === 254);
	at.world.close();
});

test("no answer counts but the one to the last question, from a known node", () => {
	const at = learned();
	const nonce = grant(at)?.nonce ?? 0;
	const stays = (message: Message, what: string, drops = ["nsh_oam"]) => {
		assert.deepEqual(at.run(answer(message)).drops, drops, what);
		assert.deepEqual(target(at), { dst: "192.0.2.5", si: 254 }, what);
	};
	stays({ nonce: (nonce ^ 1) >>> 0 }, "another nonce");
	stays({ nonce: 0 }, "no nonce");
	stays({ nonce, kind: ASK }, "a question", ["no_hop"]);
	stays({ nonce, kind: 7 }, "neither");
	stays({ nonce, spi: SPI.local }, "another path");
	assert.deepEqual(at.run(answer({ nonce, src: "192.0.2.77" })).drops, [
		"unknown_peer",
	]);
	stays({ nonce, si: 254 }, "where it would go anyway", []);
	stays({ nonce }, "a second answer");
	at.world.close();
});

test("a path that was made anew is asked for anew", async () => {
	const at = learned();
	await leads(at);
	at.world.apply({
		...state,
		paths: state.paths.filter(({ spi }) => spi !== SPI.remote),
	});
	at.world.apply(state);
	assert.equal(target(at).si, 254);
	at.world.close();
});
