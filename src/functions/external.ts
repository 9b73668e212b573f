/**
 * Runtime `external`: a function that somebody else runs behind interfaces of
 * the node. They are looked up, never changed.
 */
import { type Link, links } from "../kernel/ip.js";
import type { InstanceState } from "../plan/state.js";
import { type InstanceName, instanceKey } from "./names.js";
import type {
	Attachment,
	BeforeUp,
	Health,
	PortAttachments,
	Runtime,
} from "./runtime.js";

const NO_MAC = "00:00:00:00:00:00";

export class ExternalRuntime implements Runtime {
	readonly #known = new Set<string>();

	/** `netns`: the node's namespace; that of this process where absent. */
	constructor(readonly netns?: string) {}

	async check(instance: InstanceState): Promise<void> {
		this.#attach(instance, await links(this.netns));
	}

	async ensure(
		instance: InstanceState,
		beforeUp?: BeforeUp,
	): Promise<readonly PortAttachments[]> {
		const attached = this.#attach(instance, await links(this.netns));
		beforeUp?.(attached);
		this.#known.add(instanceKey(instance));
		return attached;
	}

	async remove(name: InstanceName): Promise<void> {
		this.#known.delete(instanceKey(name));
	}

	health(name: InstanceName): Health | undefined {
		if (!this.#known.has(instanceKey(name))) return undefined;
		return { state: "up", reason: "interface", restarts: 0 };
	}

	close(): void {
		this.#known.clear();
	}

	#attach(
		instance: InstanceState,
		present: readonly Link[],
	): readonly PortAttachments[] {
		const name = instanceKey(instance);
		const declared = instance.spec.instances.find(
			(one) => one.name === instance.instance,
		);
		const [port, ...more] = instance.ports;
		if (!port) return [];
		if (more.length > 0)
			throw new Error(
				`external ${name}: ${more.length + 1} ports (an external function has one: do not share one that rewrites)`,
			);
		const find = (side: "inside" | "outside"): Link => {
			const wanted = declared?.[side];
			const found = present.find((link) => link.ifname === wanted);
			if (found) return found;
			throw new Error(
				`external ${name}: ${wanted === undefined ? `no ${side} interface is declared` : `interface ${wanted} does not exist`} (declare one that exists on the node)`,
			);
		};
		const inside = find("inside");
		if (instance.attach === "tap")
			return [{ id: port.id, tap: end(inside, macOf(inside)) }];
		const outside = find("outside");
		if (instance.attach === "bridged")
			/* What is addressed to the host behind it passes a bridge. */
			return [
				{
					id: port.id,
					inside: end(inside, macOf(outside)),
					outside: end(outside, macOf(inside)),
				},
			];
		const { insideMac, outsideMac } = declared ?? {};
		if (insideMac === undefined || outsideMac === undefined)
			throw new Error(
				`external ${name}: insideMac and outsideMac are not declared (a routed function is addressed by its own MACs)`,
			);
		return [
			{
				id: port.id,
				inside: end(inside, insideMac),
				outside: end(outside, outsideMac),
			},
		];
	}
}

function end(link: Link, functionMac: string): Attachment {
	return {
		name: link.ifname,
		ifindex: link.ifindex,
		functionMac,
		hostMac: macOf(link),
		peer: false,
	};
}

function macOf(link: Link): string {
	return link.address ?? NO_MAC;
}
