/**
 * Open vSwitch as a node of a service chain (RFC 7665): forwarder, classifier,
 * exit and proxy of functions, with NSH in VXLAN-GPE. An implementation that
 * shares no code with Chainmail, to test against.
 */
import type { Host } from "./lab.js";
import { OpenVswitch } from "./ovs.js";

/** Where a packet is on its path. */
export interface PathPosition {
	readonly spi: number;
	readonly si: number;
}

/** NSH that is written, and where it goes. */
export interface Encapsulation extends PathPosition {
	/** Underlay address of the next node. */
	readonly to: string;
	/** NSH time to live (default 63). */
	readonly ttl?: number;
	/** The four context words (default 0). */
	readonly context?: readonly [number, number, number, number];
	/** Default 0. */
	readonly vni?: number;
}

export interface OvsNodeOptions {
	/** Interfaces on the underlay; MTU 1600, no addresses of their own. */
	readonly underlay: readonly string[];
	/** Underlay address with length, for example `192.0.2.2/24`. */
	readonly address: string;
}

/** An interface of the node that a host or a function is behind. */
export interface Attachment {
	readonly port: number;
	/** MAC address behind it. */
	readonly mac: string;
}

/** Bridge with the underlay's interfaces and address: tunnels leave through it. */
const UNDERLAY = "underlay";
/** Bridge with the tunnel and the attachments. */
const CHAIN = "chain";
const NSH_PACKET = "packet_type=(1,0x894f)";
/** Source address of frames the node makes itself. */
const NODE_MAC = "02:00:00:00:00:fe";

export class OvsNode {
	readonly ovs: OpenVswitch;
	readonly #tunnel: number;

	private constructor(ovs: OpenVswitch, tunnel: number) {
		this.ovs = ovs;
		this.#tunnel = tunnel;
	}

	static async start(host: Host, options: OvsNodeOptions): Promise<OvsNode> {
		const ovs = await OpenVswitch.start(host);
		await ovs.addBridge(UNDERLAY, {
			ports: options.underlay,
			addresses: [options.address],
		});
		await ovs.addBridge(CHAIN, { failMode: "secure" });
		const local = options.address.replace(/\/.*/, "");
		const tunnel = await ovs.addVxlanGpe(CHAIN, "gpe", { local });
		return new OvsNode(ovs, tunnel);
	}

	/** Attaches an interface behind which a host or a function sits. */
	async attach(name: string, mac: string): Promise<Attachment> {
		const port = await this.ovs.addPort(CHAIN, name);
		return { port, mac };
	}

	/** Middle forwarder: the NSH passes on with its TTL one less. */
	async forward(at: PathPosition, to: string): Promise<void> {
		await this.#add(to, [
			`${this.#arriving(at)} actions=dec_nsh_ttl,${this.#send(to)}`,
		]);
	}

	/** Exit, or the way to a function: the payload leaves as an Ethernet frame. */
	async deliver(at: PathPosition, behind: Attachment): Promise<void> {
		await this.#add(undefined, [
			`${this.#arriving(at)} actions=decap(),encap(ethernet),` +
				`set_field:${NODE_MAC}->eth_src,set_field:${behind.mac}->eth_dst,` +
				`output:${behind.port}`,
		]);
	}

	/** Classifier, or the way from a function: all IP packets get this NSH. */
	async encapsulate(from: Attachment, nsh: Encapsulation): Promise<void> {
		const actions = `${this.#write(nsh)},output:${this.#tunnel}`;
		await this.#add(
			nsh.to,
			// The frame's own header goes first: the NSH then says IPv4 or IPv6.
			["ip", "ipv6"].map(
				(protocol) =>
					`priority=10,in_port=${from.port},${protocol} actions=decap(),${actions}`,
			),
		);
	}

	/**
	 * A function with its proxy: packets at `at` reach it without NSH behind
	 * `inside`; what leaves it at `outside` goes on with the SI one less.
	 */
	async proxy(
		at: PathPosition,
		inside: Attachment,
		outside: Attachment,
		next: Omit<Encapsulation, "spi" | "si">,
	): Promise<void> {
		await this.deliver(at, inside);
		await this.encapsulate(outside, { ...next, spi: at.spi, si: at.si - 1 });
	}

	/**
	 * A function inside the switch that lets everything pass: takes the NSH off
	 * and writes a new one with the SI one less.
	 */
	async passThrough(
		at: PathPosition,
		next: Omit<Encapsulation, "spi" | "si">,
	): Promise<void> {
		const nsh = { ...next, spi: at.spi, si: at.si - 1 };
		await this.#add(next.to, [
			`${this.#arriving(at)} actions=decap(),${this.#write(nsh)},in_port`,
		]);
	}

	/** Packets that took a path position's flow; counted up to a second late. */
	async packets(at: PathPosition): Promise<number> {
		const flows = await this.ovs.flows(CHAIN);
		const spi = `nsh_spi=0x${at.spi.toString(16)},`;
		return flows
			.filter(({ flow }) => flow.includes(`${spi}nsh_si=${at.si} `))
			.reduce((sum, { packets }) => sum + packets, 0);
	}

	stop(): Promise<void> {
		return this.ovs.stop();
	}

	async #add(to: string | undefined, flows: readonly string[]): Promise<void> {
		if (to !== undefined) await this.ovs.resolve(to);
		await this.ovs.addFlows(CHAIN, flows);
	}

	#arriving({ spi, si }: PathPosition): string {
		return `priority=10,in_port=${this.#tunnel},${NSH_PACKET},nsh_spi=${spi},nsh_si=${si}`;
	}

	#send(to: string): string {
		// A port is the way back to itself only under the name in_port.
		return `set_field:${to}->tun_dst,in_port`;
	}

	#write({ spi, si, to, ttl, context, vni }: Encapsulation): string {
		const words = context ?? [0, 0, 0, 0];
		return [
			"encap(nsh(md_type=1))",
			`set_field:${spi}->nsh_spi`,
			`set_field:${si}->nsh_si`,
			`set_field:${ttl ?? 63}->nsh_ttl`,
			...words.map((word, i) => `set_field:${word}->nsh_c${i + 1}`),
			`set_field:${vni ?? 0}->tun_id`,
			`set_field:${to}->tun_dst`,
		].join(",");
	}
}

/**
 * Has a host write its checksums itself: behind a user-space switch there is no
 * device that would complete them.
 */
export async function checksumsInSoftware(
	host: Host,
	name: string,
): Promise<void> {
	await host.must(["ethtool", "-K", name, "tx", "off"]);
}
