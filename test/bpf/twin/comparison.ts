/**
 * One round of the random comparison: packets there and back through kernel and
 * twin, packets that functions forge, packets at any place of a path, and
 * changes of the network in between.
 */
import assert from "node:assert/strict";
import { inspect, isDeepStrictEqual } from "node:util";
import type { Packet } from "../../../src/model/packet.js";
import { Random } from "../../../src/plan/random.js";
import type { NodeState } from "../../../src/plan/state.js";
import { looksAtDscp } from "../../../src/plan/twin/rules.js";
import { replyTo } from "../../../src/plan/twin/flows.js";
import {
	type Start,
	type TraceStep,
	Twin,
} from "../../../src/plan/twin/trace.js";
import { Network } from "../../../src/plan/walk.js";
import { formatMac } from "../../../src/wire/address.js";
import { decodePacket } from "../../../src/wire/decode.js";
import { describe } from "../../../src/wire/describe.js";
import { functionMac, mac } from "../world.js";
import { arrival } from "./arrivals.js";
import { Functions } from "./functions.js";
import {
	heldKey,
	INSIDE,
	type Journey,
	KernelNetwork,
	OUTSIDE,
	portName,
	userMac,
} from "./kernel.js";
import {
	changedNetwork,
	KINDS,
	NODES,
	nameOf,
	PORT_IDS,
	type RandomNetwork,
	randomNetwork,
	underlayOf,
} from "./network.js";
import {
	errorAbout,
	framesOf,
	randomPacket,
	randomShape,
	type Shape,
	tunnelled,
} from "./packets.js";
import { PARTIES, partyOf } from "./tenants.js";
import { choiceOf, dropped, wayOf } from "./ways.js";

/** Packets that enter the network in a round. */
const STARTS = 5200;
const CHANGES = 3;
const SERVER = mac(0x51);

interface Sent {
	readonly start: Start;
	readonly shape: Shape;
}

export class Comparison {
	readonly seen: Record<string, number> = {};
	#kernel: KernelNetwork;
	#twin: Twin;
	#functions = new Functions();
	#given = new Map<string, number>();
	#network: RandomNetwork;
	#round = 0;

	constructor(readonly seed: number) {
		this.#network = randomNetwork(new Random(seed));
		this.#kernel = new KernelNetwork(this.#network.states);
		this.#twin = new Twin(this.#network.states);
	}

	close(): void {
		this.#kernel.close();
	}

