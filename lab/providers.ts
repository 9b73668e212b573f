/**
 * Three providers with Chainmail installed: users at A, their exit at C, a scanner
 * at B, and one at C that stands in for it. What tests and benchmarks of keys,
 * changes and failures run on.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Static } from "typebox";
import type {
	CountersView,
	KeyLink,
	KeyList,
	PathView,
} from "../src/api/schemas.js";
import type { Encrypt } from "../src/model/encryption.js";
import type { IntentDocument, NodeDocument } from "../src/model/intent.js";
import { efProcess } from "./ef-process.js";
import { Installation } from "./installation.js";
import { buildLab, type Lab } from "./lab.js";
import {
	ispAddresses as at,
	ISP_NODES,
	ISP_UNDERLAY_MTU,
	isp,
} from "./topologies/isp.js";
import { Datagrams } from "./traffic/datagrams.js";
import { startUdpStream, type UdpStream } from "./traffic/udp-stream.js";

const RATE = 1000;
const PORT = 7000;
/** Time between two tries to get a packet through, and until it must be. */
const TRY_MS = 2;
const FIRST_PACKET_MS = 60_000;

export type Provider = (typeof ISP_NODES)[number];

/** What is declared for the users' calls. */
export interface Calls {
	readonly encrypt: Static<typeof Encrypt>;
	/** Terms beside the protocol, such as `& dport=7000`. */
	readonly terms?: string;
	/** Functions, in order (default: the scanner alone). */
	readonly chain?: string;
	/** Who scans when all is well: b1 at B (the default), or c1 at C. */
	readonly scanner?: "b1" | "c1";
	/** Mail is sealed, too: encryption functions are there whatever calls need. */
	readonly mail?: boolean;
}

export class Providers {
	readonly lab: Lab;
	readonly installation: Installation;

	private constructor(lab: Lab) {
		this.lab = lab;
		this.installation = new Installation({
			lab,
			controller: { host: "controller", address: at.controller },
			nodes: ISP_NODES,
		});
	}

	/** Controller and agents run; nothing is declared. */
	static async open(): Promise<Providers> {
		const providers = new Providers(await buildLab(isp));
		try {
			await providers.installation.start();
			return providers;
		} catch (error) {
			await providers.close();
			throw error;
		}
	}

	close(): Promise<void> {
		return this.lab.destroy();
	}

	/** Declares it by the command line; resolves once nodes have switched. */
	async apply(calls: Calls): Promise<void> {
		const file = join(this.installation.directory, "declared.yaml");
		const documents = documentsOf(calls).map((one) => JSON.stringify(one));
		writeFileSync(file, documents.join("\n---\n"));
		await this.installation.expect(["apply", "-f", file]);
	}

	/**
	 * How long it takes from declaring calls to the first packet of one that
	 * arrives, in ms; it is tried all the time.
	 */
	async firstPacketMs(calls: Calls): Promise<number> {
		const user = await this.#open("user");
		const server = await this.#open("server");
		const trying = setInterval(
			() => user.send(Buffer.from("call"), at.server, PORT),
			TRY_MS,
		);
		try {
			const beganMs = performance.now();
			const applied = this.apply(calls);
			await server.next(FIRST_PACKET_MS);
			const tookMs = performance.now() - beganMs;
			await applied;
			return tookMs;
		} finally {
			clearInterval(trying);
			await user.close();
			await server.close();
		}
	}

