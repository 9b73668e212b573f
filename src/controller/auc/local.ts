/** The authentication centre of a controller's own process. */
import type { Target } from "../../keys/auc-state.js";
import type { Link } from "../../keys/sa.js";
import { espSpi } from "../../keys/spi.js";
import { Fault } from "../fault.js";
import type { AucStatus, KeyAuthority } from "./authority.js";
import { type AucService, timeMs } from "./service.js";
import { isReady, linkStatuses } from "./status.js";

/** @param host where EFs reach it, if not where they reach the controller */
export function localAuthority(
	service: AucService,
	host?: string,
): KeyAuthority {
	const { auc } = service;
	return {
		address: { ...(host !== undefined && { host }), port: service.port },
		declare: (links) => service.handle({ type: "declare", links }),
		ready: (links, timeoutMs, signal) =>
			ready(service, links, timeoutMs, signal),
		async revoke(target, by) {
			if (!("node" in target)) mustExist(service, target);
			await service.handle({ type: "revoke", target, by });
		},
		async admit(node, by) {
			if (!auc.state.revoked.has(node)) {
				throw new Fault(
					"not_found",
					`admit ${node}: its keys are not revoked (see \`chainmail keys list\`)`,
				);
			}
			await service.handle({ type: "admit", node, by });
			service.recheck();
		},
		async rekey(target) {
			mustExist(service, target);
			await service.handle({ type: "rekey", target });
		},
		configure: (ef, key) => service.handle({ type: "configure", ef, key }),
		status: async () => statusOf(service),
		follow: (listener) =>
			service.trail.follow(({ record }) => listener(record)),
		/* It comes and goes with the controller. */
		onReturn: () => {},
		close: () => service.close(),
	};
}

function statusOf(service: AucService): AucStatus {
	const { auc, present } = service;
	const links = linkStatuses(auc, timeMs());
	return { links, present, revoked: [...auc.state.revoked] };
}

/** Throws Fault not_found where no link is meant. */
function mustExist({ auc }: AucService, target: Target): void {
	const { links, desired } = auc.state;
	const isMeant = (link: Link) =>
		"node" in target
			? link.sender === target.node || link.receiver === target.node
			: "eSpi" in target && link.eSpi === target.eSpi;
	const isThere =
		"spi" in target
			? [...links.values()].some(({ sas }) =>
					sas.some(
						({ link, generation }) =>
							espSpi({ ...link, generation }) === target.spi,
					),
				)
			: [...desired.values()].some(isMeant);
	if (isThere) return;
	const what =
		"node" in target
			? `node ${target.node} is an end of no link`
			: "eSpi" in target
				? `path ${target.eSpi} has no link`
				: `there is no SA ${target.spi}`;
	throw new Fault("not_found", `keys: ${what} (see \`chainmail keys list\`)`);
}

function ready(
	service: AucService,
	links: readonly Link[],
	timeoutMs: number,
	signal?: AbortSignal,
): Promise<readonly Link[]> {
	const { state } = service.auc;
	/* One after the other: of thousands each is looked at a few times only. */
	const left = [...links];
	const look = () => {
		for (let link = left.at(-1); link; link = left.at(-1)) {
			if (!isReady(state, link)) return false;
			left.pop();
		}
		return true;
	};
	return new Promise((resolve) => {
		const finish = () => {
			clearTimeout(timer);
			stop();
			signal?.removeEventListener("abort", finish);
			resolve(left.filter((link) => !isReady(state, link)));
		};
		const timer = setTimeout(finish, timeoutMs);
		const stop = service.watch(() => {
			if (look()) finish();
		});
		signal?.addEventListener("abort", finish);
		if (look() || signal?.aborted) finish();
	});
}
