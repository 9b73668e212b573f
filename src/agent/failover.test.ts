import assert from "node:assert/strict";
import { test } from "node:test";
import type { PortAttachments } from "../functions/runtime.js";
import type { FunctionDocument } from "../model/intent.js";
import { Failover } from "./failover.js";
import type { KnownInstance } from "./instances.js";
import type { Attachments } from "./tables/paths.js";

const end = { name: "", functionMac: "", hostMac: "", peer: true };
const attached = (id: number): PortAttachments => ({
	id,
	inside: { ...end, ifindex: 2 * id },
	outside: { ...end, ifindex: 2 * id + 1 },
});

interface Told {
	state?: "up" | "down" | "starting";
	standby?: boolean;
	tenantId?: number;
	spec?: Partial<FunctionDocument["spec"]>;
}

/** Instance `name` of `fw` with the one port `id`. */
function instance(name: string, id: number, told: Told = {}): KnownInstance {
	const { state = "up", standby = false, tenantId = 1, spec } = told;
	return {
		state: {
			function: "fw",
			instance: name,
			attach: "routed",
			runtime: "process",
			spec: {
				attach: "routed",
				runtime: "process",
				...spec,
				instances: [{ name, node: "n", standby }],
			},
			ports: [{ id, tenantId }],
		},
		ports: [attached(id)],
		status: {
			function: "fw",
			instance: name,
			state,
			reason: "probe",
			restarts: 0,
		},
	};
}

/** A node whose writes are told in order: `1 leads to 2`, `1 is marked 5`. */
function node(marked: Record<number, number> = {}) {
	let all: KnownInstance[] = [];
	let nowMs = 0;
	const log: string[] = [];
	const told: string[] = [];
	const flags = new Map(
		Object.entries(marked).map(([id, value]) => [Number(id), value]),
	);
	const failover = new Failover(
		{
			known: () => all,
			attachments: () =>
				new Map(all.flatMap(({ ports }) => ports.map((one) => [one.id, one]))),
		},
		{
			isDown: (port) => ((flags.get(port) ?? 0) & 1) === 1,
			mark(port, value) {
				if ((flags.get(port) ?? 0) === value) return;
				flags.set(port, value);
				log.push(`${port} is marked ${value}`);
			},
		},
		{
			through: (port) => new Set([port * 10]),
			repoint(ports, attachments: Attachments) {
				for (const id of ports)
					log.push(`${id} leads to ${attachments.get(id)?.id}`);
			},
		},
		{
			tell: ({ instance: name }, message) => told.push(`${name} ${message}`),
			moved(moves) {
				for (const { from, to, spis } of moves)
					told.push(`flows of ${[...spis]}: from ${from} to ${to.id}`);
			},
		},
		() => nowMs,
	);
	return {
		failover,
		told,
		/** What is done once these are so, `afterMs` later. */
		see(now: KnownInstance[], afterMs = 0): string[] {
			all = now;
			nowMs += afterMs;
			log.length = 0;
			failover.review();
			return [...log];
		},
	};
}

const [a, b] = [instance("a", 1), instance("b", 2)];
const aDown = instance("a", 1, { state: "down" });

test("a peer takes over at once, and gives way when the instance has been up for a while", () => {
	const { see, failover, told } = node();
	see([a, b]);
	assert.deepEqual(see([aDown, b]), ["1 leads to 2", "1 is marked 1"]);
	assert.match(failover.status()[0]?.reason ?? "", /b serves its flows/);
	assert.deepEqual(see([instance("a", 1, { state: "starting" }), b], 9000), []);
	assert.deepEqual(see([a, b]), []);
	assert.deepEqual(see([a, b], 1000), []);
	assert.equal(failover.status()[0]?.state, "starting");
	assert.deepEqual(see([aDown, b], 900), [], "it was up for too short a time");
	assert.deepEqual(see([a, b]), []);
	assert.deepEqual(see([a, b], 2000), ["1 is marked 0", "1 leads to 1"]);
	assert.equal(failover.status()[0]?.reason, "probe");
	assert.equal(failover.status()[0]?.state, "up");
	assert.deepEqual(told, [
		"flows of 10: from 1 to 2",
		"a is down, b serves its flows (probe)",
		"flows of 10: from 2 to 1",
		"a serves again",
	]);
});

test("without a peer onFailure is in force, until the instance is back", () => {
	for (const [onFailure, flags] of [
		["closed", 1],
		["open", 3],
		["reset", 5],
	] as const) {
		const { see } = node();
		const spec = { onFailure };
		see([instance("a", 1, { spec })]);
		assert.deepEqual(see([instance("a", 1, { state: "down", spec })]), [
			"1 leads to 1",
			`1 is marked ${flags}`,
		]);
		assert.deepEqual(see([instance("a", 1, { spec })]), [
			"1 leads to 1",
			"1 is marked 0",
		]);
	}
});

test("when the peer fails, too, its own setting holds before paths lead back", () => {
	const { see } = node();
	const spec = { onFailure: "open" } as const;
	const down = instance("a", 1, { state: "down", spec });
	see([down, instance("b", 2, { spec })]);
	assert.deepEqual(see([down, instance("b", 2, { state: "down", spec })]), [
		"1 is marked 3",
		"1 leads to 1",
		"2 leads to 2",
		"2 is marked 3",
	]);
});

test("peers: up before starting, a standby last, of the same tenant", () => {
	const leadsTo = (...others: KnownInstance[]) =>
		node()
			.see([aDown, ...others])[0]
			?.replace("1 leads to ", "");
	const standby = instance("b", 2, { standby: true });
	assert.equal(leadsTo(standby, instance("c", 3)), "3");
	assert.equal(leadsTo(standby), "2");
	assert.equal(leadsTo(instance("b", 2, { state: "starting" })), "2");
	assert.equal(
		leadsTo(instance("b", 2, { state: "starting" }), instance("c", 3)),
		"3",
	);
	assert.equal(leadsTo(instance("b", 2, { tenantId: 7 })), "1");
	assert.equal(
		leadsTo(instance("b", 2, { spec: { rewrites: true } })),
		"2",
		"a peer is judged by what the dead one is",
	);
});

test("one that rewrites has no peer", () => {
	const nat = { spec: { rewrites: true } };
	assert.deepEqual(
		node().see([
			instance("a", 1, { state: "down", ...nat }),
			instance("b", 2, nat),
		]),
		["1 leads to 1", "2 leads to 2", "1 is marked 1"],
	);
});

test("what an agent before found to be down stays so until it is shown to be up", () => {
	const { see, failover } = node({ 1: 1 });
	const starting = instance("a", 1, { state: "starting" });
	see([starting]);
	assert.equal(see([starting, b])[0], "1 leads to 2");
	assert.equal(failover.attachments().get(1)?.id, 2);
	see([a, b]);
	assert.deepEqual(see([a, b], 2000), ["1 is marked 0", "1 leads to 1"]);
});
