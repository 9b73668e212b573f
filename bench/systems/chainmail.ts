/** Chainmail itself, one node or several, with firewalls on them. */
import { LabAuc } from "../../lab/auc.js";
import { efProcess } from "../../lab/ef-process.js";
import { Fleet } from "../../lab/fleet.js";
import { buildLab, type Lab } from "../../lab/lab.js";
import { line, underlayAddress } from "../../lab/topologies/line.js";
import type { Node } from "../../src/agent/node.js";
import type { Intent, NodeDocument } from "../../src/model/intent.js";
import { intentOf } from "../../src/plan/fixtures.js";
import { busySeconds } from "../lib/processor.js";
import { type FirewallSpec, firewalls } from "./functions.js";
import { System } from "./system.js";

export class Chainmail extends System {
	readonly #fleet: Fleet;

	private constructor(lab: Lab, fleet: Fleet) {
		super(lab);
		this.#fleet = fleet;
	}

	/** `at`: the node of each function of the chain, in order; none: no chain. */
	static async open(
		nodes: readonly string[],
		at: readonly string[],
		spec: FirewallSpec = {},
	): Promise<Chainmail> {
		const lab = await buildLab(line(nodes));
		const fleet = await Fleet.open(lab, intent(nodes, at, spec));
		return new Chainmail(lab, fleet).ready();
	}

	/** The same with every hop between nodes encrypted. */
	static async sealed(
		nodes: readonly string[],
		at: readonly string[],
		spec: FirewallSpec = {},
	): Promise<Chainmail> {
		const lab = await buildLab(line(nodes));
		try {
			const [host = ""] = nodes;
			const address = underlayAddress(0);
			const auc = await LabAuc.start({ lab, host, address });
			const wanted = intent(nodes, at, spec, "between-nodes");
			const fleet = await Fleet.open(lab, wanted, auc);
			await auc.ready();
			return await new Chainmail(lab, fleet).ready();
		} catch (error) {
			await lab.destroy();
			throw error;
		}
	}

	/** Processor time of a node's encryption function so far, in seconds. */
	efSeconds(name: string): number {
		return busySeconds(efProcess(this.#fleet.stateDir(name)).pid);
	}

	/** Packets that a node's encryption function has sealed, as of a second ago. */
	efPackets(name: string): number {
		return this.node(name).counters().ef?.out.packets ?? 0;
	}

	node(name: string): Node {
		return this.#fleet.node(name);
	}

	/** The next event of a kind that any node tells, from now on. */
	nextEvent(kind: string): Promise<void> {
		return this.#fleet.nextEvent(kind);
	}

	override async close(): Promise<void> {
		await this.#fleet.destroy();
		await super.close();
	}
}

function intent(
	nodes: readonly string[],
	at: readonly string[],
	spec: FirewallSpec,
	encrypt: "never" | "between-nodes" = "never",
): Intent {
	const functions = firewalls(at, spec);
	const chain = functions.map(({ name }) => name).join(" -> ") || "pass";
	return intentOf(
		{
			kind: "Tenant",
			name: "blue",
			spec: {
				subnets: ["10.0.1.0/24", "2001:db8:1::/64"],
				exit: nodes.at(-1) ?? "",
			},
		},
		...nodes.map(
			(name, i): NodeDocument => ({
				kind: "Node",
				name,
				spec: {
					underlay: underlayAddress(i),
					mtu: nodes.length > 1 ? 1600 : 1500,
					interfaces: [
						i === 0
							? { name: "acc", role: "access", tenant: "blue" }
							: { name: "left", role: "underlay" },
						i === nodes.length - 1
							? { name: "ext", role: "exit" }
							: { name: "right", role: "underlay" },
					],
				},
			}),
		),
		...functions,
		{
			kind: "Policy",
			name: "all",
			spec: {
				tenant: "blue",
				rule: `match(proto={tcp, udp, icmp}) >> ${chain}`,
				encrypt,
			},
		},
	);
}
