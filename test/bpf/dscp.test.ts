/** DSCP in the flow table, where the flow's path has gone meanwhile. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { addrOf } from "../../src/agent/tables/encode.js";
import { ipv4 } from "../../src/wire/build.js";
import * as f from "../golden/frames.js";
import { BLUE, locals, network, node } from "../golden/node.js";
import { World } from "./world.js";

const world = World.open(node, { network, locals });
after(() => world.close());

test("what a rule says of a DSCP is not said of packets without it", () => {
	const t = {
		src: addrOf(f.USER),
		dst: addrOf(f.SERVER),
		sport: 40000,
		dport: 7,
		proto: 6,
		dscp: 0,
	};
	/* As an exit has learned it, of a path that has gone since. */
	world.maps.flows.set(
		{ scope: BLUE, t },
		{
			spi: 4000,
			generation: 0,
			policy: 0,
			born: 0,
			ifindex: 0,
			firstSeenNs: 0,
			lastSeenNs: 0,
			packets: 0,
			bytes: 0,
			tenant: BLUE,
			vlan: 0,
			mac: new Uint8Array(6),
			localMac: new Uint8Array(6),
		},
	);
	const expedited = ipv4({ src: f.USER, dst: f.SERVER, dscp: 46 });
	const verdictOf = (ip: typeof expedited) =>
		world.run("access", "ap", f.fromUser(ip, f.syn(7))).verdict;
	assert.equal(verdictOf(expedited), "drop");
	assert.equal(verdictOf(f.up4), "redirect");
	assert.equal(verdictOf(expedited), "drop");
});
