/**
 * A classifier miss: the whole tuple-space search, for a packet that matches no
 * rule (of a tenant whose default is drop, so that no flow entry shortcuts the
 * next run). With 10,000 rules, and with 10 for comparison.
 */
import { ANY_PACKET } from "../src/model/packet.js";
import type { MaskedKey, NodeState, RuleState } from "../src/plan/state.js";
import { World } from "../test/bpf/world.js";
import * as f from "../test/golden/frames.js";
import { BLUE, locals, network, node, SPI } from "../test/golden/node.js";
import { median, round } from "./lib/figure.js";
import type { Measurement } from "./lib/report.js";

const RUNS = 11;
const REPEAT = 20_000;
const RULES = 10_000;
/** Prefix lengths and port use whose combinations are the distinct masks. */
const SRC = [16, 24, 28, 32];
const DST = [0, 16, 24, 32];
const PORTS = [0, 0xffff];
const PROTOS = [0, 0xff];

function mask(length: number): string {
	const bits = "1".repeat(96 + length).padEnd(128, "0");
	return (bits.match(/.{4}/g) ?? [])
		.map((four) => Number.parseInt(four, 2).toString(16))
		.join("");
}

/** 198.51.0.0/16 and up by number: none of them matches the benchmark's packet. */
function address(n: number, length: number): string {
	const host =
		((0xc6330000 + n * 7919) >>> 0) & (length === 0 ? 0 : -1 << (32 - length));
	return `${"0".repeat(20)}ffff${(host >>> 0).toString(16).padStart(8, "0")}`;
}

function key(n: number): MaskedKey {
	const src = SRC[n % 4] ?? 32;
	const dst = DST[(n >> 2) % 4] ?? 32;
	const dportMask = PORTS[(n >> 4) % 2] ?? 0;
	const protoMask = PROTOS[(n >> 5) % 2] ?? 0;
	return {
		...ANY_PACKET,
		family: 4,
		src: address(n, src),
		srcMask: mask(src),
		dst: dst === 0 ? `${"0".repeat(20)}ffff${"0".repeat(8)}` : address(n, dst),
		dstMask: mask(dst),
		proto: 6 & protoMask,
		protoMask,
		dport: n & dportMask,
		dportMask,
	};
}

function stateWith(rules: number): NodeState {
	const list = Array.from(
		{ length: rules },
		(_, n): RuleState => ({
			policy: `rule-${n}`,
			policyId: n + 1,
			rank: rules - n,
			keep: false,
			keys: [key(n)],
			action: { kind: "chain", slots: Array<number>(251).fill(SPI.local) },
		}),
	);
	return {
		...node,
		tenants: node.tenants.map((tenant) => ({
			...tenant,
			default: "drop" as const,
		})),
		ruleSets: [
			{ tenantId: BLUE, side: "access", generation: rules, rules: list },
		],
	};
}

export async function rules(): Promise<Measurement> {
	const world = World.open(node, { network, locals });
	try {
		const frame = f.fromUser(f.up4, f.syn(80));
		const cost = (count: number): number => {
			world.apply(stateWith(count));
			const check = world.run("access", "ap", frame);
			if (check.drops[0] !== "default")
				throw new Error(
					`rules: the packet met ${check.drops}, not the default`,
				);
			return median(
				Array.from(
					{ length: RUNS },
					() => world.measure("access", "ap", frame, REPEAT).durationNs,
				),
			);
		};
		const few = cost(10);
		const many = cost(RULES);
		const masks = SRC.length * DST.length * PORTS.length * PROTOS.length;
		return {
			figures: [
				{
					figure: `miss among 10,000 rules with ${masks} masks`,
					value: round(many / 1000),
					unit: "µs",
					reach: "<= 10",
					runs: RUNS,
				},
				{
					figure: "miss among 10 rules with 10 masks",
					value: round(few / 1000),
					unit: "µs",
					runs: RUNS,
				},
			],
		};
	} finally {
		world.close();
	}
}
