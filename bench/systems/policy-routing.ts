/**
 * The same functions chained by Linux policy routing: for each interface a rule
 * and a table that lead to the next function, in both directions.
 */
import { buildLab, type Lab } from "../../lab/lab.js";
import { line } from "../../lab/topologies/line.js";
import { hostEnd, linkAddresses, macOf } from "../../src/functions/names.js";
import { ensureRoutes, ensureRules, ipBatch } from "../../src/kernel/ip.js";
import {
	type FirewallSpec,
	type Functions,
	startFunctions,
} from "./functions.js";
import { System } from "./system.js";

const NODE = "node";
const FIRST_TABLE = 100;

type Side = "inside" | "outside";

export class PolicyRouting extends System {
	readonly #functions: Functions;

	private constructor(lab: Lab, functions: Functions) {
		super(lab);
		this.#functions = functions;
	}

	static async open(
		count: number,
		spec: FirewallSpec = {},
	): Promise<PolicyRouting> {
		const lab = await buildLab(line([NODE], { forwarding: true }));
		const functions = await startFunctions(lab, NODE, count, spec);
		await chain(count, lab.netns(NODE));
		return new PolicyRouting(lab, functions).ready();
	}

	override async close(): Promise<void> {
		this.#functions.close();
		await super.close();
	}
}

async function chain(functions: number, netns: string): Promise<void> {
	const ports = Array.from({ length: functions }, (_, i) => i + 1);
	await ipBatch(
		ports.flatMap((port) =>
			(["inside", "outside"] as const).flatMap((side) => {
				const { gateway, own, prefixLength } = linkAddresses(port, side, 4);
				const dev = hostEnd(port, side);
				return [
					`address add ${gateway}/${prefixLength} dev ${dev}`,
					`neighbour add ${own} lladdr ${macOf(port, side, "function")} dev ${dev} nud permanent`,
				].map((line) => line.split(" "));
			}),
		),
		netns,
	);
	/* Behind its last function a packet takes the main table. */
	const steps = [
		{ from: "acc", to: 1, side: "inside" as Side },
		{ from: "ext", to: functions, side: "outside" as Side },
		...ports.slice(1).flatMap((port) => [
			{ from: hostEnd(port - 1, "outside"), to: port, side: "inside" as Side },
			{ from: hostEnd(port, "inside"), to: port - 1, side: "outside" as Side },
		]),
	].map((step, i) => ({ ...step, table: FIRST_TABLE + i }));
	await ensureRoutes(
		steps.map(({ to, side, table }) => ({
			to: "default",
			family: 4,
			via: linkAddresses(to, side, 4).own,
			dev: hostEnd(to, side),
			table,
		})),
		netns,
	);
	await ensureRules(
		steps.map(({ from, table }) => ({
			family: 4,
			priority: table,
			table,
			iif: from,
		})),
		netns,
	);
}
