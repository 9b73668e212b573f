/**
 * Packages of any Debian release from the mirror this machine's apt uses, with
 * lists and state of their own: nothing is installed, no setting changed.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { say } from "./cache.js";
import { command } from "./command.js";

export type Release = "bookworm" | "trixie";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

export class Apt {
	readonly #options: readonly string[];

	private constructor(
		readonly folder: string,
		readonly release: Release,
	) {
		const at = (name: string) => join(folder, name);
		const options = {
			"Dir::Etc::sourcelist": at("sources.list"),
			"Dir::Etc::sourceparts": "/dev/null",
			"Dir::State": at("state"),
			/* Nothing is installed there: all that is needed gets loaded. */
			"Dir::State::status": at("status"),
			"Dir::Cache": at("cache"),
			"Acquire::Languages": "none",
			"Acquire::Retries": "3",
			"APT::Install-Recommends": "false",
			"APT::Sandbox::User": "root",
			"APT::Get::List-Cleanup": "false",
			/* Hooks are for packages that get installed. */
			"DPkg::Pre-Install-Pkgs": "",
		};
		this.#options = Object.entries(options).flatMap(([name, value]) => [
			"-o",
			`${name}=${value}`,
		]);
	}

	/** Reads the lists of a release; `folder` is for apt's own files. */
	static async open(folder: string, release: Release): Promise<Apt> {
		const apt = new Apt(folder, release);
		const mirror = await configuredMirror();
		for (const name of ["state/lists/partial", "cache/archives/partial"])
			mkdirSync(join(folder, name), { recursive: true });
		writeFileSync(join(folder, "status"), "");
		writeFileSync(
			join(folder, "sources.list"),
			`deb [signed-by=${KEYRING}] ${mirror} ${release} main\n`,
		);
		say(`test/vm: reading the package list of ${release} from ${mirror}`);
		await command(["apt-get", ...apt.#options, "-qq", "update"]);
		return apt;
	}

	/** Unpacks packages, and all they need, into a folder. */
	async unpackWithNeeds(
		into: string,
		packages: readonly string[],
	): Promise<void> {
		say(`test/vm: loading ${packages.join(", ")} of ${this.release}`);
		await command([
			"apt-get",
			...this.#options,
			...["-qq", "-y", "--download-only", "install", ...packages],
		]);
		const archives = join(this.folder, "cache/archives");
		const list = await command(["find", archives, "-name", "*.deb"]);
		for (const file of list.toString().split("\n").filter(Boolean))
			await command(["dpkg-deb", "-x", file, into]);
	}

	/** Unpacks one package alone. */
	async unpack(into: string, name: string): Promise<void> {
		say(`test/vm: loading ${name} of ${this.release}`);
		const folder = join(this.folder, "alone", name);
		mkdirSync(folder, { recursive: true });
		await command(["apt-get", ...this.#options, "-qq", "download", name], {
			cwd: folder,
		});
		const list = await command(["find", folder, "-name", "*.deb"]);
		await command(["dpkg-deb", "-x", list.toString().trim(), into]);
	}

	/** The first package that another one depends on. */
	async firstNeedOf(name: string): Promise<string> {
		const text = await command([
			"apt-cache",
			...this.#options,
			...["show", "--no-all-versions", name],
		]);
		const found = /^Depends: ([^\s,]+)/m.exec(text.toString())?.[1];
		if (found === undefined)
			throw new Error(`apt-cache show ${name}: it depends on nothing`);
		return found;
	}
}

/** Where this machine's apt gets Debian from. */
async function configuredMirror(): Promise<string> {
	const format = "$(ORIGIN)\t$(COMPONENT)\t$(REPO_URI)\t$(RELEASE)";
	const text = await command([
		"apt-get",
		...["indextargets", "--format", format, "Created-By: Packages"],
	]);
	const rows = text.toString().split("\n");
	const found = rows
		.map((row) => row.split("\t"))
		.find(
			([, component, uri = "", release = ""]) =>
				component === "main" &&
				/\/debian\/?$/.test(uri) &&
				!/-(security|updates)$/.test(release),
		)?.[2];
	if (found === undefined)
		throw new Error(
			"apt-get indextargets: apt knows no Debian mirror (deb http://deb.debian.org/debian bookworm main)",
		);
	return found;
}
