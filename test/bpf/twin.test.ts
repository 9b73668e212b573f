/**
 * The programs against their naive twin: random rules, paths and packets on a
 * network of three nodes. CHAINMAIL_SEED replays a run.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Packet } from "../../src/model/packet.js";
import { Random } from "../../src/plan/random.js";
import type { NodeState } from "../../src/plan/state.js";
import { replyTo } from "../../src/plan/twin/flows.js";
import { type Start, type TraceStep, Twin } from "../../src/plan/twin/trace.js";
import { formatMac } from "../../src/wire/address.js";
import { decodePacket } from "../../src/wire/decode.js";
import { describe } from "../../src/wire/describe.js";
import { Functions } from "./twin/functions.js";
import {
	heldKey,
	INSIDE,
	type Journey,
	KernelNetwork,
	OUTSIDE,
	portName,
	userMac,
} from "./twin/kernel.js";
import {
	changedNetwork,
	KINDS,
	NODES,
	nameOf,
	PORT_IDS,
	type RandomNetwork,
	randomNetwork,
} from "./twin/network.js";
import {
	errorAbout,
	framesOf,
	randomPacket,
	randomShape,
	type Shape,
} from "./twin/packets.js";
import { PARTIES, partyOf } from "./twin/tenants.js";
import { choiceOf, wayOf } from "./twin/ways.js";
import { functionMac, mac } from "./world.js";

const SEED = Number(process.env.CHAINMAIL_SEED ?? Date.now() % 1_000_000);
const ROUNDS = Number(process.env.CHAINMAIL_ROUNDS ?? 25);
const STARTS = 2600;
const SERVER = mac(0x51);

interface Sent {
	readonly start: Start;
	readonly shape: Shape;
}

class Comparison {
	readonly seen: Record<string, number> = {};
	#kernel: KernelNetwork;
	#twin: Twin;
	#functions = new Functions();
	#given = new Map<string, number>();
	#network: RandomNetwork;
	#round = 0;

	constructor(network: RandomNetwork) {
		this.#network = network;
		this.#kernel = new KernelNetwork(network.states);
		this.#twin = new Twin(network.states);
	}

	round(number: number): void {
		const random = new Random(SEED + number);
		this.#round = number;
		this.#network = randomNetwork(random);
		this.#kernel.forget();
		this.#kernel.apply(this.#network.states);
		this.#twin = new Twin(this.#network.states);
		this.#functions = new Functions();
		this.#given = new Map();
		const sent: Sent[] = [];
		for (let i = 0; i < STARTS; i++) {
			if (i > 0 && i % (STARTS / 4) === 0) this.#change(random);
			const again = sent.length > 0 && random.chance(25);
			const one = again ? random.pick(sent) : this.#randomStart(random);
			sent.push(one);
			this.#thereAndBack(random, one);
			if (random.chance(20)) this.#forge(random);
		}
		for (const node of NODES.map(nameOf))
			for (const port of PORT_IDS)
				assert.equal(
					this.#kernel.delivered(node, port),
					this.#given.get(`${node} ${port}`) ?? 0,
					`${this.#label()}: packets given to port ${port} of ${node}`,
				);
	}

	#change(random: Random): void {
		this.#network = changedNetwork(random, this.#network);
		this.#kernel.apply(this.#network.states);
		this.#twin.update(this.#network.states);
	}

	#randomStart(random: Random): Sent {
		const side = random.chance(25) ? "exit" : "access";
		const node = nameOf(random.pick(NODES));
		const net = this.#state(node).interfaces.find(
			({ role }) => role === "exit",
		);
		const owner = side === "exit" ? net?.tenantId : 0;
		const party = owner ? partyOf(owner) : random.pick(PARTIES);
		const set = this.#state(node).ruleSets.find(
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

	/** The packet, what answers it, and now and then an error about it. */
	#thereAndBack(random: Random, { start, shape }: Sent): void {
		const { left, home } = this.#compare(start, shape);
		if (!home) return;
		const { packet } = start;
		const translated = left.src !== packet.src || left.dst !== packet.dst;
		const reply = { ...home, packet: replyTo(left) };
		const back = this.#compare(reply, shape);
		if (back.home && start.interface !== "net") {
			this.#expectHome(start, back.journey);
		}
		if (random.chance(10) && !translated && shape.fragmentId === undefined)
			this.#compareError(reply, left, shape);
	}

	/** Every frame of the packet goes the twin's way. */
	#compare(start: Start, shape: Shape) {
		let journey: Journey | undefined;
		let steps: TraceStep[] = [];
		const frames = framesOf(start.packet, shape, this.#macs(start), start.vlan);
		for (const [nth, frame] of frames.entries()) {
			steps = this.#sendTwin(start);
			journey = this.#expect(start, frame, shape, nth, steps);
		}
		assert.ok(journey);
		const exit = steps.at(-1)?.kind === "drop" ? undefined : steps.find(isExit);
		const home = exit && { node: exit.node, interface: exit.interface };
		return { journey, left: journey.left, home };
	}

	#expect(
		start: Start,
		frame: Buffer,
		shape: Shape,
		nth: number,
		steps: readonly TraceStep[],
	): Journey {
		const journey = this.#kernel.send(
			start,
			frame,
			shape,
			nth,
			this.#functions,
		);
		const choice = choiceOf(steps);
		const expected = { choice, way: wayOf(steps) };
		const actual = {
			choice: choice && this.#kernel.chosen(start),
			way: journey.way,
		};
		for (const word of journey.way) this.#count(kindOf(word));
		this.#count("packets");
		assert.deepEqual(actual, expected, this.#explain(start, frame, steps));
		return journey;
	}

	/** An ICMP error takes the way of the packet it would be about. */
	#compareError(reply: Start, left: Packet, shape: Shape): void {
		const steps = this.#sendTwin(reply);
		const frame = errorAbout(left, this.#macs(reply));
		this.#expect(reply, frame, shape, 0, steps);
		this.#count("errors");
	}

	/** Replies go to the user's own MAC, whoever else has the address. */
	#expectHome(start: Start, { frame }: Journey): void {
		const tenant = this.#tenantAt(start);
		assert.equal(
			formatMac(frame.subarray(0, 6)),
			userMac(tenant),
			`${this.#label()}: the reply to ${JSON.stringify(start)}`,
		);
		this.#count("home");
	}

	/** A function sends what it was never given. */
	#forge(random: Random): void {
		const node = nameOf(random.pick(NODES));
		const port = random.pick([1, 2, 3, 4] as const);
		const tap = KINDS[port] === "tap";
		const side = tap ? INSIDE : random.pick([INSIDE, OUTSIDE]);
		const { start, shape } = this.#randomStart(random);
		const { packet } = start;
		if (
			this.#kernel.held.has(heldKey(node, port, side, packet)) ||
			this.#kernel.held.has(heldKey(node, port, 1 - side, replyTo(packet)))
		)
			return;
		const on = portName(port, side);
		const world = this.#kernel.world(node);
		const macs = { src: functionMac(on), dst: world.interface(on).mac };
		const [frame] = framesOf(packet, shape, macs);
		assert.ok(frame);
		const { verdict, drops } = world.run("port", on, frame);
		this.#count("forged");
		assert.deepEqual(
			{ verdict, drops },
			{ verdict: "drop", drops: [tap ? "port_tap" : "port_unbound"] },
			this.#explain({ ...start, node, interface: on }, frame, []),
		);
	}

	#sendTwin(start: Start): TraceStep[] {
		const steps = this.#twin.send(start, (at, packet) =>
			this.#functions.handle(at.function, packet),
		);
		for (const step of steps)
			if (step.kind === "port" || step.kind === "tap") {
				const key = `${step.node} ${step.port}`;
				this.#given.set(key, (this.#given.get(key) ?? 0) + 1);
				this.#count(step.kind);
			}
		return steps;
	}

	#macs(start: Start) {
		const tenant = this.#tenantAt(start);
		const { mac } = this.#kernel.world(start.node).interface(start.interface);
		return { src: tenant === 0 ? SERVER : userMac(tenant), dst: mac };
	}

	/** Tenant whose users are there; 0 at an exit. */
	#tenantAt(start: Start): number {
		const at = this.#state(start.node).interfaces.find(
			(one) => one.name === start.interface && one.vlan === (start.vlan ?? 0),
		);
		return at?.role === "access" ? at.tenantId : 0;
	}

	#state(node: string): NodeState {
		const state = this.#network.states.get(node);
		assert.ok(state);
		return state;
	}

	#count(what: string): void {
		this.seen[what] = (this.seen[what] ?? 0) + 1;
	}

	#label(): string {
		return `CHAINMAIL_SEED=${SEED} round ${this.#round}`;
	}

	#explain(start: Start, frame: Buffer, steps: readonly TraceStep[]): string {
		const tenant = this.#tenantAt(start);
		return [
			`${this.#label()} (kernel is "actual", twin is "expected")`,
			`at ${start.node} ${start.interface} vlan ${start.vlan ?? 0}: ${tenant ? partyOf(tenant).name : "no tenant"}`,
			describe(decodePacket(frame)),
			frame.toString("hex"),
			JSON.stringify(start.packet),
			...steps.map((step) => `  ${step.kind} ${step.why}`),
		].join("\n");
	}
}

const isExit = (step: TraceStep) => step.kind === "exit";
const kindOf = (word: string) =>
	word.replace(/^n\d /, "").replace(/ (to|by|at) .*$| \d+.*$/, "");

test("the programs agree with their twin on random rules, paths and packets", (t) => {
	t.diagnostic(`CHAINMAIL_SEED=${SEED}`);
	const comparison = new Comparison(randomNetwork(new Random(SEED)));
	for (let i = 0; i < ROUNDS; i++) comparison.round(i);
	t.diagnostic(JSON.stringify(comparison.seen));
});
