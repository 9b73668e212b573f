/**
 * QEMU and virtiofsd of Debian trixie, run from a folder by that release's own
 * loader: bookworm's QEMU 7.2 corrupts guests under software emulation.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { Apt } from "./apt.js";
import { cached } from "./cache.js";

const UNUSED = ["usr/share/doc", "usr/share/locale", "usr/share/man"];

export interface Emulator {
	/** In front of their own arguments. */
	readonly qemu: readonly string[];
	readonly virtiofsd: readonly string[];
}

export async function emulator(): Promise<Emulator> {
	const root = await cached("qemu-trixie", async (folder) => {
		const state = join(folder, "apt");
		const apt = await Apt.open(state, "trixie");
		await apt.unpackWithNeeds(folder, ["qemu-system-x86", "virtiofsd"]);
		for (const name of [state, ...UNUSED.map((name) => join(folder, name))])
			rmSync(name, { recursive: true, force: true });
	});
	const libraries = join(root, "usr/lib/x86_64-linux-gnu");
	const run = (file: string) => [
		join(libraries, "ld-linux-x86-64.so.2"),
		"--library-path",
		libraries,
		join(root, file),
	];
	const data = ["usr/share/qemu", "usr/share/seabios"];
	return {
		qemu: [
			...run("usr/bin/qemu-system-x86_64"),
			...data.flatMap((name) => ["-L", join(root, name)]),
		],
		virtiofsd: run("usr/libexec/virtiofsd"),
	};
}
