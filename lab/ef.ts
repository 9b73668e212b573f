/** Encryption functions on the hosts of a lab. */
import {
	UserspaceEngine,
	type UserspaceOptions,
} from "../src/functions/ef/userspace.js";
import { parseMac } from "../src/wire/address.js";
import type { Host, Lab } from "./lab.js";
import { buildLab } from "./lab.js";
import {
	encryptedLine,
	encryptedLineAddresses,
} from "./topologies/encrypted-line.js";

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

/** Starts the engine of an EF. */
export async function openEngine(
	lab: Lab,
	name: EfName,
	options: Pick<UserspaceOptions, "onEvent"> & { readonly workers?: number },
): Promise<UserspaceEngine> {
	const host = lab.host(name);
	const side = async (which: "inside" | "outside") => {
		const [neighbour, theirs] = NEIGHBOURS[name][which];
		return {
			interface: which,
			src: parseMac(await macOf(host, which)),
			dst: parseMac(await macOf(lab.host(neighbour), theirs)),
			mtuBytes: which === "inside" ? 1500 : 1700,
		};
	};
	return await UserspaceEngine.open({
		netns: host.netns,
		inside: await side("inside"),
		outside: await side("outside"),
		onFailure: (error) => {
			throw error;
		},
		...options,
	});
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

async function macOf(host: Host, name: string): Promise<string> {
	const shown = await host.must(["ip", "-json", "link", "show", "dev", name]);
	const [link] = JSON.parse(shown) as { address: string }[];
	if (link === undefined)
		throw new Error(`${host.name}: no interface ${name} (ip link show)`);
	return link.address;
}
