/** docs/counters.md: what every counter means, and what to do where it rises. */
import type { RefusalName } from "../functions/ef/refusal.js";
import {
	DROP_REASON_DOCS,
	DROP_REASON_NAMES,
	type DropReason,
	VERDICT_COUNTER_DOCS,
	VERDICT_COUNTER_NAMES,
	type VerdictCounter,
} from "../kernel/layout.gen.js";
import { metricTable } from "./metrics.js";

type Reason = Lowercase<
	Exclude<keyof typeof DropReason, "NONE" | "REASON_COUNT">
>;

/** What an operator does about a drop; its meaning stands in bpf/maps.h. */
export const dropHints: Readonly<Record<Reason, string>> = {
	policy:
		"Nothing, if it is meant; `chainmail trace` names the policy that says so.",
	default:
		"Declare a policy that covers the traffic, or set the tenant's `default: forward`.",
	truncated:
		"Look for a broken sender or link; `chainmail get events` has samples.",
	bad_header:
		"Look for a broken or hostile sender; `chainmail get events` has samples.",
	not_ip:
		"Nothing, unless users need that protocol on their link; Chainmail carries IPv4 and IPv6.",
	unowned:
		"Nothing, if nobody is meant to answer there. Else declare whose the address is: a tenant's `subnets`, or a policy for connections from outside.",
	spoofed:
		"Add the users' prefix to the tenant's `subnets`, or find the interface it does not belong at.",
	no_fragment_head:
		"Rare: fragments out of order. If steady, lower the sender's MTU so that nothing is fragmented.",
	no_path:
		"Moments after a change: nothing. If steady, see that all nodes run the same revision (`chainmail get nodes`).",
	no_hop:
		"See that all nodes run the same revision (`chainmail get nodes`); else report it.",
	si_zero: "A peer that is not Chainmail sends it: correct its service index.",
	ttl_zero:
		"A path visits too many forwarders, or a peer that is not Chainmail loops: follow it with `chainmail describe path`.",
	nsh_version: "A peer sends NSH of another version: upgrade or remove it.",
	nsh_oam: "A peer sends OAM packets along a chain: send them elsewhere.",
	nsh_md_type: "A peer sends metadata of type other than 1 or 2: configure it.",
	next_protocol:
		"A peer sends something else inside NSH: configure it to send IPv4, IPv6 or Ethernet.",
	vxlan_flags:
		"A peer sends plain VXLAN to port 4790: configure VXLAN-GPE there.",
	unknown_peer:
		"Declare the node with this `underlay` address, or find out who sends from it.",
	port_unknown:
		"Moments after a change: nothing. If steady, restart the node's agent.",
	port_forged:
		"Functions send plain IP: configure the function, or distrust it.",
	port_unbound:
		"The function sends what nobody gave it: its own traffic (updates, DNS) needs an interface of its own. If it changes addresses, declare `rewrites: true`.",
	port_link_local: "Nothing: every kernel sends some.",
	port_tap: "See why the function answers on a copy; attach it otherwise.",
	too_big:
		"Nothing, if it stops: the sender was told the size. Else raise the underlay's MTU, or let ICMP pass.",
	expired:
		"Nothing: traceroute does it on purpose; else look for a routing loop.",
	denied:
		"Nothing, if the function blocks it; `chainmail get states` names the function, and a changed rule takes effect at once.",
	function_down:
		"Repair the instance or add one; `onFailure` says what happens meanwhile.",
	exit_forbidden:
		"Correct the node's routes, or give the tenant an exit interface of its own.",
	exit_no_route: "Add a route on the exit node; see that the next hop answers.",
	exit_conflict:
		"Two tenants with the same addresses share an exit: put a function with `rewrites: true` into one's chain, or give it its own exit.",
	plaintext:
		"The node kept it back, as it must. Report it: no plan leads there, so somebody has written to its tables or sends from within.",
	unsealed:
		"Somebody sends, past the encryption functions, what only comes out of one: find out who. Moments after a change: nothing.",
	no_ef:
		"See why the node's encryption function does not run (`chainmail describe node`).",
	resources: "See the node's memory, and the load of its interfaces.",
};

type What = Lowercase<Exclude<keyof typeof VerdictCounter, "KINDS">>;

/** What is counted, flows or packets, and what it tells an operator. */
export const verdictHints: Readonly<
	Record<What, readonly [unit: "flows" | "packets", hint: string]>
> = {
	learned: ["flows", "How many new flows a function lets pass."],
	denied: [
		"flows",
		"What the function blocks; `chainmail get states --verdict deny` lists the flows.",
	],
	revoked: [
		"flows",
		"The function judged otherwise than before: nothing, after its rules have changed. Else its verdict depends on more than the flow: declare `offload: none`.",
	],
	expired: [
		"flows",
		"Nothing. Steep after a change of rules, or `chainmail function invalidate`: all flows are judged anew.",
	],
	closed: ["flows", "Nothing: connections end."],
	skipped: [
		"packets",
		"What the function is spared; a shortcut past several adds its packets up to 100 ms late.",
	],
	failed_open: [
		"packets",
		"They were not looked at: repair the instance, or declare `onFailure: closed`.",
	],
	unasked: [
		"packets",
		"The function duplicates packets, or makes some up: distrust it if it should not.",
	],
	outside_window: [
		"packets",
		"Somebody forges ends of connections; nothing is forgotten for it.",
	],
};

/** What an encryption function refuses, and what an operator does about it. */
export const refusalHints: Readonly<
	Record<RefusalName, readonly [meaning: string, hint: string]>
