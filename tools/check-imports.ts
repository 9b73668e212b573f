/** Checks that imports point downwards through the layers of the architecture. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** Layers of src/, highest first; those of one row are siblings. */
export const LAYERS: readonly (readonly string[])[] = [
	["main"],
	["cli"],
	["api"],
	["controller"],
	["agent"],
	["domains"],
	["functions"],
	["kernel"],
	["session", "keys"],
	["plan"],
	["model"],
	["wire"],
];

/** Layers that decide and never act: the same input gives the same output. */
const PURE = ["session", "keys", "plan", "model", "wire"];
/** What acting needs: the world outside the process. */
const EFFECTS =
	/^(node:(child_process|net|tls|http|https|http2|dgram|dns|worker_threads|timers)|koffi)/;
/** Processes and native calls have one door. */
const DOOR = /^(node:child_process|koffi)/;
const DOOR_LAYER = "kernel";

export interface SourceFile {
	/** Relative to the repository, with slashes. */
	readonly path: string;
	readonly text: string;
}

/** One line for each import that breaks the architecture. */
export function brokenImports(files: readonly SourceFile[]): string[] {
	return files.flatMap((file) =>
		importsOf(file.text).flatMap(({ line, target }) => {
			const reason = whyBroken(file.path, target);
			return reason === undefined
				? []
				: [`${file.path}:${line}: imports ${target}: ${reason}`];
		}),
	);
}

/** Import, re-export and dynamic import targets with their 1-based lines. */
export function importsOf(text: string): { line: number; target: string }[] {
	const code = blankComments(text);
	const pattern =
		/(?:\bfrom\s*|\bimport\s*\(\s*|^\s*import\s+)(["'])([^"'\n]+)\1/gm;
	return [...code.matchAll(pattern)].map((match) => ({
		line: code.slice(0, match.index + match[0].length).split("\n").length,
		target: match[2] ?? "",
	}));
}

/** Comments become spaces, so that lines keep their numbers. */
function blankComments(text: string): string {
	return text.replace(
		/("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
		(whole, literal: string | undefined) =>
			literal ?? whole.replace(/[^\n]/g, " "),
	);
}

function whyBroken(path: string, target: string): string | undefined {
	const from = layerOf(path);
	if (from === undefined) return undefined;
	const isTest = path.endsWith(".test.ts");
	if (!target.startsWith(".")) {
		if (isTest) return undefined;
		if (PURE.includes(from) && EFFECTS.test(target))
			return `${from} is pure: it acts on nothing`;
		if (DOOR.test(target) && from !== DOOR_LAYER)
			return `only ${DOOR_LAYER} starts processes and calls native code`;
		return undefined;
	}
	const resolved = posix.join(posix.dirname(path), target);
	const to = layerOf(resolved);
	if (to === undefined) {
		const outside = !resolved.startsWith("src/");
		return outside && !isTest ? "src does not import from outside" : undefined;
	}
	if (from === to) return undefined;
	if (depth(to) < depth(from)) return `climbs from ${from} to ${to}`;
	if (depth(to) === depth(from)) return `${from} and ${to} are siblings`;
	return undefined;
}

function layerOf(path: string): string | undefined {
	const [top, layer] = path.split("/");
	return top === "src" && layer !== undefined && depth(layer) >= 0
		? layer
		: undefined;
}

function depth(layer: string): number {
	return LAYERS.findIndex((row) => row.includes(layer));
}

/** Folders of src/ that have no layer: a new one has to be given its place. */
export function unplacedFolders(folders: readonly string[]): string[] {
	return folders.filter((folder) => depth(folder) < 0);
}

function main(): number {
	const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
	const source = join(root, "src");
	const entries = readdirSync(source, { recursive: true, encoding: "utf8" });
	const files = entries
		.filter((name) => name.endsWith(".ts"))
		.map((name) => ({
			path: `src/${name.split(sep).join("/")}`,
			text: readFileSync(join(source, name), "utf8"),
		}));
	const folders = readdirSync(source, { withFileTypes: true })
		.filter((entry) => entry.isDirectory())
		.map((entry) => entry.name);
	const problems = [
		...brokenImports(files),
		...unplacedFolders(folders).map(
			(folder) =>
				`src/${folder}: has no layer (add it to LAYERS in tools/check-imports.ts)`,
		),
	];
	for (const problem of problems) process.stderr.write(`${problem}\n`);
	process.stderr.write(
		`check-imports: ${files.length} files, ${problems.length} problems\n`,
	);
	return problems.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
	process.exitCode = main();
