/** Packets of a path that has failed take its backup, whichever flow they are of. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { PathFlags } from "../../src/kernel/layout.gen.js";
import * as f from "../golden/frames.js";
import { GREEN, locals, network, node, SPI } from "../golden/node.js";
import { World } from "./world.js";

const backups: Readonly<Record<number, number>> = {
	[SPI.local]: SPI.bridged,
	[SPI.bridged]: SPI.green,
};
const world = World.open(
	{
		...node,
		paths: node.paths.map((path) => {
			const backup = backups[path.spi];
			return { ...path, ...(backup !== undefined && { backup }) };
		}),
	},
	{ network, locals },
);
after(() => world.close());

function fail(spi: number, isFailed: boolean): void {
	const path = world.maps.paths.get(spi);
	assert.ok(path);
	const flags = path.flags & ~PathFlags.FAILED;
	world.maps.paths.set(spi, {
		...path,
		flags: isFailed ? flags | PathFlags.FAILED : flags,
	});
}

const send = () => world.run("access", "ap", f.fromUser(f.up4, f.syn(80)));
const leadsTo = (port: f.Interface) => {
	const { verdict, data } = send();
	assert.equal(verdict, "redirect");
	const expected = f.toFunction(port, f.up4, f.syn(80));
	assert.equal(data.toString("hex"), expected.toString("hex"));
};

test("a known flow takes the backup at once, and comes back", () => {
	leadsTo("p1i");
	fail(SPI.local, true);
	assert.equal(send().verdict, "redirect");
	const { data } = send();
	/* The bridge gets packets as its other end would see them. */
	assert.notEqual(
		data.toString("hex"),
		f.toFunction("p1i", f.up4, f.syn(80)).toString("hex"),
	);
	assert.equal(world.maps.hopCounters.get(firstHop(SPI.bridged))?.packets, 2);
	fail(SPI.local, false);
	leadsTo("p1i");
});

test("a backup of another tenant is none", () => {
	assert.equal(world.maps.paths.get(SPI.green)?.tenant, GREEN);
	fail(SPI.local, true);
	fail(SPI.bridged, true);
	/* One step only: the backup's own backup is not taken. */
	assert.equal(send().verdict, "redirect");
	const path = world.maps.paths.get(SPI.local);
	assert.ok(path);
	world.maps.paths.set(SPI.local, { ...path, backup: SPI.green });
	assert.deepEqual(send().drops, ["no_path"]);
});

function firstHop(spi: number): number {
	return world.maps.paths.get(spi)?.firstHop ?? -1;
}
