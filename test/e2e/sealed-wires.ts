/** Recordings of wires that carry sealed packets, and what tshark makes of them. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExportedKey } from "../../lab/auc.js";
import type { Host } from "../../lab/lab.js";
import type { LabProcess } from "../../lab/process.js";
import { decodeFile } from "../../lab/traffic/capture.js";
import { IpProto } from "../../src/wire/ipv4.js";
import { writePcap } from "../../src/wire/pcap.js";

/** LINKTYPE_IPV4 */
const IPV4_LINK = 228;

/** Everything on an interface, kept in a file. */
export class Recording {
	readonly #tcpdump: LabProcess;

	private constructor(
		readonly host: Host,
		readonly name: string,
		readonly file: string,
		tcpdump: LabProcess,
	) {
		this.#tcpdump = tcpdump;
	}

	static async start(host: Host, name: string): Promise<Recording> {
		const file = temporary(host.lab.run);
		host.lab.removeWithLab(file);
		const options = ["-U", "-n", "--immediate-mode", "-Z", "root"];
		const tcpdump = host.start(["tcpdump", ...options, "-i", name, "-w", file]);
		await tcpdump.waitFor(/listening on/);
		return new Recording(host, name, file, tcpdump);
	}

	async stop(): Promise<void> {
		await this.#tcpdump.stop("SIGINT");
	}

	remove(): void {
		rmSync(this.file, { force: true });
	}
}

/**
 * The ESP packets of a capture alone, with nothing in front of them: tshark does
 * not look behind an NSH of MD type 3. The file is the caller's to remove.
 */
export function espOnly(file: string): string {
	const packets = decodeFile(file).flatMap(({ bytes, layers }) =>
		layers
			.filter(
				(layer) => layer.kind === "ipv4" && layer.header.proto === IpProto.esp,
			)
			.map(({ offset }) => ({
				time: 0n,
				data: bytes.subarray(offset),
			})),
	);
	const esp = temporary("esp");
	writeFileSync(esp, writePcap(packets, IPV4_LINK), {
		mode: 0o600,
	});
	return esp;
}

/** All TCP payload that tshark finds in a capture with these keys, as text. */
export function decrypted(file: string, keys: readonly ExportedKey[]): string {
	const sas = keys.flatMap(({ spi, key }) => [
		"-o",
		`uat:esp_sa:${[
			...["IPv4", "*", "*", `0x${spi.toString(16)}`],
			...["AES-GCM with 16 octet ICV [RFC4106]", `0x${key}`],
			...["NULL", ""],
		]
			.map((field) => `"${field}"`)
			.join(",")}`,
	]);
	const text = execFileSync(
		"tshark",
		[
			...["-r", file, "-o", "esp.enable_encryption_decode:TRUE", ...sas],
			...["-Y", "tcp", "-T", "fields", "-e", "tcp.payload"],
		],
		{ encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
	);
	return text
		.split("\n")
		.map((hex) => Buffer.from(hex, "hex").toString("latin1"))
		.join("");
}

function temporary(name: string): string {
	return join(
		tmpdir(),
		`chainmail-${name}-${randomBytes(6).toString("hex")}.pcap`,
	);
}
