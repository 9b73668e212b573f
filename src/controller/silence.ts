/**
 * Which nodes are dead: others' encryption functions hear nothing of them, and
 * they themselves do not say that they are well. A way that is broken between two
 * nodes which are both well makes neither of them dead.
 */
import type { NodeStatus } from "../plan/protocol.js";

export interface SilenceOptions {
	/** Name of a node, by the number that others know it by. */
	readonly nameOf: (nodeId: number) => string | undefined;
	readonly changed: (node: string, isDead: boolean) => void;
}

export interface Silence {
	/** What a node says of itself and of others; undefined: its agent is gone. */
	status(node: string, status: NodeStatus | undefined): void;
}

export function createSilence({ nameOf, changed }: SilenceOptions): Silence {
	const said = new Map<string, NodeStatus>();
	let dead: ReadonlySet<string> = new Set();

	const isWell = (node: string) => said.get(node)?.ef?.state === "up";

	function review(): void {
		const silent = [...said].flatMap(([teller, { ef }]) =>
			(ef?.silent ?? [])
				.flatMap((id) => nameOf(id) ?? [])
				.filter((node) => node !== teller),
		);
		const before = dead;
		dead = new Set(silent.filter((node) => !isWell(node)));
		for (const node of dead) if (!before.has(node)) changed(node, true);
		for (const node of before) if (!dead.has(node)) changed(node, false);
	}

	return {
		status(node, status) {
			if (status) said.set(node, status);
			else said.delete(node);
			review();
		},
	};
}
