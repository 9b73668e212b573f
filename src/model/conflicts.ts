/**
 * Policies in each other's way: equal priority, different action and a packet
 * for both (conflict); or never reached, because earlier ones take all their
 * packets (shadowed). Each finding carries a packet that shows it.
 */
import { Budget } from "./budget.js";
import { sourceOf } from "./check.js";
import { type Entry, EntryCompiler, type Key } from "./conflict-entries.js";
import { findShadow } from "./cover.js";
import type { Intent, IntentDocument } from "./intent.js";
import { evaluate, protocolName } from "./language/index.js";
import type { Packet } from "./packet.js";
import type { Problem } from "./problem.js";
import type { Path, Source } from "./source.js";
import {
	common,
	conjunction,
	MaskTable,
	overlaps,
	type Ternary,
	TupleSpace,
} from "./ternary.js";
import { realPacket } from "./witness.js";

export interface Finding {
	readonly kind: "conflict" | "shadowed";
	readonly tenant: string;
	/** The policy that loses: the later of two in conflict, or the shadowed one. */
	readonly policy: string;
	/** The policies that win over it. */
	readonly by: readonly string[];
	/** A packet that fits `policy` and one of `by`. */
	readonly witness: Packet;
	readonly message: string;
	/** Where it is in the policy that loses; absent: its rule. */
	readonly at?: Path;
}

export interface Findings {
	readonly findings: readonly Finding[];
	/** False when bounds were reached: there may be more. */
	readonly complete: boolean;
}

/** Findings reported at most, and comparisons of keys made at most. */
const MAX_FINDINGS = 1000;
const MAX_WORK = 20_000_000;

export interface SearchOptions {
	/** Time after which the search ends where it is (default: no matter). */
	readonly forMs?: number;
	/** Only among this tenant's policies. */
	readonly tenant?: string;
}

/** Conflicts and shadowed policies, tenant by tenant. */
export function findConflicts(
	intent: Intent,
	{ forMs = Number.POSITIVE_INFINITY, tenant }: SearchOptions = {},
): Findings {
	const budget = new Budget(MAX_WORK, forMs);
	const compiler = new EntryCompiler(intent, tenant, budget);
	const findings: Finding[] = [];
	const seen = new Set<string>();
	for (const { name, spec } of intent.tenants.values()) {
		if (tenant !== undefined && name !== tenant) continue;
		const entries = compiler.entries(name);
		if (budget.exhausted) break;
		// Tenants under the same policies would repeat the same findings.
		const signature = compiler.signature(name);
		if (entries.length < 2 || seen.has(signature)) continue;
		seen.add(signature);
		const space = spaceOf(entries);
		const witness = (bits: Ternary) => realPacket(bits, name, spec.subnets);
		findings.push(
			...conflicts(spaceOf(rivals(entries)), name, witness, budget),
			...shadows(entries, space, name, witness, budget),
		);
		if (findings.length >= MAX_FINDINGS || budget.exhausted) break;
	}
	const complete = findings.length < MAX_FINDINGS && !budget.exhausted;
	return { findings: findings.slice(0, MAX_FINDINGS), complete };
}

function spaceOf(entries: readonly Entry[]): TupleSpace<Key> {
	const space = new TupleSpace<Key>();
	for (const { keys } of entries)
		for (const key of keys) space.table(key.bits.mask).add(key);
	return space;
}

/** Entries that share their priority with one of another action. */
function rivals(entries: readonly Entry[]): Entry[] {
	const actions = new Map<number, Set<string>>();
	for (const { priority, action } of entries)
		actions.set(priority, (actions.get(priority) ?? new Set()).add(action));
	return entries.filter((e) => (actions.get(e.priority)?.size ?? 0) > 1);
}

/** The findings as warnings with the place of the rule that loses. */
export function conflictProblems(
	intent: Intent,
	sources: ReadonlyMap<IntentDocument, Source> = new Map(),
	options: SearchOptions = {},
): { problems: Problem[]; complete: boolean } {
	const { findings, complete } = findConflicts(intent, options);
	const problems = findings.flatMap((finding): Problem[] => {
		const document = intent.policies.get(finding.policy);
		if (!document) return [];
		return [
			{
				...sourceOf(document, sources).value(finding.at ?? ["spec", "rule"]),
				message: finding.message,
				hint: `for example ${formatPacket(finding.witness)}`,
				severity: "warning",
			},
		];
	});
	return { problems, complete };
}

/** A packet in the words of `chainmail trace`. */
export function formatPacket(packet: Packet): string {
	const { tenant, src, dst, proto, sport, dport, dscp, icmpType } = packet;
	const ports = sport || dport ? ` sport ${sport} dport ${dport}` : "";
	const icmp = proto === 1 || proto === 58 ? ` icmp-type ${icmpType}` : "";
	const mark = dscp ? ` dscp ${dscp}` : "";
	return `tenant ${tenant} src ${src} dst ${dst} proto ${protocolName(proto)}${ports}${icmp}${mark}`;
}

/**
 * Two keys overlap exactly when they agree on the bits both look at. So each
 * pair of masks is joined on these bits, and within an agreeing group only
 * keys of equal priority and another action are visited: every visit finds.
 */
