/** Reads the documents a user names: files, directories, standard input. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { NamedText } from "../model/load.js";
import { CliFailure } from "./failure.js";

/** Checked again by the loader; here it keeps a wrong file out of memory. */
const LARGEST = 16 * 1024 * 1024;

export async function readTexts(
	names: readonly string[],
): Promise<NamedText[]> {
	const texts: NamedText[] = [];
	for (const name of names)
		for (const file of await expand(name)) texts.push(await readOne(file));
	return texts;
}

async function expand(name: string): Promise<string[]> {
	if (name === "-") return [name];
	const info = await stat(name).catch((error) => {
		throw unreadable(name, error);
	});
	if (!info.isDirectory()) return [name];
	const files = (await readdir(name))
		.filter((file) => /\.ya?ml$/.test(file))
		.sort();
	if (files.length === 0)
		throw new CliFailure(`read ${name}: no .yaml file in this directory`);
	return files.map((file) => join(name, file));
}

async function readOne(name: string): Promise<NamedText> {
	if (name === "-") return { name: "<stdin>", text: await text(process.stdin) };
	try {
		const { size } = await stat(name);
		if (size > LARGEST)
			throw new CliFailure(
				`read ${name}: larger than ${LARGEST / 1024 / 1024} MiB (split it into several files)`,
			);
		return { name, text: await readFile(name, "utf8") };
	} catch (error) {
		throw unreadable(name, error);
	}
}

function unreadable(name: string, error: unknown): CliFailure {
	if (error instanceof CliFailure) return error;
	const { code } = error as NodeJS.ErrnoException;
	const causes: Readonly<Record<string, string>> = {
		ENOENT: "no such file (check the path after -f)",
		EACCES: "permission denied (check the file's mode)",
		EISDIR: "is a directory",
	};
	return new CliFailure(
		`read ${name}: ${causes[code ?? ""] ?? code ?? String(error)}`,
	);
}
