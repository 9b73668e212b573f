/**
 * A policy's parts: its exceptions from encryption, each a rule of its own in
 * front of the policy's, and the policy's own. Keys depend on the part a packet
 * belongs to, which is its flow class.
 */
import { type Encryption, encryptionOf, isSealing } from "./encryption.js";
import type { FlowClassDocument, Intent, PolicyDocument } from "./intent.js";
import { type Predicate, parsePredicate } from "./language/index.js";

export interface PolicyPart {
	readonly policy: string;
	/** The policy's name, or `policy/class` of an exception. */
	readonly flowClass: string;
	readonly encryption: Encryption;
	/** Only packets of this class; absent: all the others. */
	readonly only?: FlowClassDocument;
	/**
	 * Alike for all parts of a policy, and the same for as long as each packet is
	 * encrypted as before; empty where none ever is.
	 */
	readonly terms: string;
}

/** Exceptions first. One whose class is not declared is none: its packets are encrypted. */
export function partsOf(
	{ name, spec }: PolicyDocument,
	{ flowClasses }: Pick<Intent, "flowClasses">,
): PolicyPart[] {
	const encryption = encryptionOf(spec);
	const own = { policy: name, flowClass: name, encryption, terms: "" };
	if (!isSealing(encryption)) return [own];
	const { when, integrity, except } = encryption;
	const classes = except.flatMap((one) => flowClasses.get(one) ?? []);
	const matches = classes.map((one) => one.spec.match);
	const terms = [when, integrity, ...matches].join("\n");
	const plain = { when: "never", except: [], protect: false } as const;
	return [
		...classes.map((only) => ({
			policy: name,
			flowClass: `${name}/${only.name}`,
			encryption: { ...encryption, ...plain },
			only,
			terms,
		})),
		{ ...own, terms },
	];
}

/** What packets of the part fit. Throws where the class does not parse. */
export function narrowed(
	predicate: Predicate,
	{ only }: Pick<PolicyPart, "only">,
): Predicate {
	if (!only) return predicate;
	const parsed = parsePredicate(only.spec.match);
	if (!parsed.ok) {
		const causes = parsed.problems.map((problem) => problem.message);
		throw new Error(`flow class ${only.name}: ${causes.join("; ")}`);
	}
	return { kind: "and", terms: [predicate, parsed.predicate] };
}
