/**
 * Open vSwitch in user space inside one lab host: its own database, sockets and
 * directory, so that any number of them run side by side. One a host.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "./lab.js";
import { type LabProcess, must } from "./process.js";

const SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema";
/** OpenFlow 1.5 is the first with encap, decap and packet_type. */
const OPENFLOW = "OpenFlow15";
const TIMEOUT_S = 10;

export interface BridgeOptions {
	/** Interfaces of the host to attach; they lose their own addresses' use. */
	readonly ports?: readonly string[];
	/** With length, for the bridge's own interface: the host's end of it. */
	readonly addresses?: readonly string[];
	readonly mac?: string;
	/** `secure`: only flows that were added forward anything (default `standalone`). */
	readonly failMode?: "standalone" | "secure";
}

export interface TunnelOptions {
	/** Address of this host. */
	readonly local: string;
	/** Address of the far end; without it flows set `tun_dst`. */
	readonly remote?: string;
	/** VXLAN network identifier; without it flows match and set `tun_id`. */
	readonly vni?: number;
}

/** A flow's text as ovs-ofctl prints it, and how many packets took it. */
export interface FlowCounter {
	readonly flow: string;
	readonly packets: number;
}

/** What this machine lacks for Open vSwitch, or false. */
export function whyNoOvs(): string | false {
	if (process.getuid?.() !== 0) return "needs root";
	if (spawnSync("ovs-vswitchd", ["--version"]).status !== 0)
		return "no ovs-vswitchd";
	if (!existsSync("/dev/net/tun")) return "no /dev/net/tun";
	return false;
}

export class OpenVswitch {
	readonly host: Host;
	readonly #directory: string;
	readonly #processes: LabProcess[] = [];

	private constructor(host: Host) {
		this.host = host;
		// Short: a UNIX socket's path has room for 107 bytes.
		this.#directory = `/run/${host.netns}-ovs`;
	}

