/** Encryption functions on the hosts of a lab. */
import { fileURLToPath } from "node:url";
import type { EfSide } from "../src/functions/ef/core.js";
import type { SaDirection } from "../src/functions/ef/sa.js";
import {
	UserspaceEngine,
	type UserspaceOptions,
} from "../src/functions/ef/userspace.js";
import { formatMac, parseMac } from "../src/wire/address.js";
import { buildLab, type Lab } from "./lab.js";
import type { LabProcess } from "./process.js";
import {
	encryptedLine,
	encryptedLineAddresses,
	INSIDE_MTU_BYTES,
	OUTSIDE_MTU_BYTES,
} from "./topologies/encrypted-line.js";
import { macOf } from "./traffic/packet-rate.js";

type EfName = "ef1" | "ef2";

/** Whose interfaces the sides of an EF are joined to. */
const NEIGHBOURS = {
	ef1: { inside: ["left", "in"], outside: ["ef2", "outside"] },
	ef2: { inside: ["right", "in"], outside: ["ef1", "outside"] },
} as const;

/** A lab of the encrypted line, ready for its engines. */
export async function buildEncryptedLine(): Promise<Lab> {
	const lab = await buildLab(encryptedLine);
	try {
		/* What reaches an EF must be finished: the kernel does so on its way in. */
		for (const link of encryptedLine.links)
			for (const end of [link.a, link.b]) {
				const [host = "", name = ""] = end.split(":");
				await lab.host(host).must(["ethtool", "-K", name, "tx", "off"]);
			}
		await know(lab, "left", "right");
		await know(lab, "right", "left");
		return lab;
	} catch (error) {
		await lab.destroy();
		throw error;
	}
}

/** What the engine of an EF is opened with. */
export async function efOptions(
	lab: Lab,
	name: EfName,
): Promise<Pick<UserspaceOptions, "netns" | "inside" | "outside">> {
	const host = lab.host(name);
	const side = async (which: "inside" | "outside", mtuBytes: number) => {
		const [neighbour, theirs] = NEIGHBOURS[name][which];
		const src = parseMac(await macOf(host, which));
		const dst = parseMac(await macOf(lab.host(neighbour), theirs));
		return { interface: which, src, dst, mtuBytes };
	};
	return {
		netns: host.netns,
		inside: await side("inside", INSIDE_MTU_BYTES),
		outside: await side("outside", OUTSIDE_MTU_BYTES),
	};
}

/** Starts the engine of an EF in this process. */
export async function openEngine(
	lab: Lab,
	name: EfName,
	options: Pick<UserspaceOptions, "onEvent" | "workers" | "slots">,
): Promise<UserspaceEngine> {
	return await UserspaceEngine.open({
		...(await efOptions(lab, name)),
		onFailure: (error) => {
			throw error;
		},
		...options,
	});
}

/** What the program is told, in one line of JSON. */
export interface EfProgramOptions {
	readonly inside: EfProgramSide;
	readonly outside: EfProgramSide;
	readonly sas: readonly LabSa[];
}

export interface EfProgramSide {
	readonly interface: string;
	readonly src: string;
	readonly dst: string;
	readonly mtuBytes: number;
}

/** An SA as JSON carries it. */
export interface LabSa {
	readonly direction: SaDirection;
	readonly spi: number;
	/** Hexadecimal. */
	readonly key: string;
	readonly salt: string;
}

/** Starts the engine of an EF, on one processor, in a process of its own. */
export async function startEngine(
	lab: Lab,
	name: EfName,
	processor: number,
	sas: readonly LabSa[],
): Promise<LabProcess> {
	const { inside, outside } = await efOptions(lab, name);
	const program = fileURLToPath(new URL("ef-program.js", import.meta.url));
	const started = lab.host(name).start([
		...["taskset", "-c", String(processor)],
		/* Two on one processor do not interrupt each other at every packet. */
		...["chrt", "--batch", "0", process.execPath, program],
	]);
	const side = ({ src, dst, ...rest }: EfSide & { interface: string }) => ({
		...rest,
		src: formatMac(src),
		dst: formatMac(dst),
	});
	const told: EfProgramOptions = {
		inside: side(inside),
		outside: side(outside),
		sas,
	};
	/* Keys are nobody's business: no arguments. */
	started.stdin?.write(`${JSON.stringify(told)}\n`);
	await started.waitFor(/ready/);
	return started;
}

/** There is no ARP across an EF. */
async function know(
	lab: Lab,
	host: "left" | "right",
	peer: "left" | "right",
): Promise<void> {
	const mac = await macOf(lab.host(peer), "in");
	await lab
		.host(host)
		.must([
			...["ip", "neigh", "add", encryptedLineAddresses[peer]],
			...["lladdr", mac, "dev", "in"],
		]);
}