	round(number: number): void {
		const random = new Random(this.seed + number);
		this.#round = number;
		this.#network = randomNetwork(random);
		this.#kernel.forget();
		this.#kernel.apply(this.#network.states);
		this.#twin = new Twin(this.#network.states);
		this.#functions = new Functions();
		this.#given = new Map();
		const sent: Sent[] = [];
		for (let i = 0; i < STARTS; i++) {
			if (i > 0 && i % (STARTS / (CHANGES + 1)) === 0) this.#change(random);
			const again = sent.length > 0 && random.chance(25);
			const one = again
				? otherDscp(random, random.pick(sent))
				: this.#randomStart(random);
			sent.push(one);
			const reply = this.#thereAndBack(random, one);
			if (reply && random.chance(20)) sent.push({ ...one, start: reply });
			this.#forge(random);
			this.#fromElsewhere(random);
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
	#thereAndBack(random: Random, { start, shape }: Sent): Start | undefined {
		const { left, home, learned } = this.#compare(start, shape);
		if (!home) return undefined;
		const { packet } = start;
		const translated = left.src !== packet.src || left.dst !== packet.dst;
		const back = this.#compare(home, shape);
		if (back.home && start.interface !== "net" && !learned)
			this.#expectHome(start, back.journey);
		if (random.chance(10) && !translated && shape.fragmentId === undefined)
			this.#compareError(home, left, shape);
		return home;
	}

	/** Every frame of the packet goes the twin's way. */
	#compare(start: Start, shape: Shape) {
		let journey: Journey | undefined;
		let steps: TraceStep[] = [];
		const frames = framesOf(start.packet, shape, this.#macs(start), start.vlan);
		for (const [nth, frame] of frames.entries()) {
			steps = this.#sendTwin(start);
			journey = this.#expect(start, frame, shape, nth, steps);
			if (nth + 1 < frames.length) this.#sibling(start, shape);
		}
		assert.ok(journey);
		const exit = steps.at(-1)?.kind === "drop" ? undefined : steps.find(isExit);
		const { left } = journey;
		return {
			journey,
			left,
			home: exit && this.#twin.reply(steps, left),
			learned: steps.some((step) => step.kind === "flow" && step.learned),
		};
	}

	/** Fragments of another packet come in between: only their number differs. */
	#sibling(start: Start, shape: Shape): void {
		const { packet } = start;
		const other = { ...start, packet: { ...packet, sport: packet.sport ^ 1 } };
		const own = { ...shape, fragmentId: (shape.fragmentId ?? 0) ^ 1 };
		const macs = this.#macs(other);
		const [frame] = framesOf(other.packet, own, macs, other.vlan);
		assert.ok(frame);
		this.#expect(other, frame, own, 0, this.#sendTwin(other));
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
			choice: choice && this.#kernel.chosen(start, this.#dscpOf(start)),
			way: journey.way,
		};
		for (const word of journey.way) this.#count(kindOf(word));
		this.#count("packets");
		this.#agree(actual, expected, start, frame, steps);
		return journey;
	}

	/** An ICMP error takes the way of the packet it would be about. */
	#compareError(reply: Start, left: Packet, shape: Shape): void {
		const steps = this.#sendTwin(reply);
		const frame = errorAbout(left, this.#macs(reply), reply.vlan);
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
		/* What it was given, and answers to it, by either side, are its own. */
		const { held } = this.#kernel;
		if (
			held.has(heldKey(node, port, side, packet)) ||
			held.has(heldKey(node, port, INSIDE, replyTo(packet))) ||
			held.has(heldKey(node, port, OUTSIDE, replyTo(packet)))
		)
			return;
		const on = portName(port, side);
		const world = this.#kernel.world(node);
		const macs = { src: functionMac(on), dst: world.interface(on).mac };
		const [frame] = framesOf(packet, shape, macs);
		assert.ok(frame);
		const run = { program: "port", on, frame } as const;
		const { word } = this.#kernel.arrive(node, run, packet, true);
		this.#count("forged");
		const expected = dropped(node, tap ? "port_tap" : "port_unbound");
		this.#agree(word, expected, { ...start, node, interface: on }, frame);
	}

	/** Another node sends a packet at any place of any path. */
	#fromElsewhere(random: Random): void {
		const node = nameOf(random.pick(NODES));
		const { start } = this.#randomStart(random);
		const route = random.pick(this.#network.routes);
		const place = {
			spi: random.chance(95) ? route.spi + random.below(2) : 9_998,
			si: random.chance(80) ? 255 - random.below(6) : random.below(256),
			ttl: random.pick([0, 1, 2, 60, random.below(64)]),
		};
		const index = new Network([this.#state(node)]).nodes.get(node);
		const expected = index && arrival(index, place);
		if (!expected) return;
		for (const port of expected.taps) this.#give(node, port);
		const { nodeId } = this.#state(node);
		const frame = tunnelled(place, start.packet, {
			src: underlayOf((nodeId % NODES.length) + 1),
			dst: underlayOf(nodeId),
			mac: this.#kernel.world(node).interface("up").mac,
		});
		const run = { program: "underlay", on: "up", frame } as const;
		const { word, to } = this.#kernel.arrive(node, run, start.packet, true);
		if (to?.kind === "port") this.#give(node, to.port);
		this.#count("arrivals");
		const at = { ...start, node, interface: "up" };
		this.#agree(word, expected.word, at, frame);
	}

	#give(node: string, port: number): void {
		const key = `${node} ${port}`;
		this.#given.set(key, (this.#given.get(key) ?? 0) + 1);
	}

	#sendTwin(start: Start): TraceStep[] {
		const steps = this.#twin.send(start, (at, packet) =>
			this.#functions.handle(at.function, packet),
		);
		for (const step of steps)
			if (step.kind === "port" || step.kind === "tap") {
				this.#give(step.node, step.port);
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

	/** DSCP in the key of the packet's flow. */
	#dscpOf(start: Start): number {
		const tenant = this.#tenantAt(start);
		const looks = this.#state(start.node).ruleSets.some(
			(set) =>
				set.tenantId === tenant && set.side === "access" && looksAtDscp(set),
		);
		return looks ? start.packet.dscp : 0;
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
		return `CHAINMAIL_SEED=${this.seed} round ${this.#round}`;
	}

	#agree(
		kernel: unknown,
		twin: unknown,
		start: Start,
		frame: Buffer,
		steps: readonly TraceStep[] = [],
	): void {
		if (isDeepStrictEqual(kernel, twin)) return;
		const tenant = this.#tenantAt(start);
		const text = [
			`${this.#label()} (the kernel's answer is "actual", the twin's "expected")`,
			`at ${start.node} ${start.interface} of ${tenant ? partyOf(tenant).name : "no tenant"}`,
			describe(decodePacket(frame)),
			frame.toString("hex"),
			JSON.stringify(start.packet),
			...steps.map((step) => `  ${step.kind}: ${step.why}`),
		].join("\n");
		assert.deepEqual(kernel, twin, `${text}\n${inspect({ kernel, twin })}`);
	}
}

/** The same flow, now and then with another DSCP. */
function otherDscp(random: Random, sent: Sent): Sent {
	if (random.chance(70)) return sent;
	const packet = { ...sent.start.packet, dscp: random.pick([0, 10, 46]) };
	return { ...sent, start: { ...sent.start, packet } };
}

const isExit = (step: TraceStep) => step.kind === "exit";
const kindOf = (word: string) =>
	word.replace(/^n\d /, "").replace(/ (to|by|at) .*$| \d+.*$/, "");
