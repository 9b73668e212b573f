/** Help of every command, usage errors, and what needs no controller. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "commander";
import { createProgram, run } from "./program.js";
import type { Services } from "./session.js";
import { plain } from "./terminal.js";

interface Captured {
	readonly services: Services;
	out: string;
	err: string;
}

function capture(width = 80): Captured {
	const captured: Captured = {
		out: "",
		err: "",
		services: {
			version: "1.2.3",
			terminal: {
				out: (text) => {
					captured.out += `${text}\n`;
				},
				err: (text) => {
					captured.err += `${text}\n`;
				},
				width,
				isTty: false,
				paint: plain,
			},
			startAuc: () => Promise.reject(new Error("not here")),
			startController: () => Promise.reject(new Error("not here")),
			startAgent: () => Promise.reject(new Error("not here")),
			purgeAgent: () => Promise.reject(new Error("not here")),
		},
	};
	return captured;
}

function commandsOf(
	command: Command,
	path: string[] = [],
): [string[], Command][] {
	return command.commands.flatMap((child) => {
		const here = [...path, child.name()];
		return [[here, child] as [string[], Command], ...commandsOf(child, here)];
	});
}

const all = commandsOf(createProgram(capture().services));

test("help: the commands are those the documentation names", () => {
	assert.deepEqual(all.map(([path]) => path.join(" ")).sort(), [
		"agent",
		"apply",
		"auc",
		"completion",
		"controller",
		"delete",
		"describe",
		"doctor",
		"function",
		"function drain",
		"function invalidate",
		"function undrain",
		"get",
		"keys",
		"keys admit",
		"keys audit",
		"keys list",
		"keys rekey",
		"keys revoke",
		"node",
		"node revoke",
		"token",
		"token create",
		"token join",
		"token list",
		"token revoke",
		"trace",
		"version",
	]);
});

for (const [path, command] of all)
	test(`help: chainmail ${path.join(" ")} --help explains itself`, async () => {
		const captured = capture();
		const status = await run([...path, "--help"], captured.services);
		assert.equal(status, 0);
		assert.equal(captured.err, "");
		assert.match(
			captured.out,
			new RegExp(`^Usage: chainmail ${path.join(" ")} `),
		);
		assert.ok(command.summary() !== "", "a summary for the list of commands");
		assert.ok(command.description().length > command.summary().length / 2);
		for (const { long, description } of command.options) {
			assert.ok(long && captured.out.includes(long), `${long} is shown`);
			assert.ok(description !== "", `${long} is described`);
		}
		for (const { description } of command.registeredArguments)
			assert.ok(description !== "", "arguments are described");
		for (const line of captured.out
			.split("\n")
			.filter((one) => !one.startsWith("  chainmail")))
			assert.ok(line.length <= 80, `fits 80 columns: ${line}`);
	});

test("help: without a command the overview is shown, and it is wrong usage", async () => {
	const captured = capture();
	assert.equal(await run([], captured.services), 2);
	for (const [[verb = ""]] of all) assert.ok(captured.out.includes(verb));
	assert.match(captured.out, /Exit status:/);
});

test("help: a group without a verb shows its verbs", async () => {
	const captured = capture();
	assert.equal(await run(["token"], captured.services), 2);
	assert.match(`${captured.out}${captured.err}`, /revoke/);
});

test("version: table, JSON and YAML carry the same", async () => {
	for (const [form, pattern] of [
		["table", /^chainmail 1\.2\.3 /],
		["json", /"chainmail": "1\.2\.3"/],
		["yaml", /^chainmail: 1\.2\.3$/m],
	] as const) {
		const captured = capture();
		assert.equal(await run(["version", "-o", form], captured.services), 0);
		assert.match(captured.out, pattern);
	}
});

for (const [shell, syntax] of [
	["bash", ["bash", "-n"]],
	["zsh", undefined],
	["fish", undefined],
] as const)
	test(`completion: ${shell} knows every command and kind`, async () => {
		const captured = capture();
		assert.equal(await run(["completion", shell], captured.services), 0);
		for (const [path, command] of all) {
			assert.ok(captured.out.includes(path.at(-1) ?? ""), path.join(" "));
			for (const { long } of command.options)
				assert.ok(captured.out.includes((long ?? "").slice(2)), `${long}`);
		}
		assert.match(captured.out, /policies/);
		if (syntax === undefined) return;
		const { spawnSync } = await import("node:child_process");
		const [program, ...args] = syntax;
		assert.equal(spawnSync(program, args, { input: captured.out }).status, 0);
		const complete = (line: string) => {
			const words = line.split(" ");
			const script = `${captured.out}
chainmail() { [[ "$*" == "get nodes" ]] && printf 'NODE STATE\\nedge1 ready\\nedge2 ready\\n'; [[ "$*" == "get functions" ]] && printf 'FUNCTION ATTACH\\nfirewall routed\\nids routed\\n'; }
COMP_WORDS=(${words.map((word) => `"${word}"`).join(" ")}); COMP_CWORD=${words.length - 1}; _chainmail; echo "\${COMPREPLY[@]}"`;
			const answer = spawnSync(program, { input: script, encoding: "utf8" });
			assert.equal(answer.stderr, "", line);
			return answer.stdout.trim();
		};
		for (const [line, wanted] of [
			["chainmail get po", "policies"],
			["chainmail -o json get po", "policies"],
			["chainmail get --tenant blue po", "policies"],
			["chainmail token create x --role o", "operator"],
			["chainmail controller --log-level w", "warn"],
			["chainmail get --output y", "yaml"],
			["chainmail describe node ", "edge1 edge2"],
			["chainmail doctor --node edge2", "edge2"],
			["chainmail token join ", "edge1 edge2"],
			["chainmail function invalidate ", "firewall ids"],
			["chainmail delete policy web --d", "--dry-run"],
		] as const)
			assert.ok(
				complete(line).startsWith(wanted),
				`${line}: ${complete(line)}`,
			);
	});
