/**
 * Open vSwitch as a node of a service chain (RFC 7665): forwarder, classifier,
 * exit and proxy of functions, with NSH in VXLAN-GPE. An implementation that
 * shares no code with Chainmail, to test against.
 */
import type { NshTlv } from "../src/wire/nsh.js";
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
	/** The O bit (2) and the unassigned one behind it (1); default 0. */
	readonly flags?: number;
	/** The four context words of MD type 1 (default 0). */
	readonly context?: ContextWords;
	/** Makes it MD type 2, with this metadata instead of context words. */
	readonly tlvs?: readonly Tlv[];
	/** Default 0. */
	readonly vni?: number;
}

export type ContextWords = readonly [number, number, number, number];

/** Metadata that a switch can write: 1 to 124 bytes. */
export type Tlv = Pick<NshTlv, "class" | "type" | "value">;

/** What the switch must read in a header, or it does not take it. */
export interface Reading {
	readonly flags?: number;
	readonly ttl?: number;
	readonly mdType?: 1 | 2;
	/** NSH next protocol. */
	readonly nextProtocol?: number;
	/** Of MD type 1; undefined: any. */
	readonly context?: readonly (number | undefined)[];
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
	async forward(
		at: PathPosition,
		to: string,
		reading: Reading = {},
	): Promise<void> {
		await this.#add(to, [
			`${this.#arriving(at, reading)} actions=dec_nsh_ttl,${this.#send(to)}`,
		]);
	}

	/** Exit, or the way to a function: the payload leaves as an Ethernet frame. */
	async deliver(
		at: PathPosition,
		behind: Attachment,
		reading: Reading = {},
	): Promise<void> {
		await this.#add(undefined, [
			`${this.#arriving(at, reading)} actions=decap(),encap(ethernet),` +
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
			.filter(({ flow }) => flow.includes(spi))
			.filter(({ flow }) => new RegExp(`nsh_si=${at.si}[ ,]`).test(flow))
			.reduce((sum, { packets }) => sum + packets, 0);
	}

	stop(): Promise<void> {
		return this.ovs.stop();
	}

	async #add(to: string | undefined, flows: readonly string[]): Promise<void> {
		if (to !== undefined) await this.ovs.resolve(to);
		await this.ovs.addFlows(CHAIN, flows);
	}

	#arriving({ spi, si }: PathPosition, reading: Reading = {}): string {
		const fields = [
			`priority=10,in_port=${this.#tunnel},${NSH_PACKET},nsh_spi=${spi},nsh_si=${si}`,
		];
		const also = (name: string, value: number | undefined) => {
			if (value !== undefined) fields.push(`${name}=${value}`);
		};
		also("nsh_flags", reading.flags);
		also("nsh_ttl", reading.ttl);
		also("nsh_mdtype", reading.mdType);
		also("nsh_np", reading.nextProtocol);
		for (const [i, word] of (reading.context ?? []).entries())
			also(`nsh_c${i + 1}`, word);
		return fields.join(",");
	}

	#send(to: string): string {
		// A port is the way back to itself only under the name in_port.
		return `set_field:${to}->tun_dst,in_port`;
	}

	#write(nsh: Encapsulation): string {
		const words = nsh.context ?? [0, 0, 0, 0];
		const tlvs = nsh.tlvs?.map(
			(tlv) =>
				`tlv(0x${tlv.class.toString(16)},${tlv.type},0x${Buffer.from(tlv.value).toString("hex")})`,
		);
		const kind = tlvs ? ["md_type=2", ...tlvs] : ["md_type=1"];
		return [
			`encap(nsh(${kind.join(",")}))`,
			`set_field:${nsh.spi}->nsh_spi`,
			`set_field:${nsh.si}->nsh_si`,
			`set_field:${nsh.ttl ?? 63}->nsh_ttl`,
			`set_field:${nsh.flags ?? 0}->nsh_flags`,
			...(tlvs
				? []
				: words.map((word, i) => `set_field:${word}->nsh_c${i + 1}`)),
			`set_field:${nsh.vni ?? 0}->tun_id`,
			`set_field:${nsh.to}->tun_dst`,
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
