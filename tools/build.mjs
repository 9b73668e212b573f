#!/usr/bin/env node
// Builds dist/: TypeScript by tsc, programs by esbuild, the eBPF objects by the built tool.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installPackages } from "./setup/debian.mjs";
import { installNpmPackages } from "./setup/npm.mjs";
import { checkPlatform } from "./setup/platform.mjs";
import { orderly, say, Unmet } from "./setup/say.mjs";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Installs what building needs, compiles everything that changed. */
export function build() {
	installPackages(["build"]);
	installNpmPackages(root);
	compileTypeScript();
	step("bundling programs", ["tools/bundle.mjs"]);
	step("compiling the data plane", ["dist/tools/build-bpf.js"]);
}

/** tsc alone: enough for checks that need no kernel program. */
export function compileTypeScript() {
	// A removed dist/ with its build info left elsewhere would compile nothing.
	if (!existsSync(join(root, "dist/tools"))) say("build: compiling TypeScript");
	step("compiling TypeScript", ["node_modules/typescript/bin/tsc", "-p", "."]);
}

function step(title, args) {
	const result = spawnSync(process.execPath, args, {
		cwd: root,
		stdio: ["ignore", "inherit", "inherit"],
	});
	if (result.status !== 0)
		throw new Unmet(`build: ${title} failed (the messages above say where)`);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
	await orderly(() => {
		checkPlatform("build", false);
		build();
		say("build: done");
		return 0;
	});
