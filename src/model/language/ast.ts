/** What a rule says, once read: `match(predicate) >> action`. */
import type { Family } from "../address.js";

/** Fields a predicate may test, in the order that messages list them. */
export const FIELDS = [
	"src",
	"dst",
	"sport",
	"dport",
	"proto",
	"tenant",
	"dscp",
	"icmp-type",
] as const;

export type Field = (typeof FIELDS)[number];

/** Bounds are inclusive. A single value has equal bounds, a prefix its ends. */
export type Value =
	| {
			readonly kind: "addresses";
			readonly family: Family;
			readonly from: bigint;
			readonly to: bigint;
	  }
	| { readonly kind: "numbers"; readonly from: number; readonly to: number }
	/** A tenant, or an ICMP type whose number depends on the protocol. */
	| { readonly kind: "name"; readonly name: string };

/**
 * Meaning of a test, exact for evaluate() and compilePredicate() alike:
 * - `field=values` holds when the packet's fact is one of the values;
 *   `field!=values` is its complement, so `src!=10.0.0.0/8` holds for all IPv6.
 * - Ports in rules are 1 to 65535 and a packet without ports has port 0: a port
 *   test never holds for it, the negated one always does.
 * - `icmp-type=…` holds for ICMP and ICMPv6 packets only. A name stands for the
 *   type's number in each of the two protocols, a number for itself in both.
 */
export interface Test {
	readonly kind: "test";
	readonly field: Field;
	readonly op: "=" | "!=";
	readonly values: readonly Value[];
}

export type Predicate =
	| { readonly kind: "any" }
	| { readonly kind: "and" | "or"; readonly terms: readonly Predicate[] }
	| { readonly kind: "not"; readonly term: Predicate }
	| Test;

export type Action =
	| { readonly kind: "chain"; readonly functions: readonly string[] }
	| { readonly kind: "pass" }
	| { readonly kind: "drop" };

export interface Rule {
	readonly predicate: Predicate;
	readonly action: Action;
}
