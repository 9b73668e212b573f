/**
 * An upgrade that takes every program off a node with sealed hops, on a host that
 * forwards by itself: nothing of what users send meanwhile is seen outside.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { LabAuc } from "../../lab/auc.js";
import { Fleet, prefixOf } from "../../lab/fleet.js";
import { buildLab, type Lab } from "../../lab/lab.js";
import {
	lineAddresses as at,
	line,
	underlayAddress,
} from "../../lab/topologies/line.js";
import { pinDirectory, removePins } from "../../src/agent/dataplane.js";
import { interfaceIndexes } from "../../src/agent/interfaces.js";
import { BpfMap, LAYOUT_VERSION, MAPS } from "../../src/kernel/bpf.js";
import { getSysctl } from "../../src/kernel/sysctl.js";
import { chain, NODES, pings } from "./sealed-line.js";
import { Recording } from "./sealed-wires.js";
import { until } from "./until.js";

/** Sends all the time, and says after each what it has sent. */
const USER = `
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
n = 0
while True:
    s.sendto(b"MARKER-%06d" % n + b"x" * 100, ("${at.server}", 5005))
    n += 1
    print(n, flush=True)
    time.sleep(0.002)
`;

/** Makes the maps look like those of another version. */
function age(lab: Lab, node: string): void {
	const pin = join(pinDirectory(prefixOf(lab), node), MAPS.config.name);
	const map = BpfMap.open(pin, MAPS.config);
	try {
		const now = map.get(0);
		assert.ok(now);
		map.set(0, { ...now, layout: LAYOUT_VERSION - 1 });
	} finally {
		map.close();
	}
}

test("an upgrade with another layout shows nothing of a sealed hop", async () => {
	const lab = await buildLab(line(NODES, { forwarding: true }));
	let fleet: Fleet | undefined;
	try {
		const auc = await LabAuc.start({
			lab,
			host: "in",
			address: underlayAddress(0),
		});
		fleet = await Fleet.open(lab, chain("between-nodes"), auc);
		await auc.ready();
		assert.equal(await pings(lab, 2), 2);
		const user = lab.host("user").start(["python3", "-u", "-c", USER]);
		const sent = () => Number(/(\d+)\n$/.exec(user.stdout)?.[1] ?? 0);
		const wire = await Recording.start(lab.host("in"), "right");
		await until("the user sends", () => sent() > 50);
		age(lab, "in");
		const before = sent();
		await fleet.restart("in", { replaceLayout: true });
		await until("it sends on", () => sent() > before + 50);
		await wire.stop();
		const seen = readFileSync(wire.file, "latin1").match(/MARKER-\d+/g) ?? [];
		assert.deepEqual(seen, []);
		assert.equal(await pings(lab, 2), 2, "it works again");

		/* As after a reboot: no programs, and the kernel forwards. */
		const netns = lab.netns("in");
		const told = fleet.nextEvent("interface");
		removePins(
			{ prefix: prefixOf(lab), node: "in", netns },
			await interfaceIndexes(netns),
		);
		await fleet.restart("in");
		await told;
		assert.equal(await pings(lab, 2), 2, "and again");

		await fleet.node("in").destroy();
		const forwards = ["acc", "right"].map((dev) =>
			getSysctl(`ipv4/conf/${dev}/forwarding`, netns),
		);
		assert.deepEqual(forwards, ["1", "1"], "as it was before");
	} finally {
		await fleet?.destroy().catch(() => {});
		await lab.destroy();
	}
});