	#open(host: "user" | "server"): Promise<Datagrams> {
		return Datagrams.open(this.lab.host(host), at[host], PORT);
	}

	/** Waits until nothing is left of what was before. */
	async settled(): Promise<void> {
		await this.installation.until<PathView[]>(
			"nothing is left of former paths",
			["get", "paths"],
			(all) => all.every(({ state }) => state === "active"),
			60_000,
		);
	}

	/** The users' calls: 1,000 packets a second, which come back. */
	stream(marker?: string): Promise<UdpStream> {
		return startUdpStream({
			from: this.lab.host("user"),
			to: this.lab.host("server"),
			address: at.server,
			port: PORT,
			rate: RATE,
			echo: true,
			...(marker !== undefined && { marker }),
		});
	}

	/** Paths that new calls take. */
	async paths(): Promise<readonly PathView[]> {
		const all = await this.installation.json<PathView[]>(["get", "paths"]);
		return all.filter(
			({ state, policy }) => state === "active" && policy === "calls",
		);
	}

	/** Sealed hops of calls. */
	async links(): Promise<readonly KeyLink[]> {
		const { items } = await this.installation.json<KeyList>(["keys", "list"]);
		return items.filter(({ flowClass }) => flowClass === "calls");
	}

	/** Of the nodes whose agents answer. */
	async counters(): Promise<readonly CountersView[]> {
		return this.installation.json<CountersView[]>(["get", "counters"]);
	}

	/** Packets that an instance gave back so far; 0 while its agent is away. */
	async passed(name: string): Promise<number> {
		return (await this.counters())
			.flatMap(({ ports }) => ports)
			.filter(({ instance }) => instance === name)
			.reduce((sum, { fromFunction }) => sum + fromFunction.packets, 0);
	}

	/** Process of a node's encryption function. */
	efPid(node: Provider): number {
		return efProcess(join(this.installation.directory, node)).pid;
	}

	/** Agent and encryption function of a node end at once. */
	async kill(node: Provider): Promise<void> {
		const ef = this.efPid(node);
		const agent = this.installation.program(node);
		agent.kill("SIGKILL");
		process.kill(ef, "SIGKILL");
		await agent.exited;
	}

	/** They say nothing any more, as if the power was lost: connections stay open. */
	async hang(node: Provider): Promise<void> {
		const ef = this.efPid(node);
		this.installation.program(node).kill("SIGSTOP");
		process.kill(ef, "SIGKILL");
	}

	/** What was killed or hangs works again. */
	async revive(node: Provider): Promise<void> {
		const agent = this.installation.program(node);
		if (agent.running) agent.kill("SIGCONT");
		else await this.installation.startAgent(node);
	}
}

function documentsOf({
	encrypt,
	terms = "",
	chain = "scanner",
	scanner = "b1",
	mail = false,
}: Calls): IntentDocument[] {
	return [
		{
			kind: "Tenant",
			name: "subscribers",
			spec: { subnets: ["10.0.1.0/24"], default: "drop", exit: "isp-c" },
		},
		...ISP_NODES.map(
			(name): IntentDocument => ({
				kind: "Node",
				name,
				spec: {
					underlay: at[name],
					mtu: ISP_UNDERLAY_MTU,
					interfaces: INTERFACES[name],
				},
			}),
		),
		{
			kind: "Function",
			name: "scanner",
			spec: {
				attach: "routed",
				runtime: "process",
				offload: "none",
				instances: [
					{ name: "b1", node: "isp-b", standby: scanner !== "b1" },
					{ name: "c1", node: "isp-c", standby: scanner !== "c1" },
				],
			},
		},
		{
			kind: "Function",
			name: "filter",
			spec: {
				attach: "routed",
				runtime: "process",
				offload: "none",
				instances: [{ name: "b2", node: "isp-b" }],
			},
		},
		{
			kind: "Policy",
			name: "calls",
			spec: {
				tenant: "subscribers",
				rule: `match(proto=udp${terms}) >> ${chain}`,
				encrypt,
			},
		},
		{
			kind: "Policy",
			name: "mail",
			spec: {
				tenant: "subscribers",
				rule: "match(proto=tcp & dport=25) >> scanner",
				encrypt: mail ? "between-nodes" : "never",
			},
		},
	];
}

const INTERFACES: Readonly<
	Record<Provider, NodeDocument["spec"]["interfaces"]>
> = {
	"isp-a": [
		{ name: "users", role: "access", tenant: "subscribers" },
		{ name: "up", role: "underlay" },
	],
	"isp-b": [
		{ name: "west", role: "underlay" },
		{ name: "east", role: "underlay" },
	],
	"isp-c": [
		{ name: "up", role: "underlay" },
		{ name: "net", role: "exit" },
	],
};
