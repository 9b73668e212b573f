/** The file system that pins live in. */
import { statfsSync } from "node:fs";
import { run } from "./process.js";

export const BPFFS = "/sys/fs/bpf";
/** BPF_FS_MAGIC of linux/magic.h. */
const MAGIC = 0xcafe4a11;

export function hasBpffs(): boolean {
	return statfsSync(BPFFS).type === MAGIC;
}

/** Mounts it where it is missing, as systemd does at boot. */
export async function ensureBpffs(): Promise<void> {
	if (hasBpffs()) return;
	await run(["mount", "-t", "bpf", "-o", "mode=0700", "bpf", BPFFS], {
		fix: "run as root",
	});
}
