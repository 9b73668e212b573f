#!/usr/bin/env node
// Bundles the programs that start while somebody waits: a few files are read
// instead of a thousand (docs/decisions/0010).
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const outdir = join(root, "dist/programs");

/** What imports a package by and by would find no names in it where it is CommonJS. */
const packages = {
	name: "packages",
	setup({ onResolve }) {
		onResolve({ filter: /^[^.]/ }, ({ path, kind, importer }) =>
			kind === "dynamic-import" && !path.startsWith("node:")
				? {
						errors: [
							{
								text: `${importer} imports ${path} where it runs (import it at the top of a module, and that module where it runs)`,
							},
						],
					}
				: undefined,
		);
	},
};

/** Servers start once and stay: they are left as they are, with what only they use. */
const servers = {
	name: "servers",
	setup({ onResolve }) {
		onResolve(
			{ filter: /^\.\/(controller|auc|agent)\.js$/ },
			({ path, kind }) =>
				kind === "dynamic-import"
					? { path: join("../src/main", path), external: true }
					: undefined,
		);
	},
};

rmSync(outdir, { recursive: true, force: true });
await build({
	absWorkingDir: root,
	entryPoints: {
		cli: "dist/src/main/cli.js",
		ef: "dist/src/main/ef.js",
		worker: "dist/src/functions/ef/worker.js",
	},
	outdir,
	bundle: true,
	splitting: true,
	format: "esm",
	platform: "node",
	target: "node20",
	external: ["koffi"],
	plugins: [packages, servers],
	// What is CommonJS asks for Node's own modules by it.
	banner: {
		js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
	},
	logLevel: "warning",
}).catch(() => {
	// It has said why.
	process.exitCode = 1;
});
