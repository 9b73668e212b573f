/** A node whose firewall a flow skips once it is known, packet by packet. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import {
	Offload,
	type Service,
	VerdictCounter,
} from "../../../src/kernel/layout.gen.js";
import type { NodeState } from "../../../src/plan/state.js";
import { ipv4, tcp } from "../../../src/wire/build.js";
import * as f from "../../golden/frames.js";
import { locals, network, node, PORT } from "../../golden/node.js";
import { access, port, type Step } from "../../golden/row.js";
import { World } from "../world.js";

const LEARNS: Service = {
	generation: 1,
	offload: Offload.VERDICT,
	flags: 0,
	learnAfter: 0,
	deadlineMs: 20,
	denyMs: 60_000,
	revalidateMs: 60_000,
	idleTcpMs: 60_000,
	idleUdpMs: 60_000,
};

/** TCP to port 80 takes the path whose only function is the firewall. */
export const segment = (flags: string) =>
	tcp({ sport: 40000, dport: 80, flags });
export const give = (flags: string) =>
	access(f.fromUser(f.up4, segment(flags)));
export const giveBack = (flags: string) =>
	port(
		"p1o",
		f.fromFunction(
			"p1o",
			ipv4({ src: f.USER, dst: f.SERVER, ttl: 63 }),
			segment(flags),
		),
	);
/** Past the firewall as if through it: it takes one hop, the node another. */
export const skipped = (flags: string) =>
	f.toServer(ipv4({ src: f.USER, dst: f.SERVER, ttl: 62 }), segment(flags));

export function open(
	service: Partial<Service> = {},
	{
		state = node,
		...options
	}: {
		readonly mapSizes?: Readonly<Record<string, number>>;
		readonly state?: NodeState;
	} = {},
) {
	const world = World.open(state, { network, locals, ...options });
	const set = (change: Partial<Service>) =>
		world.maps.services.set(PORT.firewall, {
			...LEARNS,
			...service,
			...change,
		});
	set({});
	return {
		world,
		set,
		run: (step: Step) => world.run(step.program, step.on, step.frame),
		counted: (what: keyof typeof VerdictCounter) =>
			world.maps.verdictCounters.get(
				PORT.firewall * VerdictCounter.KINDS + VerdictCounter[what],
			)?.count ?? 0,
	};
}
export type Opened = ReturnType<typeof open>;

export const isSkipped = ({ run }: Opened, flags: string): boolean => {
	const { verdict, data } = run(give(flags));
	assert.equal(verdict, "redirect");
	return data.equals(skipped(flags));
};
/** A connection that the firewall has let pass. */
export function establish(at: Opened): void {
	for (const flags of ["S", "A"]) {
		assert.equal(isSkipped(at, flags), false, `${flags} is the function's`);
		assert.equal(at.run(giveBack(flags)).verdict, "redirect");
	}
}

/** The programs' clock goes in ticks of some milliseconds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
	const deadline = Date.now() + 5000;
	while (!holds()) {
		assert.ok(Date.now() < deadline, what);
		await delay(5);
	}
}

/** As many as all paths of the node have. */
const HOPS = 256;

/** Packets that took a shortcut so far. */
export const shortcuts = ({ world }: Opened): number =>
	world.maps.shortcutCounters
		.range(0, HOPS)
		.reduce((sum, { packets }) => sum + packets, 0);
/** What the firewall's states say has passed without it. */
export const skippedBy = ({ world }: Opened): number =>
	[...world.maps.states.entries()].reduce(
		(sum, [, { skipped }]) => sum + skipped,
		0,
	);
