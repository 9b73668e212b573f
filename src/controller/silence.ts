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
	/** Its session lasts, but nothing is heard of its agent either: to be ended. */
	readonly hangs: (node: string) => void;
	readonly nowMs?: () => number;
}

/** Agents say every second how they are; a machine that lost its power says nothing. */
const STALE_MS = 1500;

export interface Silence {
	/** What a node says of itself and of others; undefined: its agent is gone. */
	status(node: string, status: NodeStatus | undefined): void;
	isDead(node: string): boolean;
}

interface Said {
	readonly status: NodeStatus;
	readonly atMs: number;
}

export function createSilence({
	nameOf,
	changed,
	hangs,
	nowMs = () => performance.now(),
}: SilenceOptions): Silence {
	const said = new Map<string, Said>();
	let dead: ReadonlySet<string> = new Set();

	const isWell = (node: string) => said.get(node)?.status.ef?.state === "up";

	/**
	 * That nobody misses it any more says nothing: once it is planned without,
	 * nobody listens for it. It has to say so itself, with its encryption function
	 * up, or none, as it needs none.
	 */
	function isBack(node: string): boolean {
		const last = said.get(node);
		return last !== undefined && (last.status.ef?.state ?? "up") === "up";
	}

	function isStale(node: string): boolean {
		const last = said.get(node);
		return last !== undefined && nowMs() - last.atMs >= STALE_MS;
	}

	function review(): void {
		const silent = [...said].flatMap(([teller, { status }]) =>
			(status.ef?.silent ?? [])
				.flatMap((id) => nameOf(id) ?? [])
				.filter((node) => node !== teller),
		);
		const hanging = new Set(silent.filter(isStale));
		for (const node of hanging) {
			said.delete(node);
			hangs(node);
		}
		const before = dead;
		dead = new Set([
			...silent.filter((node) => !isWell(node)),
			...[...before].filter((node) => !isBack(node)),
		]);
		for (const node of dead) if (!before.has(node)) changed(node, true);
		for (const node of before) if (!dead.has(node)) changed(node, false);
	}

	return {
		status(node, status) {
			if (status) said.set(node, { status, atMs: nowMs() });
			else said.delete(node);
			review();
		},
		isDead: (node) => dead.has(node),
	};
}