	/** Ends with the lab at the latest. */
	static async start(host: Host): Promise<OpenVswitch> {
		const ovs = new OpenVswitch(host);
		host.lab.removeWithLab(ovs.#directory);
		mkdirSync(ovs.#directory, { mode: 0o700 });
		try {
			await ovs.#startDatabase();
			await ovs.#startSwitch();
		} catch (error) {
			await ovs.stop();
			throw error;
		}
		return ovs;
	}

	/** A bridge of the user-space datapath, with its ports, up. */
	async addBridge(name: string, options: BridgeOptions = {}): Promise<void> {
		const {
			ports = [],
			addresses = [],
			mac,
			failMode = "standalone",
		} = options;
		await this.vsctl(
			["add-br", name],
			[
				"set",
				"bridge",
				name,
				"datapath_type=netdev",
				`protocols=${OPENFLOW}`,
				`fail_mode=${failMode}`,
				...(mac === undefined ? [] : [`other-config:hwaddr="${mac}"`]),
			],
			...ports.map((port) => ["add-port", name, port]),
		);
		for (const port of ports) await this.#claim(port);
		const lines = addresses.map((address) => `addr add ${address} dev ${name}`);
		await must(["ip", "-n", this.host.netns, "-batch", "-"], {
			input: [...lines, `link set dev ${name} up`].join("\n"),
		});
	}

	/** Attaches an interface of the host; returns its OpenFlow port number. */
	async addPort(bridge: string, name: string): Promise<number> {
		await this.vsctl(["add-port", bridge, name]);
		await this.#claim(name);
		return this.portNumber(name);
	}

	/** A VXLAN-GPE port that takes NSH as it is; returns its OpenFlow port number. */
	async addVxlanGpe(
		bridge: string,
		name: string,
		{ local, remote = "flow", vni }: TunnelOptions,
	): Promise<number> {
		await this.vsctl(
			["add-port", bridge, name],
			[
				"set",
				"interface",
				name,
				"type=vxlan",
				// ptap: packets of any type, not only Ethernet frames.
				"options:exts=gpe",
				"options:packet_type=ptap",
				"options:dst_port=4790",
				`options:local_ip="${local}"`,
				`options:remote_ip="${remote}"`,
				`options:key=${vni ?? "flow"}`,
			],
		);
		return this.portNumber(name);
	}

	async portNumber(name: string): Promise<number> {
		const output = await this.vsctl(["get", "interface", name, "ofport"]);
		const number = Number(output.trim());
		if (number > 0) return number;
		const error = await this.vsctl(["get", "interface", name, "error"]);
		throw new Error(
			`ovs port ${name}: ${error.trim()} (see ${this.#directory})`,
		);
	}

	/** All or none of them; equal matches replace what was there. */
	async addFlows(bridge: string, flows: readonly string[]): Promise<void> {
		await this.#ofctl(
			["--bundle", "add-flows", this.#bridge(bridge), "-"],
			flows,
		);
	}

	/** All flows of a bridge. */
	async flows(bridge: string): Promise<FlowCounter[]> {
		const output = await this.#ofctl(["dump-flows", this.#bridge(bridge)]);
		return output.split("\n").flatMap((line) => {
			const packets = /n_packets=(\d+)/.exec(line)?.[1];
			return packets === undefined
				? []
				: [{ flow: line.trim(), packets: Number(packets) }];
		});
	}

	/**
	 * Learns the way to an underlay address: without it the first packets into a
	 * tunnel are lost while the switch asks for the neighbour.
	 */
	async resolve(address: string): Promise<void> {
		await this.host.must(["ping", "-n", "-q", "-c", "1", "-w", "5", address]);
	}

	/** ovs-vsctl: several commands are one transaction, which the switch has carried out on return. */
	vsctl(...commands: readonly (readonly string[])[]): Promise<string> {
		return this.#database([], commands);
	}

	/** ovs-appctl to the switch, for a look inside. */
	appctl(...argv: readonly string[]): Promise<string> {
		return this.host.must([
			"ovs-appctl",
			`--timeout=${TIMEOUT_S}`,
			`--target=${this.#path("switch.ctl")}`,
			...argv,
		]);
	}

	/** The switch first, then its database. */
	async stop(): Promise<void> {
		for (const process of this.#processes.splice(0).reverse()) {
			await process.stop();
		}
	}

	/** Brings an interface up, and keeps the host's own stack from answering on it. */
	async #claim(name: string): Promise<void> {
		const conf = (family: string) => `net/${family}/conf/${name}`;
		await this.host.must([
			"sysctl",
			"-q",
			"-w",
			// Else the kernel answers ARP for the bridge's address with this MAC.
			`${conf("ipv4")}/arp_ignore=1`,
			`${conf("ipv6")}/disable_ipv6=1`,
		]);
		await this.host.must(["ip", "link", "set", "dev", name, "up"]);
	}

	async #startDatabase(): Promise<void> {
		const database = this.#path("conf.db");
		await must(["ovsdb-tool", "create", database, SCHEMA]);
		this.#start("database", [
			"ovsdb-server",
			database,
			`--remote=punix:${this.#path("db.sock")}`,
		]);
		await this.#database(["--no-wait"], [["init"]]);
	}

	async #startSwitch(): Promise<void> {
		this.#start("switch", ["ovs-vswitchd", `unix:${this.#path("db.sock")}`]);
		// Without --no-wait this returns when the switch has taken the database.
		await this.vsctl(["init"]);
	}

	#start(name: string, argv: readonly string[]): void {
		const process = this.host.start(
			[
				...argv,
				`--unixctl=${this.#path(`${name}.ctl`)}`,
				`--pidfile=${this.#path(`${name}.pid`)}`,
				`--log-file=${this.#path(`${name}.log`)}`,
				"--verbose=console:off",
				"--verbose=syslog:off",
			],
			{ env: this.#environment() },
		);
		this.#processes.push(process);
	}

	#database(
		options: readonly string[],
		commands: readonly (readonly string[])[],
	): Promise<string> {
		return this.host.must([
			"ovs-vsctl",
			"--retry",
			`--timeout=${TIMEOUT_S}`,
			`--db=unix:${this.#path("db.sock")}`,
			...options,
			...commands.flatMap((command) => ["--", ...command]),
		]);
	}

	/** Whatever has no option of its own stays in the directory as well. */
	#environment(): NodeJS.ProcessEnv {
		const directory = this.#directory;
		return {
			...process.env,
			OVS_RUNDIR: directory,
			OVS_LOGDIR: directory,
			OVS_DBDIR: directory,
			OVS_SYSCONFDIR: directory,
		};
	}

	#ofctl(
		argv: readonly string[],
		input: readonly string[] = [],
	): Promise<string> {
		return this.host.must(
			[
				"ovs-ofctl",
				`--timeout=${TIMEOUT_S}`,
				`--protocols=${OPENFLOW}`,
				...argv,
			],
			{ input: input.map((line) => `${line}\n`).join("") },
		);
	}

	#bridge(name: string): string {
		return `unix:${this.#path(`${name}.mgmt`)}`;
	}

	#path(name: string): string {
		return join(this.#directory, name);
	}
}
