// Finds out which system packages are missing and installs exactly those.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { packages } from "./packages.mjs";
import { say, Unmet } from "./say.mjs";

const searchPath = [
	...(process.env.PATH ?? "").split(":"),
	"/usr/sbin",
	"/sbin",
].filter(Boolean);

/** True when a command is on PATH or a path exists; `*` is one directory. */
export function found(wanted) {
	if (!wanted.startsWith("/"))
		return searchPath.some((directory) => existsSync(join(directory, wanted)));
	const star = wanted.indexOf("/*/");
	if (star < 0) return existsSync(wanted);
	const parent = wanted.slice(0, star);
	if (!existsSync(parent)) return false;
	return readdirSync(parent).some((name) =>
		existsSync(join(parent, name, wanted.slice(star + 3))),
	);
}

/** The packages of a task that this machine lacks. */
export function missingPackages(tasks) {
	return packages.filter(
		(entry) =>
			entry.for.some((task) => tasks.includes(task)) &&
			!entry.finds.some(found),
	);
}

/** Installs what the tasks need and the machine lacks; says each and why. */
export function installPackages(tasks) {
	const missing = missingPackages(tasks);
	if (missing.length === 0) return;
	const names = missing.map((entry) => entry.name);
	say(`setup: ${names.length} system packages are missing`);
	for (const { name, why } of missing) say(`  ${name.padEnd(20)} ${why}`);
	if (!found("apt-get"))
		throw new Unmet(
			`setup: this is not a Debian system; install the programs above with its own package manager, then start again (looked for: ${missing.map((entry) => entry.finds[0]).join(", ")})`,
		);
	if (process.getuid?.() !== 0)
		throw new Unmet(
			`setup: installing needs root; run: sudo apt-get install ${names.join(" ")}`,
		);
	apt("reading the package lists", ["update", "-qq"]);
	apt("installing", [
		"install",
		"-y",
		"-qq",
		"--no-install-recommends",
		...names,
	]);
	const still = missingPackages(tasks).map((entry) => entry.name);
	if (still.length > 0)
		throw new Unmet(
			`setup: installed, but still not found: ${still.join(", ")} (report this with the output of: apt-cache policy ${still.join(" ")})`,
		);
}

function apt(title, args) {
	say(`setup: ${title} (apt-get ${args[0]})`);
	const result = spawnSync(
		"apt-get",
		["-o", "DPkg::Lock::Timeout=300", ...args],
		{
			encoding: "utf8",
			stdio: ["ignore", "pipe", "pipe"],
			// RUNLEVEL=1: packages must not start daemons on this machine.
			env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
		},
	);
	if (result.status === 0) return;
	const tail = `${result.stdout ?? ""}${result.stderr ?? ""}`
		.trim()
		.split("\n")
		.slice(-15)
		.join("\n");
	throw new Unmet(
		`${tail}\nsetup: apt-get ${args[0]} failed with status ${result.status} (check the network and /etc/apt/sources.list)`,
	);
}
