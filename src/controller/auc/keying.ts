/**
 * Has the authentication centre serve the links of what was sent to nodes, and
 * says before a switch which of them would carry traffic without keys.
 */
import { isDeepStrictEqual } from "node:util";
import type { Link } from "../../keys/sa.js";
import { linkId } from "../../keys/spi.js";
import type { States } from "../../plan/transition.js";
import { Fault } from "../fault.js";
import type { Progress } from "../progress.js";
import type { KeyAuthority } from "./authority.js";
import { keyLinks } from "./links.js";

export interface Keying {
	/**
	 * Declares the links of these states and no others. A centre that is out of
	 * reach is told as soon as it is back; throws what it refuses them for.
	 */
	declare(states: States): Promise<void>;
	/**
	 * Waits for keys of the links that traffic is about to take: between what ran
	 * before and what nodes switch to. Why they must not; undefined: they may.
	 * Throws Fault keys_unavailable.
	 */
	missing(
		running: States,
		next: States,
		timeoutMs: number,
	): Promise<Fault | undefined>;
}

const RETRY_MS = 1000;

export function createKeying(
	authority: KeyAuthority,
	progress: Pick<Progress, "closed">,
): Keying {
	const { closed } = progress;
	let wanted: readonly Link[] = [];
	let declared: readonly Link[] | undefined;
	let telling: Promise<void> | undefined;
	let retry: NodeJS.Timeout | undefined;
	closed.addEventListener("abort", () => clearTimeout(retry));

	/** One after the other: what was declared last is what holds. */
	function tell(): Promise<void> {
		telling ??= tellAll().finally(() => {
			telling = undefined;
		});
		return telling;
	}

	async function tellAll(): Promise<void> {
		clearTimeout(retry);
		while (!isDeepStrictEqual(wanted, declared)) {
			const links = wanted;
			try {
				await authority.declare(links);
				declared = links;
			} catch (error) {
				declared = undefined;
				const isAway =
					error instanceof Fault && error.code === "keys_unavailable";
				if (!isAway) throw error;
				if (!closed.aborted) retry = setTimeout(again, RETRY_MS);
				return;
			}
		}
	}

	function again(): void {
		/* What it is refused for was thrown when it was declared first. */
		tell().catch(() => {});
	}

	/* A centre that came back may have lost its state. */
	authority.onReturn(() => {
		declared = undefined;
		again();
	});

	return {
		async declare(states) {
			wanted = keyLinks(states);
			await tell();
		},

		async missing(running, next, timeoutMs) {
			const awaited = awaitedLinks(running, next);
			if (awaited.length === 0) return undefined;
			const left = await authority.ready(awaited, timeoutMs, closed);
			if (closed.aborted) {
				return new Fault("shutting_down", "change: controller stops");
			}
			const [first] = left;
			if (!first) return undefined;
			const more = left.length > 1 ? `, and ${left.length - 1} more` : "";
			return new Fault(
				"keys_missing",
				`apply: no keys in time for the sealed hop ${hopOf(first)}${more} (nothing has changed; see whether the encryption functions of its nodes run)`,
				left.map((link) => ({ message: `no keys: ${hopOf(link)}` })),
			);
		},
	};
}

/** Those that are new, and those of paths that get traffic only now. */
function awaitedLinks(running: States, next: States): Link[] {
	const links = keyLinks(next);
	if (links.length === 0) return [];
	const before = new Map(keyLinks(running).map((link) => [linkId(link), link]));
	const used = usedPaths(running);
	const wanted = usedPaths(next);
	return links.filter((link) => {
		const old = before.get(linkId(link));
		/* Only its keys are others: they change while traffic runs. */
		const isOld = old !== undefined && sameEnds(old, link);
		return !isOld || (wanted.has(link.eSpi) && !used.has(link.eSpi));
	});
}

function sameEnds(a: Link, b: Link): boolean {
	return (
		a.sender === b.sender &&
		a.receiver === b.receiver &&
		a.flowClass === b.flowClass
	);
}

/** SPIs that classifiers lead traffic to, and those of its answers. */
function usedPaths(states: States): Set<number> {
	const forward = new Set(
		[...states.values()]
			.flatMap(({ ruleSets }) => ruleSets.flatMap(({ rules }) => rules))
			.flatMap(({ action }) => (action.kind === "chain" ? action.slots : [])),
	);
	const used = new Set(forward);
	for (const { paths } of states.values()) {
		for (const { spi, reverseSpi } of paths) {
			if (forward.has(spi)) used.add(reverseSpi);
		}
	}
	return used;
}

function hopOf({ eSpi, eSi, flowClass, sender, receiver }: Link): string {
	return `from ${sender} to ${receiver} (path ${eSpi}, index ${eSi}, ${flowClass})`;
}
