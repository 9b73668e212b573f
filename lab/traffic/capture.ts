/** Captures of a lab interface, decoded by Chainmail's own codecs. */
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DecodedPacket, decodePacket } from "../../src/wire/decode.js";
import { firstLayerOf, readPcap } from "../../src/wire/pcap.js";
import type { Host } from "../lab.js";
import type { LabProcess } from "../process.js";

export interface Capture {
	/** Where the packets are until `stop`. */
	readonly file: string;
	/** Ends the capture and returns its packets. */
	stop(): Promise<DecodedPacket[]>;
}

/**
 * Captures from now on; `filter` is pcap's language, for example `udp port 4790`.
 * `longest`: bytes of the longest frame where there are no super-packets; room
 * for many more then, so that a burst is captured whole.
 */
export async function startCapture(
	host: Host,
	interfaceName: string,
	filter = "",
	{ longest }: { readonly longest?: number } = {},
): Promise<Capture> {
	const file = join(
		tmpdir(),
		`chainmail-${host.lab.run}-${randomBytes(6).toString("hex")}.pcap`,
	);
	host.lab.removeWithLab(file);
	host.lab.removeWithLab(file);
	const tcpdump = host.start([
		"tcpdump",
		"-U",
		"-n",
		"--immediate-mode",
		"-Z",
		"root",
		"-i",
		interfaceName,
		"-w",
		file,
		...(longest === undefined ? [] : ["-s", String(longest)]),
		...(filter === "" ? [] : [filter]),
	]);
	await tcpdump.waitFor(/listening on/);
	return {
		file,
		async stop() {
			await drained(tcpdump);
			await tcpdump.stop("SIGINT");
			try {
				return decodeFile(file);
			} finally {
				rmSync(file, { force: true });
			}
		},
	};
}

/** What SIGUSR1 makes tcpdump say; it ends without reading what waits for it. */
const COUNTS = "(\\d+) packets? captured, (\\d+) packets? received";
/** Packets that came before the filter was in place are never captured. */
const DRAIN_MS = 1000;

/** Waits until tcpdump has taken all that the kernel holds for it. */
async function drained(tcpdump: LabProcess): Promise<void> {
	const end = Date.now() + DRAIN_MS;
	for (let asked = 0; Date.now() < end; asked++) {
		tcpdump.kill("SIGUSR1");
		const last = new RegExp(`(?:${COUNTS}[^]*?){${asked}}${COUNTS}`);
		const counts = await tcpdump.waitFor(last);
		if (counts.at(-1) === counts.at(-2)) return;
	}
}

/** Decodes all packets of a capture file. */
export function decodeFile(file: string): DecodedPacket[] {
	const { linkType, packets } = readPcap(readFileSync(file));
	const first = firstLayerOf(linkType);
	if (first === undefined)
		throw new Error(`${file}: link type ${linkType} is not known`);
	return packets.map(({ data }) => decodePacket(data, first));
}
