/**
 * What all parts of a round share: the network of now, in the kernel and in the
 * twin, what was counted, and how a difference is told.
 */
import assert from "node:assert/strict";
import { inspect, isDeepStrictEqual } from "node:util";
import type { Random } from "../../../src/plan/random.js";
import type { NodeState } from "../../../src/plan/state.js";
import { looksAtDscp } from "../../../src/plan/twin/rules.js";
import {
	type Start,
	type TraceStep,
	Twin,
} from "../../../src/plan/twin/trace.js";
import { decodePacket } from "../../../src/wire/decode.js";
import { describe } from "../../../src/wire/describe.js";
import { mac } from "../world.js";
import { Functions } from "./functions.js";
import { KernelNetwork, userMac } from "./kernel.js";
import {
	changedNetwork,
	NODES,
	nameOf,
	PORT_IDS,
	type RandomNetwork,
	type Route,
	randomNetwork,
} from "./network.js";
import { randomPacket, randomShape, type Shape } from "./packets.js";
import { routesOf } from "./routes.js";
import { PARTIES, partyOf } from "./tenants.js";

const SERVER = mac(0x51);

export interface Sent {
	readonly start: Start;
	readonly shape: Shape;
}

export class Field {
	readonly seen: Record<string, number> = {};
	readonly kernel: KernelNetwork;
	functions = new Functions();
	network: RandomNetwork;
	label = "";
	#twin: Twin;
	#given = new Map<string, number>();
	/** Routes before each change, and now. */
	#epochs: (readonly Route[])[] = [];

	constructor(random: Random) {
		this.network = randomNetwork(random);
		this.kernel = new KernelNetwork(this.network.states);
		this.#twin = new Twin(this.network.states, routesOf);
	}

	/** Another network, that has seen no packet. */
	renew(random: Random, label: string): void {
		this.label = label;
		this.network = randomNetwork(random);
		this.kernel.forget();
		this.kernel.apply(this.network.states);
		this.#twin = new Twin(this.network.states, routesOf);
		this.functions = new Functions();
		this.#given = new Map();
		this.#epochs = [this.network.routes];
	}

	change(random: Random): void {
		this.network = changedNetwork(random, this.network);
		this.kernel.apply(this.network.states);
		this.#twin.update(this.network.states);
		this.#epochs.push(this.network.routes);
	}

	/** Number of changes until now. */
	get epoch(): number {
		return this.#epochs.length - 1;
	}

	/** The path that had an SPI then has it still. */
	isStill(spi: number, epoch: number): boolean {
		const [then, now] = [this.#epochs[epoch], this.network.routes].map(
			(routes) => routes?.find((one) => one.spi === spi || one.spi + 1 === spi),
		);
		return then !== undefined && then === now;
	}

	reply(...[steps, packet]: Parameters<Twin["reply"]>): Start | undefined {
		return this.#twin.reply(steps, packet);
	}

	/** The twin's word; counts what ports get on the way. */
	sendTwin(start: Start): TraceStep[] {
		const steps = this.#twin.send(start, (at, packet) =>
			this.functions.handle(at.function, packet),
		);
		for (const step of steps) {
			if (step.kind === "port" || step.kind === "tap")
				this.give(step.node, step.port);
			this.count(step.kind);
		}
		return steps;
	}

	give(node: string, port: number): void {
		const key = `${node} ${port}`;
		this.#given.set(key, (this.#given.get(key) ?? 0) + 1);
	}

	checkGiven(): void {
		for (const node of NODES.map(nameOf))
			for (const port of PORT_IDS)
				assert.equal(
					this.kernel.delivered(node, port),
					this.#given.get(`${node} ${port}`) ?? 0,
					`${this.label}: packets given to port ${port} of ${node}`,
				);
	}

	randomStart(random: Random): Sent {
		const side = random.chance(25) ? "exit" : "access";
		const node = nameOf(random.pick(NODES));
		const net = this.state(node).interfaces.find(({ role }) => role === "exit");
		const owner = side === "exit" ? net?.tenantId : 0;
		const party = owner ? partyOf(owner) : random.pick(PARTIES);
		const set = this.state(node).ruleSets.find(
			(one) => one.tenantId === party.id && one.side === side,
		);
		const packet = randomPacket(random, party, set, side);
		const { name, vlan } =
			side === "access" ? party.access : { name: "net", vlan: 0 };
		return {
			start: { node, interface: name, vlan, packet },
			shape: randomShape(random, packet),
		};
	}

	macs(start: Start) {
		const tenant = this.tenantAt(start);
		const { mac } = this.kernel.world(start.node).interface(start.interface);
		return { src: tenant === 0 ? SERVER : userMac(tenant), dst: mac };
	}

	/** Tenant whose users are there; 0 elsewhere. */
	tenantAt(start: Start): number {
		const at = this.state(start.node).interfaces.find(
			(one) => one.name === start.interface && one.vlan === (start.vlan ?? 0),
		);
		return at?.role === "access" ? at.tenantId : 0;
	}

	/** DSCP in the key of the packet's flow. */
	dscpOf(start: Start): number {
		const tenant = this.tenantAt(start);
		const looks = this.state(start.node).ruleSets.some(
			(set) =>
				set.tenantId === tenant && set.side === "access" && looksAtDscp(set),
		);
		return looks ? start.packet.dscp : 0;
	}

	state(node: string): NodeState {
		const state = this.network.states.get(node);
		assert.ok(state);
		return state;
	}

	count(what: string): void {
		this.seen[what] = (this.seen[what] ?? 0) + 1;
	}

	agree(
		kernel: unknown,
		twin: unknown,
		start: Start,
		frame: Buffer,
		steps: readonly TraceStep[] = [],
	): void {
		if (isDeepStrictEqual(kernel, twin)) return;
		const tenant = this.tenantAt(start);
		const text = [
			`${this.label} (the kernel's answer is "actual", the twin's "expected")`,
			`at ${start.node} ${start.interface} of ${tenant ? partyOf(tenant).name : "no tenant"}`,
			describe(decodePacket(frame)),
			frame.toString("hex"),
			JSON.stringify(start.packet),
			...steps.map((step) => `  ${step.kind}: ${step.why}`),
		].join("\n");
		assert.deepEqual(kernel, twin, `${text}\n${inspect({ kernel, twin })}`);
	}
}