function conflicts(
	space: TupleSpace<Key>,
	tenant: string,
	witness: (bits: Ternary) => Packet | undefined,
	budget: Budget,
): Finding[] {
	const findings: Finding[] = [];
	const pairs = new Set<string>();
	const note = (a: Key, b: Key) => {
		/* A policy's exceptions are meant to stand before it. */
		if (a.entry.policy === b.entry.policy) return;
		const [first, second] = a.entry.rank < b.entry.rank ? [a, b] : [b, a];
		const id = `${first.entry.policy.name} ${second.entry.policy.name}`;
		if (pairs.has(id)) return;
		const packet = witness(conjunction(a.bits, b.bits));
		if (!packet || !isWitness(packet, first.entry, second.entry)) return;
		pairs.add(id);
		const [winner, loser] = [first.entry, second.entry];
		findings.push({
			kind: "conflict",
			tenant,
			policy: loser.policy.name,
			by: [winner.policy.name],
			witness: packet,
			message: `policies \`${loser.policy.name}\` and \`${winner.policy.name}\` have priority ${loser.priority} and overlap, with different actions${unlike(winner, loser)}; \`${winner.policy.name}\` wins by name`,
		});
	};
	const tables = space.tables();
	for (const [index, left] of tables.entries())
		for (const right of tables.slice(index)) {
			const mask = common(left.mask, right.mask);
			const joined = new MaskTable<Rivals>(mask);
			for (const key of left.items) {
				let [rivals] = joined.find(key.bits.value);
				if (!rivals) {
					rivals = new Rivals(key.bits);
					joined.add(rivals);
				}
				rivals.add(key);
			}
			if (!budget.spend(left.items.length + right.items.length))
				return findings;
			for (const key of right.items)
				for (const rivals of joined.find(key.bits.value))
					for (const other of rivals.of(key)) {
						if (!budget.spend(1)) return findings;
						note(key, other);
						if (findings.length >= MAX_FINDINGS) return findings;
					}
		}
	return findings;
}

/** Keys that agree on some bits, by priority and action. */
class Rivals {
	private readonly keys = new Map<number, Map<string, Key[]>>();

	constructor(readonly bits: Ternary) {}

	add(key: Key): void {
		const { priority, action } = key.entry;
		const actions = this.keys.get(priority) ?? new Map<string, Key[]>();
		this.keys.set(priority, actions);
		const list = actions.get(action);
		if (list) list.push(key);
		else actions.set(action, [key]);
	}

	*of({ entry }: Key): Generator<Key> {
		for (const [action, keys] of this.keys.get(entry.priority) ?? [])
			if (action !== entry.action) yield* keys;
	}
}

function shadows(
	entries: readonly Entry[],
	space: TupleSpace<Key>,
	tenant: string,
	witness: (bits: Ternary) => Packet | undefined,
	budget: Budget,
): Finding[] {
	const findings: Finding[] = [];
	for (const entry of entries) {
		if (budget.exhausted || findings.length >= MAX_FINDINGS) break;
		// Keys that no real packet fits need no cover.
		const keys = entry.keys.filter(({ bits }) => witness(bits));
		const by = findShadow(keys, entry.rank, space, budget);
		if (!by || by.length === 0) continue;
		const packet = showing(keys, by, entry, witness);
		if (!packet) continue;
		const first = by.map((key) => key.entry).sort((a, b) => a.rank - b.rank);
		const names = [...new Set(first.map((e) => e.policy.name))];
		const all = [...new Set(first.map(nameOf))];
		const shown = all.slice(0, 5);
		const more = all.length > 5 ? ` and ${all.length - 5} more` : "";
		const { only } = entry;
		const what = only === undefined ? "" : `exception \`${only}\` of `;
		findings.push({
			kind: "shadowed",
			tenant,
			policy: entry.policy.name,
			by: names,
			witness: packet,
			message: `${what}policy \`${entry.policy.name}\` is never reached: ${shown.join(", ")}${more} ${all.length > 1 ? "take" : "takes"} all its packets`,
			...(only === undefined ? {} : { at: ["spec", "encrypt", "except"] }),
		});
	}
	return findings;
}

/** As it reads where it takes another's packets. */
function nameOf({ policy, only }: Entry): string {
	return only === undefined
		? `\`${policy.name}\``
		: `\`${policy.name}/${only}\``;
}

/** Said where the difference does not show in the rules. */
function unlike(a: Entry, b: Entry): string {
	const chain = ({ policy }: Entry) => policy.spec.rule.split(">>")[1]?.trim();
	return chain(a) === chain(b) ? " (encryption)" : "";
}

function showing(
	keys: readonly Key[],
	by: readonly Key[],
	entry: Entry,
	witness: (bits: Ternary) => Packet | undefined,
): Packet | undefined {
	for (const key of keys)
		for (const other of by) {
			if (!overlaps(key.bits, other.bits)) continue;
			const packet = witness(conjunction(key.bits, other.bits));
			if (packet && isWitness(packet, entry, other.entry)) return packet;
		}
	return undefined;
}

const isWitness = (packet: Packet, a: Entry, b: Entry): boolean =>
	evaluate(a.predicate, packet) && evaluate(b.predicate, packet);
