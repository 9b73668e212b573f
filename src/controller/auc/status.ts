/** How links are, without a key: what API, CLI and metrics show. */
import type { Auc } from "../../keys/auc.js";
import {
	isPending,
	type LinkState,
	type Phase,
} from "../../keys/link-state.js";
import type { Use } from "../../keys/messages.js";
import { type Link, sameLink } from "../../keys/sa.js";
import { espSpi, linkId } from "../../keys/spi.js";

export interface SaStatus {
	readonly generation: number;
	/** SPI in its ESP packets, or the key id of its MACs. */
	readonly espSpi: number;
	readonly phase: Phase;
	readonly revoked: boolean;
	readonly ageMs: number;
	/** As the sender last said; absent where it has not yet. */
	readonly bytes?: number;
	readonly packets?: number;
}

export interface LinkStatus {
	readonly link: Link;
	/** The sender encrypts with one of its SAs, as it is declared now. */
	readonly isReady: boolean;
	/** An end of it is revoked: it is not served. */
	readonly isRevoked: boolean;
	/** Oldest first. */
	readonly sas: readonly SaStatus[];
	/** Until the SA in use is replaced because of its age; absent: it is already. */
	readonly nextRekeyMs?: number;
}

/** Whether the link's sender uses an SA of the link as it is declared. */
export function isReady({ links, desired }: Auc["state"], link: Link): boolean {
	const id = linkId(link);
	const declared = desired.get(id);
	const newest = newestOf(links.get(id));
	return (
		declared !== undefined &&
		newest !== undefined &&
		sameLink(declared, link) &&
		sameLink(newest.link, link)
	);
}

/** All links that are declared, in order of their numbers. */
export function linkStatuses(auc: Auc, nowMs: number): LinkStatus[] {
	const { state } = auc;
	const uses = usesOf(auc);
	return [...state.desired]
		.sort(([a], [b]) => a - b)
		.map(([id, link]) => {
			const held = state.links.get(id);
			const newest = newestOf(held);
			const isWaiting = newest && held && !held.sas.some(isPending);
			return {
				link,
				isReady: isReady(state, link),
				isRevoked:
					state.revoked.has(link.sender) || state.revoked.has(link.receiver),
				sas: (held?.sas ?? []).map((sa) => {
					const { generation, phase, revoked } = sa;
					const spi = espSpi({ ...link, generation });
					const use = uses.get(link.sender)?.get(spi);
					return {
						generation,
						espSpi: spi,
						phase,
						revoked,
						ageMs: Math.max(0, nowMs - sa.issuedMs),
						...(use && { bytes: use.bytes, packets: use.packets }),
					};
				}),
				...(isWaiting && {
					nextRekeyMs: Math.max(
						0,
						newest.issuedMs + newest.soft.timeMs - nowMs,
					),
				}),
			};
		});
}

/** What each EF said of its SAs' use, by SPI. */
function usesOf({ present }: Auc): Map<string, Map<number, Use>> {
	const bySpi = (uses: readonly Use[]) =>
		new Map(uses.map((use) => [espSpi(use.sa), use]));
	return new Map([...present].map(([ef, uses]) => [ef, bySpi(uses)]));
}

function newestOf(state: LinkState | undefined) {
	return state?.sas.findLast(({ phase }) => phase === "current");
}
