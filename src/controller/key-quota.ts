/**
 * How many keys a tenant may have changed how often: one authentication centre
 * serves all tenants' links, each of which takes messages, a look and a write to
 * the disk for every key. What staff declares for a tenant counts, but staff is
 * not held up.
 */
import { encryptionOf } from "../model/encryption.js";
import type { Intent, IntentDocument } from "../model/intent.js";
import type { States } from "../plan/transition.js";
import { keyLinks } from "./auc/links.js";
import { Fault } from "./fault.js";
import type { Identity } from "./tokens.js";

export const TENANT_KEYS = {
	/** Sealed hops, one way each. */
	links: 2000,
	/** Over all its links, by the time they give their keys. */
	keysPerSecond: 50,
	/** The least that one key must serve for. */
	rekey: { seconds: 10, packets: 1_000_000, bytes: 1_000_000_000 },
} as const;

/** Before a document is put in: throws Fault quota_exceeded. */
export function checkRekey(
	{ tenant }: Identity,
	document: IntentDocument,
): void {
	if (tenant === undefined || document.kind !== "Policy") return;
	const { rekey = {} } = encryptionOf(document.spec);
	for (const what of ["seconds", "packets", "bytes"] as const) {
		const asked = rekey[what];
		const least = TENANT_KEYS.rekey[what];
		if (asked === undefined || asked >= least) continue;
		throw new Fault(
			"quota_exceeded",
			`apply: policy ${document.name} changes keys after ${asked} ${what}, a tenant's after ${least} at the earliest (say \`${what}: ${least}\` or more)`,
		);
	}
}

/** Before a plan is sent; `tenant`: who asked for it. Throws Fault quota_exceeded. */
export function checkLinks(
	tenant: string | undefined,
	states: States,
	{ policies }: Intent,
): void {
	if (tenant === undefined) return;
	const own = keyLinks(states).filter(({ flowClass }) => {
		const [policy = ""] = flowClass.split("/");
		return policies.get(policy)?.spec.tenant === tenant;
	});
	const would = `apply: tenant ${tenant} would have`;
	if (own.length > TENANT_KEYS.links) {
		throw new Fault(
			"quota_exceeded",
			`${would} ${own.length} links with keys, at most ${TENANT_KEYS.links} (encrypt fewer policies, or join their rules with \`|\`)`,
		);
	}
	const perSecond = own.reduce((sum, { hard }) => sum + 1000 / hard.timeMs, 0);
	if (perSecond > TENANT_KEYS.keysPerSecond) {
		throw new Fault(
			"quota_exceeded",
			`${would} ${Math.ceil(perSecond)} keys a second over ${own.length} links, at most ${TENANT_KEYS.keysPerSecond} (use keys longer: \`rekey: { seconds: … }\`)`,
		);
	}
}
