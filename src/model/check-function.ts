/** Checks of functions: what attachment, runtime and instances ask of each other. */
import { parseAddress, parsePrefix, prefixFault } from "./address.js";
import type { FunctionDocument, Intent } from "./intent.js";
import type { Report } from "./report.js";

type Spec = FunctionDocument["spec"];

export function checkFunction(
	{ name, spec }: FunctionDocument,
	intent: Intent,
	report: Report,
): void {
	if (name === "pass" || name === "drop")
		report.value(
			["name"],
			`a function cannot be called \`${name}\``,
			`\`>> ${name}\` is an action of policies; choose another name`,
		);
	checkAttachment(spec, report);
	checkRuntime(spec, report);
	checkAddresses(spec, report);
	checkInstances(spec, intent, report);
	for (const [index, tenant] of (spec.tenants ?? []).entries())
		report.reference(
			["spec", "tenants", index],
			"tenant",
			tenant,
			intent.tenants,
		);
	if (spec.probe?.proto === "udp" && spec.probe.dport === undefined)
		report.key(
			["spec", "probe"],
			"a UDP probe needs `dport`",
			"add `dport: 7`",
		);
	if (spec.probe?.proto === "icmp" && spec.probe.dport !== undefined)
		report.value(
			["spec", "probe", "dport"],
			"ICMP has no ports",
			"remove `dport`, or write `proto: udp`",
		);
}

function checkAttachment(spec: Spec, report: Report): void {
	if (spec.rewrites && spec.attach !== "routed")
		report.value(
			["spec", "rewrites"],
			`a ${spec.attach} function cannot rewrite addresses`,
			"write `attach: routed`, or remove `rewrites`",
		);
	if (spec.addresses && spec.attach !== "routed")
		report.key(
			["spec", "addresses"],
			`a ${spec.attach} function owns no addresses`,
			"write `attach: routed`, or remove `addresses`",
		);
	if (spec.probe && spec.attach === "tap")
		report.key(
			["spec", "probe"],
			"a tap gives nothing back, so no probe can pass it",
			"remove `probe`: its process is watched all the same",
		);
	if (spec.attach === "tap" && spec.offload && spec.offload !== "none")
		report.value(
			["spec", "offload"],
			"a tap lets nothing pass that could be learned",
			"remove `offload`",
		);
	if (spec.offload === "rewrite" && !spec.rewrites)
		report.value(
			["spec", "offload"],
			"what changes no addresses has no change to be learned",
			"write `offload: verdict`, or add `rewrites: true`",
		);
	if (spec.onFailure && spec.attach === "tap")
		report.key(
			["spec", "onFailure"],
			"a tap holds nothing up when it fails",
			"remove `onFailure`",
		);
	if (spec.onFailure === "open" && spec.rewrites)
		report.value(
			["spec", "onFailure"],
			"packets that pass by what rewrites them have addresses that nobody answers",
			"write `onFailure: closed` or `reset`",
		);
	if (spec.ruleset && spec.attach === "tap")
		report.key(
			["spec", "ruleset"],
			"a tap forwards nothing that a ruleset could judge",
			"write `attach: routed` or `bridged`, or remove `ruleset`",
		);
}

function checkRuntime(spec: Spec, report: Report): void {
	if (spec.runtime === "process") {
		if (spec.attach === "tap" && !spec.command)
			report.key(
				["spec"],
				"a tap needs a `command` that reads its port",
				"add `command: [tcpdump, -i, tap, -w, /tmp/tap.pcap]`",
			);
		return;
	}
	for (const key of ["command", "ruleset"] as const)
		if (spec[key] !== undefined)
			report.key(
				["spec", key],
				`an external function is not run by Chainmail: \`${key}\` has no use`,
				`remove \`${key}\`, or write \`runtime: process\``,
			);
}

function checkAddresses(spec: Spec, report: Report): void {
	for (const [index, text] of (spec.addresses ?? []).entries()) {
		// Host bits are meant here: an address with the length of its network.
		if (parsePrefix(text)) continue;
		const alone = parseAddress(text);
		const fault = prefixFault(text);
		report.value(
			["spec", "addresses", index],
			`\`${text}\` is not an address with its prefix length`,
			alone
				? `did you mean \`${text}/${alone.family === 4 ? 32 : 128}\`?`
				: fault?.hint,
		);
	}
}

function checkInstances(spec: Spec, intent: Intent, report: Report): void {
	const names = new Set<string>();
	const used = new Map<string, string>();
	if (spec.instances.every(({ standby }) => standby))
		report.value(
			["spec", "instances", 0, "standby"],
			"every instance is a standby: there is none to stand by for",
			"remove `standby` from one of them",
		);
	for (const [index, instance] of spec.instances.entries()) {
		const path = ["spec", "instances", index];
		if (names.has(instance.name))
			report.value(
				[...path, "name"],
				`instance \`${instance.name}\` is listed twice`,
				"give each its own name",
			);
		names.add(instance.name);
		report.reference([...path, "node"], "node", instance.node, intent.nodes);
		const sides = ["inside", "outside"] as const;
		for (const key of [...sides, "insideMac", "outsideMac"] as const)
			if (spec.runtime === "process" && instance[key] !== undefined)
				report.key(
					[...path, key],
					`Chainmail makes the ports of a process: \`${key}\` has no use`,
					`remove \`${key}\`, or write \`runtime: external\``,
				);
		if (spec.runtime === "process") continue;
		const needed = spec.attach === "tap" ? (["inside"] as const) : sides;
		for (const key of needed)
			if (instance[key] === undefined)
				report.key(
					[...path, "name"],
					`external instance \`${instance.name}\` needs \`${key}\``,
					`add \`${key}: IFACE\`: the node's interface towards the function`,
				);
		if (spec.attach === "tap" && instance.outside !== undefined)
			report.key([...path, "outside"], "a tap has no outside", "remove it");
		for (const key of sides) {
			const iface = instance[key];
			if (iface === undefined) continue;
			const id = `${instance.node}/${iface}`;
			const other = used.get(id);
			const roles = intent.nodes.get(instance.node)?.spec.interfaces ?? [];
			const role = roles.find((i) => i.name === iface)?.role;
			if (other !== undefined || role)
				report.value(
					[...path, key],
					`interface \`${iface}\` is already ${role ? `the node's ${role} interface` : `used as ${other}`}`,
					"a function's interface serves nothing else",
				);
			used.set(id, `${key} of instance \`${instance.name}\``);
		}
	}
}
