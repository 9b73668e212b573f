/**
 * Compiles bpf/*.bpf.c to dist/bpf/ and test/kernel/*.bpf.c to dist/test/kernel/
 * with clang, each only when it or a header is newer than its object.
 */
import { execFileSync } from "node:child_process";
import {
	existsSync,
	mkdirSync,
	readdirSync,
	renameSync,
	statSync,
} from "node:fs";
import { arch } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { isMain, root } from "./root.js";

const SUFFIX = ".bpf.c";
const FLAGS = ["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror"];
const SOURCES = [
	{ from: "bpf", to: "dist/bpf" },
	{ from: "test/kernel", to: "dist/test/kernel" },
	{ from: "bench/bpf", to: "dist/bench/bpf" },
];

/** Newest clang in PATH: `clang-14`, `clang-16`, … or plain `clang`. */
function findClang(): string {
	const found = (process.env.PATH ?? "")
		.split(delimiter)
		.filter((dir) => existsSync(dir))
		.flatMap((dir) => readdirSync(dir))
		.filter((name) => /^clang(-\d+)?$/.test(name))
		.sort((a, b) => Number(b.slice(6)) - Number(a.slice(6)));
	if (!found[0])
		throw new Error("build-bpf: no clang in PATH (apt-get install clang)");
	return found[0];
}

/** Multi-arch include directory, where asm/types.h lies. */
function archInclude(): string {
	const machines: Record<string, string> = {
		x64: "x86_64",
		arm64: "aarch64",
		riscv64: "riscv64",
	};
	return `/usr/include/${machines[arch()] ?? arch()}-linux-gnu`;
}

function newest(paths: readonly string[]): number {
	return Math.max(0, ...paths.map((path) => statSync(path).mtimeMs));
}

function headers(dir: string): string[] {
	if (!existsSync(dir)) return [];
	return readdirSync(dir, { recursive: true, encoding: "utf8" })
		.filter((name) => name.endsWith(".h"))
		.map((name) => join(dir, name));
}

/** Compiles what is out of date; returns the objects written. */
export function buildBpf(): string[] {
	const written: string[] = [];
	let clang: string | undefined;
	const common = newest(headers(join(root, "bpf")));
	for (const { from, to } of SOURCES) {
		const dir = join(root, from);
		if (!existsSync(dir)) continue;
		const headerTime = Math.max(common, newest(headers(dir)));
		for (const name of readdirSync(dir).filter((file) =>
			file.endsWith(SUFFIX),
		)) {
			const source = join(dir, name);
			const object = join(root, to, name.replace(/c$/, "o"));
			const sourceTime = Math.max(headerTime, statSync(source).mtimeMs);
			if (existsSync(object) && statSync(object).mtimeMs > sourceTime) continue;
			mkdirSync(dirname(object), { recursive: true });
			clang ??= findClang();
			/* Written aside and renamed: who reads meanwhile sees a whole object. */
			const draft = `${object}.${process.pid}`;
			const include = [join(root, "bpf"), dir, archInclude()].map(
				(path) => `-I${path}`,
			);
			execFileSync(clang, [...FLAGS, ...include, "-c", source, "-o", draft], {
				stdio: "inherit",
			});
			renameSync(draft, object);
			written.push(object);
		}
	}
	return written;
}

if (isMain(import.meta.url)) {
	try {
		for (const object of buildBpf())
			console.log(`compiled ${object.slice(root.length)}`);
	} catch (error) {
		console.error(error instanceof Error ? error.message : error);
		process.exitCode = 1;
	}
}
