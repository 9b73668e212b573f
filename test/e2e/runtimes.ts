/** Conformance suite: what every runtime of functions must do (src/functions/runtime.ts). */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { portOfHostEnd } from "../../src/functions/names.js";
import {
	type Attachment,
	endsOf,
	type PortAttachments,
	type Runtime,
} from "../../src/functions/runtime.js";
import { links } from "../../src/kernel/ip.js";
import { deleteNetns, ensureNetns, listNetns } from "../../src/kernel/netns.js";
import { applyRuleset, listRuleset } from "../../src/kernel/nft.js";
import { RawSocket } from "../../src/kernel/rawsocket.js";
import type { InstanceState } from "../../src/plan/state.js";
import { eth, ipv4, ipv6, packet, udp } from "../../src/wire/build.js";

export type Spec = InstanceState["spec"];

/** A node's namespace of this run, with a directory; all of it goes in the end. */
export class World {
	readonly prefix = `cmt${randomBytes(3).toString("hex")}`;
	readonly node = `${this.prefix}-n`;
	readonly directory = mkdtempSync(join(tmpdir(), `${this.prefix}-`));

	async open(): Promise<this> {
		await ensureNetns(this.node);
		return this;
	}

	async close(): Promise<void> {
		for (const name of listNetns())
			if (name.startsWith(this.prefix)) await deleteNetns(name);
		rmSync(this.directory, { recursive: true, force: true });
	}
}

export function instance(
	attach: InstanceState["attach"],
	spec: Partial<Spec> = {},
	ports: readonly number[] = [1],
	name = "a",
): InstanceState {
	const runtime = spec.runtime ?? "process";
	return {
		function: "fw",
		instance: name,
		attach,
		runtime,
		spec: { attach, runtime, instances: [{ name, node: "n" }], ...spec },
		ports: ports.map((id) => ({ id })),
	};
}

export function pair(port: PortAttachments | undefined): {
	inside: Attachment;
	outside: Attachment;
} {
	assert.ok(port && "inside" in port);
	return port;
}

/** Counts packets of through() that arrive at an interface, from now on. */
async function countAt(
	world: World,
	name: string,
	dport: number,
): Promise<() => Promise<number>> {
	const rule = `udp sport 4000 udp dport ${dport} counter`;
	await applyRuleset(
		`add table netdev seen\ndelete table netdev seen\ntable netdev seen {\n\tchain c {\n\t\ttype filter hook ingress device "${name}" priority 0;\n\t\t${rule}\n\t}\n}\n`,
		world.node,
	);
	return async () => {
		const text = JSON.stringify(await listRuleset(world.node));
		return Number(/"counter":\{"packets":(\d+)/.exec(text)?.[1]);
	};
}

/** Packets of `count` sent to the function at `from` that came out at `to`. */
export async function through(
	world: World,
	from: Attachment,
	to: Attachment,
	family: 4 | 6,
	count = 20,
	dport = 5000,
): Promise<number> {
	const seenAt = await countAt(world, to.name, dport);
	const ip =
		family === 4
			? ipv4({ src: "10.9.0.1", dst: "10.8.0.1" })
			: ipv6({ src: "2001:db8:9::1", dst: "2001:db8:8::1" });
	const frame = packet(
		eth({ src: from.hostMac, dst: from.functionMac }),
		ip,
		udp({ sport: 4000, dport }),
		"through",
	);
	const socket = new RawSocket(from.name, world.node);
	try {
		for (let i = 0; i < count; i++) assert.ok(socket.send(frame));
	} finally {
		socket.close();
	}
	/* What is dropped cannot be waited for: the last looks are the proof. */
	let seen = 0;
	for (let look = 0; look < 10 && seen < count; look++) seen = await seenAt();
	return seen;
}

/** `make` gives a runtime over the world's namespace, and an instance it can run. */
export function conformance(
	name: string,
	make: (
		world: World,
	) => Promise<{ runtime: Runtime; good: InstanceState; bad: InstanceState }>,
): void {
	describe(`runtime ${name}`, () => {
		const world = new World();
		let runtime: Runtime;
		let good: InstanceState;
		let bad: InstanceState;
		before(async () => {
			await world.open();
			({ runtime, good, bad } = await make(world));
		});
		after(async () => {
			runtime?.close();
			await world.close();
		});

		it("brings up no port of its own whose guard refuses it", async () => {
			const guarded: string[] = [];
			const refuse = (ports: readonly PortAttachments[]) => {
				guarded.push(...ports.flatMap(endsOf).map((end) => end.name));
				throw new Error("not guarded");
			};
			await assert.rejects(runtime.ensure(good, refuse), /not guarded/);
			assert.ok(guarded.length > 0);
			for (const { ifname, flags } of await links(world.node))
				if (guarded.includes(ifname) && portOfHostEnd(ifname) !== undefined)
					assert.ok(!flags.includes("UP"), ifname);
		});

		it("attaches every port to interfaces that exist", async () => {
			const attached = await runtime.ensure(good);
			assert.deepEqual(
				attached.map((port) => port.id),
				good.ports.map((port) => port.id),
			);
			const present = new Map(
				(await links(world.node)).map((link) => [link.ifname, link]),
			);
			for (const port of attached)
				for (const end of "tap" in port
					? [port.tap]
					: [port.inside, port.outside]) {
					assert.equal(present.get(end.name)?.ifindex, end.ifindex);
					assert.equal(present.get(end.name)?.address, end.hostMac);
				}
		});

		it("changes nothing the second time", async () => {
			const first = await runtime.ensure(good);
			assert.deepEqual(await runtime.ensure(good), first);
		});

		it("knows the health of what it runs, and only of that", async () => {
			await runtime.ensure(good);
			assert.notEqual(runtime.health(good)?.state, "down");
			assert.equal(
				runtime.health({ function: "fw", instance: "unknown" }),
				undefined,
			);
		});

		it("rejects beforehand what cannot work, and changes nothing", async () => {
			const names = async () => [
				...listNetns().filter((one) => one.startsWith(world.prefix)),
				...(await links(world.node)).map((link) => link.ifname),
			];
			const before = await names();
			await runtime.check(good);
			await assert.rejects(
				runtime.check(bad),
				/\(.+\)$/,
				"the message says what mends it",
			);
			assert.deepEqual(await names(), before);
		});

		it("removes what it made, also twice", async () => {
			await runtime.ensure(good);
			await runtime.remove(good);
			assert.equal(runtime.health(good), undefined);
			await runtime.remove(good);
		});
	});
}
