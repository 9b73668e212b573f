/** Random networks and packets from a seed, for tests. */
import type { Intent, IntentDocument } from "../model/intent.js";
import type { Packet } from "../model/packet.js";
import { fn, intentOf, node, policy, tenant } from "./fixtures.js";
import type { Random } from "./random.js";

const PREDICATES = [
	"*",
	"proto=tcp",
	"proto=udp & dport=53",
	"proto=tcp & (dport=80 | dport=443)",
	"dst=198.51.100.0/24",
	"proto=icmp",
	"~(proto=tcp)",
	"sport=1024-65535 & proto=udp",
	"dscp=46",
] as const;

/** A network that plans without errors: one exit, tenants apart. */
export function randomIntent(random: Random): Intent {
	const names = ["n1", "n2", "n3", "n4"].slice(0, 1 + random.below(4));
	const tenants = ["red", "green", "blue"].slice(0, 1 + random.below(3));
	const exit = random.pick(names);
	const access = new Map(tenants.map((name) => [name, random.some(names)]));
	const documents: IntentDocument[] = tenants.map((name, index) =>
		tenant(name, {
			subnets: [`10.${index + 1}.0.0/16`],
			exit,
			default: random.chance(30) ? "drop" : "forward",
		}),
	);
	for (const [index, name] of names.entries()) {
		const interfaces = tenants
			.filter((one) => access.get(one)?.includes(name))
			.map((one) => `access:${one}`);
		const more = name === exit ? ["exit"] : [];
		documents.push(node(name, index + 1, ...interfaces, ...more));
	}
	const functions = ["fw", "ids", "nat", "proxy", "scrub"];
	for (const name of functions) {
		const instances = Array.from(
			{ length: 1 + random.below(4) },
			(_, i) => `${name}-${i}@${random.pick(names)}*${1 + random.below(5)}`,
		);
		const attach = name === "ids" ? "tap" : random.pick(["routed", "bridged"]);
		documents.push(
			fn(name, instances, {
				attach: attach as "tap" | "routed" | "bridged",
				...(name === "nat" ? { rewrites: true } : {}),
			}),
		);
	}
	const policies = 1 + random.below(8);
	for (let i = 0; i < policies; i++) {
		documents.push(randomPolicy(random, `p${i}`, tenants, functions));
	}
	return intentOf(...documents);
}

function randomPolicy(
	random: Random,
	name: string,
	tenants: readonly string[],
	functions: readonly string[],
): IntentDocument {
	const action = random.chance(80)
		? random.some(functions).join(" -> ")
		: random.pick(["pass", "drop"]);
	return policy(name, `match(${random.pick(PREDICATES)}) >> ${action}`, {
		priority: random.below(5) * 100,
		...(random.chance(50) ? { tenant: random.pick(tenants) } : {}),
		...(random.chance(20) ? { onChange: "keep" as const } : {}),
	});
}

/** The intent with one thing changed: a policy, an instance or a weight. */
export function changed(random: Random, intent: Intent): Intent {
	const functions = new Map(intent.functions);
	const policies = new Map(intent.policies);
	const names = [...intent.tenants.keys()];
	const target = random.pick([...functions.values()]);
	const { instances } = target.spec;
	switch (random.below(3)) {
		case 0: {
			const name = `p${random.below(9)}`;
			const made = randomPolicy(random, name, names, [...functions.keys()]);
			if (made.kind === "Policy") {
				policies.set(name, made);
			}
			break;
		}
		case 1: {
			const left = instances.length > 1 ? instances.slice(1) : instances;
			functions.set(target.name, {
				...target,
				spec: { ...target.spec, instances: left },
			});
			break;
		}
		default: {
			const at = random.pick([...intent.nodes.keys()]);
			const more = { name: `extra-${random.below(3)}`, node: at };
			const others = instances.filter((one) => one.name !== more.name);
			functions.set(target.name, {
				...target,
				spec: { ...target.spec, instances: [...others, more] },
			});
		}
	}
	return { ...intent, functions, policies };
}

/** A packet of a tenant's user, or to one of them (`inbound`). */
export function randomPacket(
	random: Random,
	tenantName: string,
	subnet: number,
	inbound: boolean,
): Packet {
	const proto = random.pick([1, 6, 6, 17, 17, 132]);
	const ports = proto === 6 || proto === 17;
	const user = `10.${subnet}.${random.below(4)}.${1 + random.below(250)}`;
	const server = `${random.pick(["198.51.100", "203.0.113"])}.${1 + random.below(250)}`;
	return {
		tenant: tenantName,
		family: 4,
		src: inbound ? server : user,
		dst: inbound ? user : server,
		proto,
		sport: ports ? 1 + random.below(65535) : 0,
		dport: ports ? random.pick([53, 80, 443, 1 + random.below(65535)]) : 0,
		dscp: random.pick([0, 0, 46]),
		icmpType: proto === 1 ? 8 : 0,
	};
}
