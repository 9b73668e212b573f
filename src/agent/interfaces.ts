/**
 * The node's own interfaces: users', exits and the underlay. Each has its entry,
 * then its program, and forwards only after that.
 */
import { links } from "../kernel/ip.js";
import { ifindexOf } from "../kernel/netns.js";
import type { InterfaceState, NodeState } from "../plan/state.js";
import type { DataPlane } from "./dataplane.js";
import { needsEf } from "./ef/ef.js";
import type { HostSettings } from "./host.js";
import { ifaceEntries } from "./tables/network.js";
import { add, prune } from "./tables/sync.js";

export class Interfaces {
	readonly #plane: DataPlane;
	readonly #settings: HostSettings;
	readonly #netns: string | undefined;
	readonly #exposed: (names: readonly string[]) => void;

	/**
	 * `netns`: the node's; that of this process where absent. `exposed` is told of
	 * interfaces from which the kernel forwarded until now what is to be sealed.
	 */
	constructor(
		plane: DataPlane,
		settings: HostSettings,
		netns: string | undefined,
		exposed: (names: readonly string[]) => void,
	) {
		this.#plane = plane;
		this.#settings = settings;
		this.#netns = netns;
		this.#exposed = exposed;
	}

	/** Whether an interface of the state came, went or was made anew since. */
	differ(state: NodeState): boolean {
		const wanted = this.#entries(state);
		const { ifaces } = this.#plane.maps;
		return (
			wanted.some(([key]) => ifaces.get(key) === undefined) ||
			wanted.length !== [...ifaces.entries()].length
		);
	}

	/** Attaches to those that exist. */
	add(state: NodeState): void {
		add(this.#plane.maps.ifaces, this.#entries(state));
		const present = this.#present(state);
		const late = present.filter(
			({ name, ifindex, role }) =>
				this.#plane.attach(ifindex, programFor(role)) === "new" &&
				this.#settings.forwards(name),
		);
		if (needsEf(state) && late.length > 0)
			this.#exposed(late.map(({ name }) => name));
		this.watch(state);
		this.#settings.open(
			present.map(({ name, role }) => ({
				name,
				unfiltered: role === "underlay",
			})),
		);
	}

	/** Attaches to those that exist, and knows no others. */
	bind(state: NodeState): void {
		this.add(state);
		prune(this.#plane.maps.ifaces, this.#entries(state));
	}

	/** Looks at all that leaves by the underlay, before any hop is sealed. */
	watch(state: Pick<NodeState, "interfaces" | "paths">): void {
		if (!needsEf(state)) return;
		for (const { ifindex, role } of this.#present(state))
			if (role === "underlay") this.#plane.attach(ifindex, "wire");
	}

	/** Once no hop is sealed any more there is nothing to look for. */
	unwatch(state: NodeState): void {
		if (needsEf(state)) return;
		const present = this.#present(state);
		this.#plane.detach(
			"egress",
			present.map(({ ifindex }) => ifindex),
		);
	}

	#present({ interfaces }: Pick<NodeState, "interfaces">) {
		return interfaces.flatMap(({ name, role }) => {
			const ifindex = this.#indexOf(name);
			return ifindex === undefined ? [] : [{ name, role, ifindex }];
		});
	}

	#entries(state: NodeState): ReturnType<typeof ifaceEntries> {
		return ifaceEntries(state, (name) => this.#indexOf(name));
	}

	#indexOf(name: string): number | undefined {
		return ifindexOf(name, this.#netns);
	}
}

function programFor(role: InterfaceState["role"]): "access" | "underlay" {
	return role === "underlay" ? "underlay" : "access";
}

/** Indexes of all interfaces of a node. */
export async function interfaceIndexes(
	netns: string | undefined,
): Promise<number[]> {
	return (await links(netns)).map((link) => link.ifindex);
}
