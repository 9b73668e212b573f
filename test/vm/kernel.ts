/** A stock Debian kernel: its image, its modules, and a static busybox to start with. */
import {
	existsSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
} from "node:fs";
import { basename, join } from "node:path";
import { Apt, type Release } from "./apt.js";
import { cached } from "./cache.js";
import { command } from "./command.js";

/** Drivers that a guest has any use for; all others are most of the space. */
const DRIVERS = ["block", "char", "crypto", "net", "virtio"];

export interface GuestKernel {
	/** As `uname -r` says it. */
	readonly version: string;
	readonly image: string;
	readonly busybox: string;
	/** Folder of `modules.dep`. */
	readonly modules: string;
}

export async function guestKernel(release: Release): Promise<GuestKernel> {
	const root = await cached(`kernel-${release}`, async (folder) => {
		const state = join(folder, "apt");
		const apt = await Apt.open(state, release);
		await apt.unpack(folder, await apt.firstNeedOf("linux-image-amd64"));
		await apt.unpack(folder, "busybox-static");
		rmSync(state, { recursive: true });
		await thinOut(folder);
	});
	const image = readdirSync(join(root, "boot")).find((name) =>
		name.startsWith("vmlinuz-"),
	);
	if (image === undefined) throw new Error(`${root}: no kernel in it`);
	const version = image.slice("vmlinuz-".length);
	return {
		version,
		image: join(root, "boot", image),
		busybox: ["bin/busybox", "usr/bin/busybox"]
			.map((name) => join(root, name))
			.find(existsSync) as string,
		modules: join(root, "lib/modules", version),
	};
}

async function thinOut(folder: string): Promise<void> {
	/* Newer releases have all of /lib in /usr. */
	if (!existsSync(join(folder, "lib")))
		symlinkSync("usr/lib", join(folder, "lib"));
	const modules = join(folder, "lib/modules");
	const version = readdirSync(modules)[0] ?? "";
	const drivers = join(modules, version, "kernel/drivers");
	for (const name of readdirSync(drivers))
		if (!DRIVERS.includes(name))
			rmSync(join(drivers, name), { recursive: true });
	rmSync(join(modules, version, "kernel/sound"), { recursive: true });
	await command(["depmod", "-b", folder, version]);
}

/**
 * Files of modules with all they need, in the order to load them, relative to
 * the folder of modules. What is built in has none.
 */
export function modulesInOrder(
	folder: string,
	names: readonly string[],
): string[] {
	const lines = readFileSync(join(folder, "modules.dep"), "utf8").split("\n");
	const needs = new Map(
		lines.map((line): [string, string[]] => {
			const [file = "", rest = ""] = line.split(":");
			const name = basename(file).replace(/\.ko.*$/, "");
			/* The last is needed by those in front of it. */
			return [
				name.replaceAll("-", "_"),
				[...rest.trim().split(" ").filter(Boolean).reverse(), file],
			];
		}),
	);
	return [...new Set(names.flatMap((name) => needs.get(name) ?? []))];
}
