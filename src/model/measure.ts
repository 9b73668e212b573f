/**
 * What policies compile to: how many keys, and with how much effort. Measured
 * once for a document, so that a change costs only what is new in it.
 */
import {
	compilePredicate,
	type Effort,
	PredicateTooLargeError,
} from "./compile.js";
import type { FlowClassDocument, PolicyDocument } from "./intent.js";
import type { Predicate } from "./language/index.js";
import type { MaskedKey } from "./packet.js";
import { toTernary } from "./ternary.js";
import { realPacket } from "./witness.js";

export interface Measure {
	readonly keys: number;
	/** Distinct masks among the keys, as text. */
	readonly masks: ReadonlySet<string>;
	/** Steps it took to find out (boxes.ts). */
	readonly steps: number;
	/** Some real packet fits. */
	readonly matches: boolean;
	/** Set where it cannot be compiled: why. */
	readonly tooLarge?: string;
}

type Owner = PolicyDocument | FlowClassDocument;
/**
 * By policy, and within by the class of an exception. Documents never change: a
 * changed policy is another one.
 */
const known = new WeakMap<Owner, WeakMap<Owner, Map<string, Measure>>>();

/**
 * A predicate of the policy's as compiled for a tenant: its own, or that of its
 * exception `only`. What is not known yet is taken from `effort`; throws
 * EffortSpentError where that does not suffice.
 */
export function measure(
	policy: PolicyDocument,
	predicate: Predicate,
	tenant: string,
	effort: Effort,
	only?: FlowClassDocument,
): Measure {
	const ofPolicy = known.get(policy) ?? new WeakMap();
	known.set(policy, ofPolicy);
	const ofPart = ofPolicy.get(only ?? policy) ?? new Map<string, Measure>();
	ofPolicy.set(only ?? policy, ofPart);
	const made = ofPart.get(tenant) ?? compileAndMeasure();
	ofPart.set(tenant, made);
	return made;

	function compileAndMeasure(): Measure {
		const before = effort.spent;
		const steps = () => effort.spent - before;
		try {
			const keys = compilePredicate(predicate, tenant, effort);
			return {
				keys: keys.length,
				masks: new Set(keys.map(maskOf)),
				steps: steps(),
				matches: keys.some((key) => realPacket(toTernary(key), tenant)),
			};
		} catch (error) {
			if (!(error instanceof PredicateTooLargeError)) throw error;
			const tooLarge = error.message;
			const none = { keys: 0, masks: new Set<string>(), matches: false };
			return { ...none, steps: steps(), tooLarge };
		}
	}
}

/** What a rule set's table of masks holds (bpf/maps.h: struct rule_mask). */
export function maskOf(key: MaskedKey): string {
	return [
		key.family,
		key.srcMask,
		key.dstMask,
		key.protoMask,
		key.sportMask,
		key.dportMask,
		key.dscpMask,
		key.icmpTypeMask,
	].join();
}
