#!/usr/bin/env node
// Entry of npm run demo|test|bench|lint: checks and completes the machine, builds, hands over.
import { spawn } from "node:child_process";
import { build, compileTypeScript, root } from "./build.mjs";
import { installPackages } from "./setup/debian.mjs";
import { installNpmPackages } from "./setup/npm.mjs";
import { checkPlatform } from "./setup/platform.mjs";
import { orderly, Unmet } from "./setup/say.mjs";
import { runSuite } from "./setup/suite.mjs";

const tasks = {
	demo: (args) => program(["dist/lab/demo.js", ...args]),
	test: (args) => runSuite(root, args),
	bench: (args) => program(["dist/bench/main.js", ...args]),
};

/** Lint: formatting and rules, layers. Needs neither root nor kernel. */
async function check() {
	checkPlatform("check", false);
	installNpmPackages(root);
	compileTypeScript();
	const biome = await program(["node_modules/@biomejs/biome/bin/biome", "ci"]);
	const imports = await program(["dist/tools/check-imports.js"]);
	return biome === 0 && imports === 0 ? 0 : 1;
}

/**
 * Runs a Node program in the foreground; returns its exit status. The terminal
 * signals the whole process group, so an interrupt is the program's to answer.
 */
function program(args) {
	const ignore = () => {};
	for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, ignore);
	return new Promise((resolve, reject) => {
		const child = spawn(process.execPath, ["--enable-source-maps", ...args], {
			cwd: root,
			stdio: "inherit",
		});
		process.on("SIGTERM", () => child.kill("SIGTERM"));
		child.on("error", reject);
		child.on("exit", (status, signal) =>
			resolve(status ?? (signal === null ? 1 : 130)),
		);
	});
}

await orderly(async () => {
	const [task, ...args] = process.argv.slice(2);
	if (task === "check") return check();
	const start = tasks[task];
	if (start === undefined)
		throw new Unmet(
			`usage: node tools/run.mjs demo|test|bench|check [arguments] (got: ${task ?? "nothing"})`,
		);
	checkPlatform(task, true);
	installPackages([task]);
	build();
	return start(args);
});
