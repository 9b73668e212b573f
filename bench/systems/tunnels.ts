/** What encrypts on the encrypted line, each in a process on one processor. */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { buildEncryptedLine, type LabSa, startEngine } from "../../lab/ef.js";
import type { Host, Lab } from "../../lab/lab.js";
import type { LabProcess } from "../../lab/process.js";
import { encryptedLineAddresses } from "../../lab/topologies/encrypted-line.js";
import { linkStats, packetRate } from "../../lab/traffic/packet-rate.js";
import { busySeconds } from "../lib/processor.js";

/**
 * The sender has the other one. The end that opens shares it with the one that
 * seals, which alone would leave it idle half of the time.
 */
const PROCESSOR = 1;
const SENDERS_PROCESSOR = 0;
export const PACKET_BYTES = 1400;
const ETHERNET_BYTES = 14;
const SECONDS = 1;
const DISCARD = "chainmail_discard";

/** A tunnel of which one end is measured. */
export class Tunnel {
	private constructor(
		readonly lab: Lab,
		readonly measured: LabProcess,
		/** Where its packets go in, and where they have come out. */
		readonly gateway: string,
		readonly out: readonly [host: string, name: string],
	) {}

	/** What has come out is counted and discarded at once: no stack is measured. */
	static async of(
		lab: Lab,
		measured: LabProcess,
		gateway: string,
		out: readonly [host: string, name: string],
	): Promise<Tunnel> {
		const [host, name] = out;
		const chain = `type filter hook ingress device "${name}" priority 0`;
		await lab.host(host).must(["nft", "-f", "-"], {
			input: `table netdev ${DISCARD} { chain c { ${chain}; ether type ip drop; }; }`,
		});
		return new Tunnel(lab, measured, gateway, out);
	}

	/** Gbit/s of users' packets that a second of processor time carries. */
	async gbitPerCore(): Promise<number> {
		const [host, name] = this.out;
		const packets = async () =>
			(await linkStats(this.lab.host(host), name)).rx.packets;
		const before = {
			packets: await packets(),
			seconds: busySeconds(this.measured.pid),
		};
		await packetRate({
			from: this.lab.host("left"),
			fromInterface: "in",
			to: this.lab.host(host),
			toInterface: name,
			src: encryptedLineAddresses.left,
			dst: encryptedLineAddresses.right,
			gateway: this.gateway,
			frameSize: PACKET_BYTES + ETHERNET_BYTES,
			seconds: SECONDS,
		});
		const carried = (await packets()) - before.packets;
		const seconds = busySeconds(this.measured.pid) - before.seconds;
		return (carried * PACKET_BYTES * 8) / seconds / 1e9;
	}

	async close(): Promise<void> {
		await this.lab.destroy();
	}
}

/** Our engine; `end`: the one that is measured. */
export async function espTunnel(end: "out" | "in"): Promise<Tunnel> {
	const lab = await buildEncryptedLine();
	try {
		const sa = (direction: LabSa["direction"]): LabSa => ({
			direction,
			spi: 4096,
			key,
			salt,
		});
		const key = randomBytes(16).toString("hex");
		const salt = randomBytes(4).toString("hex");
		const right = encryptedLineAddresses.right;
		if (end === "out") {
			const ef = await startEngine(lab, "ef1", PROCESSOR, [sa("out")]);
			return await Tunnel.of(lab, ef, right, ["ef2", "outside"]);
		}
		await startEngine(lab, "ef1", PROCESSOR, [sa("out")]);
		const ef = await startEngine(lab, "ef2", PROCESSOR, [sa("in")]);
		return await Tunnel.of(lab, ef, right, ["right", "in"]);
	} catch (error) {
		await lab.destroy();
		throw error;
	}
}

const INSIDE = "10.9.0.254";
const OUTSIDE = { ef1: "192.0.2.1", ef2: "192.0.2.2" };
const PORT = 51820;
const START_TIMEOUT_MS = 5000;

/** wireguard-go, whose encrypting end is measured. */
export async function wireguardTunnel(): Promise<Tunnel> {
	const lab = await buildEncryptedLine();
	try {
		const [ef1, ef2] = [lab.host("ef1"), lab.host("ef2")];
		const names = { ef1: `wg1${lab.run}`, ef2: `wg2${lab.run}` };
		const keys = { ef1: await keyPair(ef1), ef2: await keyPair(ef2) };
		await ef1.must(["ip", "addr", "add", `${INSIDE}/32`, "dev", "inside"]);
		await ef1.must(["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
		const start = async (host: Host, end: "ef1" | "ef2", processor: number) => {
			const other = end === "ef1" ? "ef2" : "ef1";
			const name = names[end];
			await host.must([
				"ip",
				"addr",
				"add",
				`${OUTSIDE[end]}/24`,
				"dev",
				"outside",
			]);
			const program = host.start([
				...["taskset", "-c", String(processor)],
				...["wireguard-go", "-f", name],
			]);
			await until(host, ["wg", "show", name]);
			/* wg opens its configuration anew, which a pipe allows. */
			await host.must(["sh", "-c", 'cat | wg setconf "$0" /dev/stdin', name], {
				input: [
					"[Interface]",
					`PrivateKey = ${keys[end].private}`,
					`ListenPort = ${PORT}`,
					"[Peer]",
					`PublicKey = ${keys[other].public}`,
					"AllowedIPs = 0.0.0.0/0",
					`Endpoint = ${OUTSIDE[other]}:${PORT}`,
					"",
				].join("\n"),
			});
			await host.must(["ip", "link", "set", name, "mtu", "1500", "up"]);
			return program;
		};
		const measured = await start(ef1, "ef1", PROCESSOR);
		const peer = await start(ef2, "ef2", SENDERS_PROCESSOR);
		await ef1.must(["ip", "addr", "add", "10.8.0.1/24", "dev", names.ef1]);
		await ef2.must(["ip", "addr", "add", "10.8.0.2/24", "dev", names.ef2]);
		await ef1.must(["ping", "-q", "-c", "1", "-W", "5", "10.8.0.2"]);
		const { right } = encryptedLineAddresses;
		await ef1.must(["ip", "route", "add", right, "dev", names.ef1]);
		/* Its keys hold for three minutes; it shall not take part any more. */
		peer.kill("SIGSTOP");
		return await Tunnel.of(lab, measured, INSIDE, ["ef2", "outside"]);
	} catch (error) {
		await lab.destroy();
		throw error;
	}
}

async function keyPair(host: Host) {
	const secret = (await host.must(["wg", "genkey"])).trim();
	const known = await host.must(["wg", "pubkey"], { input: secret });
	return { private: secret, public: known.trim() };
}

/** Tries a command until it succeeds. */
async function until(host: Host, argv: readonly string[]): Promise<void> {
	const deadline = Date.now() + START_TIMEOUT_MS;
	while ((await host.run(argv)).status !== 0) {
		if (Date.now() > deadline)
			throw new Error(`${argv.join(" ")}: failed for ${START_TIMEOUT_MS} ms`);
		await delay(20);
	}
}