> = {
	notIp: ["inside: neither IPv4 nor IPv6", "Nothing: it cannot be sealed."],
	notEsp: [
		"outside: not encrypted",
		"Somebody sends plaintext to the encryption function: find out who.",
	],
	malformed: [
		"lengths that contradict each other, another NSH, fragments",
		"Somebody sends broken or forged packets: capture on the underlay.",
	],
	unfinished: [
		"its checksum or segmentation was left to a device",
		"See that nobody switched offloads on at `cmEFi` or `cmEFo`.",
	],
	tooBig: [
		"it would not fit the other side's MTU",
		"See that the node's `mtu` is what its underlay carries.",
	],
	unknownPath: [
		"no key to seal with on its path",
		"See `chainmail keys list`, and whether the authentication centre runs.",
	],
	unknownSpi: [
		"no key of its SPI",
		"Moments after a key has ended: nothing. Steady: somebody forges or replays packets.",
	],
	expired: [
		"its key has ended",
		"See why there is no successor, and whether the authentication centre runs.",
	],
	tooOld: [
		"its sequence number lies before the window",
		"A few: packets overtake each other on the underlay. Steady: somebody replays.",
	],
	replayed: [
		"its sequence number was seen before",
		"Somebody replays packets.",
	],
	badIcv: [
		"forged, changed on its way, or of another key",
		"Somebody changes or forges packets; else the underlay corrupts them.",
	],
	wrongPath: [
		"under the NSH of another path than its key's",
		"Somebody puts sealed packets into another chain.",
	],
	congested: [
		"marked as congested, of a sender that knows no ECN (RFC 6040)",
		"Nothing, where the underlay is congested.",
	],
	dummy: ["made to hide the traffic's shape", "Nothing."],
	noRoom: [
		"the interface of the other side takes no more",
		"Too much traffic for the node: see its load.",
	],
	badMac: [
		"signed by a forger, or changed on its way",
		"Somebody changes or injects packets on the underlay.",
	],
	stale: [
		"signed too long ago, or in the future",
		"Set the nodes' clocks; else somebody holds packets back.",
	],
	overrun: [
		"it came while the engine had no room for more",
		"Too much traffic for the node, or the engine hung for a moment: see its load.",
	],
};

/** docs/counters.md as it must read. */
export function countersMarkdown(): string {
	const drops = DROP_REASON_NAMES.slice(1).map((name, i) => {
		const meaning = DROP_REASON_DOCS[i + 1] ?? "";
		return `| \`${name}\` | ${meaning} | ${dropHints[name as Reason]} |`;
	});
	const verdicts = VERDICT_COUNTER_NAMES.map((name, i) => {
		const [unit, hint] = verdictHints[name as What];
		return `| \`${name}\` | ${unit} | ${VERDICT_COUNTER_DOCS[i]} | ${hint} |`;
	});
	const refusals = Object.entries(refusalHints).map(
		([name, [meaning, hint]]) => `| \`${name}\` | ${meaning} | ${hint} |`,
	);
	const metrics = metricTable.map(
		({ name, type, help, labels }) =>
			`| \`${name}\` | ${type} | ${help} | ${labels.map((label) => `\`${label}\``).join(" ")} |`,
	);
	return [
		"# Counters",
		"",
		"Generated by `tools/gen-docs.ts` from `bpf/maps.h`, `src/api/counters.ts` and",
		"`src/api/metrics.ts`.",
		"",
		"`chainmail get counters` lists what the nodes have counted: packets and bytes",
		"at each hop of each path, to and from each port of a function on either side,",
		"what became of verdicts, and of each reason to drop. `--all` also shows those",
		"that are zero. Counters are per node, survive restarts of the agent and end",
		"with its pins.",
		"",
		"## Drops",
		"",
		"Every dropped packet counts under exactly one reason. At most ten a second of",
		"each reason are also told as events, with the packet's addresses and ports",
		"(`chainmail get events`).",
		"",
		"| reason | meaning | what to do |",
		"|---|---|---|",
		...drops,
		"",
		"## Verdicts",
		"",
		"What became of what functions said of flows, by function and port.",
		"`chainmail get states` lists the flows themselves. The first of a kind in",
		"100 ms is told as an event `learned`, `denied` or `revoked`: these are samples,",
		"the counters are complete.",
		"",
		"| counter | counts | meaning | what it tells |",
		"|---|---|---|---|",
		...verdicts,
		"",
		"The list of states keeps flows until room is needed, then forgets the longest",
		"unused: with fewer entries than its capacity (`states` in `get counters`,",
		"`chainmail_states`) nothing was ever forgotten for want of room. A full one is",
		"under pressure when running flows are learned again and again: make room with",
		"`chainmail agent --max-flows`.",
		"",
		"## Encryption functions",
		"",
		"What a node's encryption function has sealed and opened since it was started,",
		"and the packets that it refused, by reason. None of them goes on in any way. While",
		"the process of the user-space engine is dead, what would be given to it counts as",
		"dropped for `no_ef`; the kernel's ESP needs no process to go on.",
		"",
		"| reason | meaning | what to do |",
		"|---|---|---|",
		...refusals,
		"",
		"## Metrics",
		"",
		"`GET /metrics` is for Prometheus; every scrape asks the nodes. It needs a token",
		"of an operator or admin.",
		"",
		"| metric | type | meaning | labels |",
		"|---|---|---|---|",
		...metrics,
		"",
	].join("\n");
}
