/** Checks of nodes: interfaces, tenants, and underlay addresses among them. */
import { parseAddress } from "./address.js";
import { compareNames } from "./change.js";
import type { Intent, NodeDocument } from "./intent.js";
import type { Report } from "./report.js";
import type { Path } from "./source.js";

export function checkNodes(
	intent: Intent,
	reportOf: (document: NodeDocument) => Report,
): void {
	const owners = new Map<string, string>();
	const nodes = [...intent.nodes.values()].sort((a, b) =>
		compareNames(a.name, b.name),
	);
	for (const node of nodes) {
		const report = reportOf(node);
		checkUnderlay(node, owners, report);
		checkInterfaces(node, intent, report);
	}
}

function checkUnderlay(
	{ name, spec }: NodeDocument,
	owners: Map<string, string>,
	report: Report,
): void {
	const path = ["spec", "underlay"];
	const underlays = spec.interfaces.filter((i) => i.role === "underlay");
	if (spec.underlay === undefined) {
		if (underlays.length > 0)
			report.key(
				["spec", "interfaces"],
				"an underlay interface needs the node's underlay address",
				"add `underlay: 192.0.2.1` to the node",
			);
		return;
	}
	const address = parseAddress(spec.underlay);
	if (!address)
		return void report.value(
			path,
			`\`${spec.underlay}\` is not an address`,
			spec.underlay.includes("/")
				? `did you mean \`${spec.underlay.split("/")[0]}\`?`
				: "write it like 192.0.2.1",
		);
	if (address.family === 6)
		return void report.value(
			path,
			"the underlay is IPv4 for now",
			"give the node an IPv4 address; the traffic inside may be IPv6",
		);
	const first = Number(address.value >> 24n);
	if (first === 0 || first === 127 || first >= 224)
		return void report.value(
			path,
			`\`${spec.underlay}\` cannot be reached by other nodes`,
			"write a unicast address such as 192.0.2.1",
		);
	const owner = owners.get(spec.underlay);
	if (owner !== undefined)
		report.value(
			path,
			`node \`${owner}\` has the same underlay address`,
			"give each node its own",
		);
	owners.set(spec.underlay, owner ?? name);
	if (underlays.length === 0)
		report.key(
			["spec", "interfaces"],
			"no interface has `role: underlay`",
			"add the one that carries the underlay address",
		);
}

function checkInterfaces(
	{ spec }: NodeDocument,
	intent: Intent,
	report: Report,
): void {
	const seen = new Map<string, string>();
	for (const [index, item] of spec.interfaces.entries()) {
		const path: Path = ["spec", "interfaces", index];
		const id = `${item.name}/${item.vlan ?? 0}`;
		if (seen.has(id))
			report.value(
				[...path, "name"],
				`interface \`${item.name}\`${item.vlan ? ` VLAN ${item.vlan}` : ""} is listed twice`,
				"an interface has one role; users on VLANs differ in `vlan`",
			);
		else if (seen.has(item.name) && seen.get(item.name) !== item.role)
			report.value(
				[...path, "role"],
				`interface \`${item.name}\` already has role \`${seen.get(item.name)}\``,
				"all VLANs of an interface share its role",
			);
		seen.set(id, item.role);
		seen.set(item.name, item.role);
		if (item.tenant !== undefined)
			report.reference(
				[...path, "tenant"],
				"tenant",
				item.tenant,
				intent.tenants,
			);
		if (item.role === "access" && item.tenant === undefined)
			report.key(
				[...path, "name"],
				`access interface \`${item.name}\` needs a tenant`,
				"add `tenant: NAME`: whose packets arrive there",
			);
		if (item.role === "underlay" && item.tenant !== undefined)
			report.value(
				[...path, "tenant"],
				"an underlay interface carries all tenants",
				"remove `tenant`",
			);
		if (item.role === "underlay" && item.vlan !== undefined)
			report.value(
				[...path, "vlan"],
				"an underlay interface has no `vlan`",
				"remove `vlan`",
			);
	}
}
