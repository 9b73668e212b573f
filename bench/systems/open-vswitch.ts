/**
 * The same functions chained by Open vSwitch in user space, with NSH in
 * VXLAN-GPE between two nodes.
 */
import { buildLab, type Lab } from "../../lab/lab.js";
import {
	type Attachment,
	checksumsInSoftware,
	OvsNode,
} from "../../lab/ovs-nsh.js";
import {
	line,
	lineAddresses,
	underlayAddress,
} from "../../lab/topologies/line.js";
import { hostEnd, macOf } from "../../src/functions/names.js";
import { type Functions, startFunctions } from "./functions.js";
import { System } from "./system.js";

const FORWARD = 1;
const REVERSE = 2;
/** One function on each node: the second is the last. */
const SECOND = 254;
const NODE_MAC = "02:00:00:00:00:fe";
const USER_MAC = "02:00:00:00:01:01";
const SERVER_MAC = "02:00:00:00:01:02";
/** Bridge of OvsNode with the tunnel and all attachments. */
const BRIDGE = "chain";

export class OpenVswitchChain extends System {
	readonly #functions: readonly Functions[];

	private constructor(lab: Lab, functions: readonly Functions[]) {
		super(lab);
		this.#functions = functions;
	}

	/** A function on each of two nodes. */
	static async open(): Promise<OpenVswitchChain> {
		const lab = await buildLab(line(["node1", "node2"]));
		await endpoint(lab, "user", USER_MAC, lineAddresses.userGateway);
		await endpoint(lab, "server", SERVER_MAC, lineAddresses.serverGateway);
		const first = await node(lab, "node1", "right", 0);
		const second = await node(lab, "node2", "left", 1);
		const user = await first.ovs.attach("acc", USER_MAC);
		const server = await second.ovs.attach("ext", SERVER_MAC);
		const to = { first: underlayAddress(0), second: underlayAddress(1) };
		await hand(first.ovs, user, first.inside);
		await first.ovs.encapsulate(first.outside, {
			spi: FORWARD,
			si: SECOND,
			to: to.second,
		});
		await second.ovs.deliver({ spi: FORWARD, si: SECOND }, second.inside);
		await hand(second.ovs, second.outside, server);
		await hand(second.ovs, server, second.outside);
		await second.ovs.encapsulate(second.inside, {
			spi: REVERSE,
			si: SECOND,
			to: to.first,
		});
		await first.ovs.deliver({ spi: REVERSE, si: SECOND }, first.outside);
		await hand(first.ovs, first.inside, user);
		return new OpenVswitchChain(lab, [
			first.functions,
			second.functions,
		]).ready();
	}

	override async close(): Promise<void> {
		for (const functions of this.#functions) functions.close();
		await super.close();
	}
}

/** A host behind the switch: nobody there answers ARP. */
async function endpoint(
	lab: Lab,
	name: string,
	mac: string,
	gateway: string,
): Promise<void> {
	const host = lab.host(name);
	await host.must(["ip", "link", "set", "eth0", "address", mac]);
	await host.must([
		"ip",
		"neigh",
		"replace",
		gateway,
		"lladdr",
		NODE_MAC,
		"dev",
		"eth0",
	]);
	await checksumsInSoftware(host, "eth0");
}

async function node(lab: Lab, name: string, underlay: string, index: number) {
	const host = lab.host(name);
	/* The kernel sees what arrives as well: it must have nothing to do with it. */
	for (const dev of [underlay, index === 0 ? "acc" : "ext"])
		await host.must(["ip", "address", "flush", "dev", dev]);
	const ovs = await OvsNode.start(host, {
		underlay: [underlay],
		address: `${underlayAddress(index)}/30`,
	});
	const functions = await startFunctions(lab, name, 1);
	const port = (side: "inside" | "outside") =>
		ovs.attach(hostEnd(1, side), macOf(1, side, "function"));
	return {
		ovs,
		functions,
		inside: await port("inside"),
		outside: await port("outside"),
	};
}

/** From one attachment straight to the other one. */
async function hand(
	node: OvsNode,
	from: Attachment,
	to: Attachment,
): Promise<void> {
	await node.ovs.addFlows(BRIDGE, [
		`priority=10,in_port=${from.port},ip actions=set_field:${NODE_MAC}->eth_src,set_field:${to.mac}->eth_dst,output:${to.port}`,
	]);
}
