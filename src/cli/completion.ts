/** chainmail completion: scripts for bash, zsh and fish, made from the commands. */
import type { Command, Option } from "commander";
import {
	declared,
	listable,
	type Noun,
	named,
	nameless,
	singular,
} from "./kinds.js";
import type { Services } from "./session.js";

const shells = ["bash", "zsh", "fish"] as const;
type Shell = (typeof shells)[number];

/** What can follow one command. */
interface Entry {
	/** Words after `chainmail`, empty for the program itself. */
	readonly path: readonly string[];
	readonly words: readonly string[];
	readonly options: readonly Flag[];
}

interface Flag {
	readonly flag: string;
	readonly about: string;
	readonly short?: string | undefined;
	/** Takes a value: one of these, or any where the list is empty. */
	readonly values?: readonly string[] | undefined;
}

/** Options and commands whose value is the name of something declared. */
const NAMED: Readonly<Record<string, Noun>> = {
	"--tenant": "tenants",
	"--node": "nodes",
	"--function": "functions",
	"token join": "nodes",
	"node revoke": "nodes",
	"function invalidate": "functions",
	"function drain": "functions",
	"function undrain": "functions",
};

export function registerCompletion(
	program: Command,
	{ terminal }: Services,
): void {
	program
		.command("completion")
		.summary("print a completion script for a shell")
		.description("Prints a completion script for bash, zsh or fish.")
		.argument("<shell>", shells.join(", "))
		.addHelpText(
			"after",
			`
Examples:
  chainmail completion bash > /etc/bash_completion.d/chainmail
  chainmail completion zsh > "\${fpath[1]}/_chainmail"
  chainmail completion fish > ~/.config/fish/completions/chainmail.fish`,
		)
		.action(async (shell: string) => {
			const script = SCRIPTS[shell as Shell];
			if (script === undefined) {
				const { CliFailure, ExitCode } = await import("./failure.js");
				throw new CliFailure(
					`completion: no shell \`${shell.slice(0, 60)}\` (one of ${shells.join(", ")})`,
					ExitCode.usage,
				);
			}
			terminal.out(script(entriesOf(program)));
		});
}

const SCRIPTS: Readonly<Record<Shell, (entries: readonly Entry[]) => string>> =
	{ bash, zsh, fish };

/** First argument of commands that take a kind or a shell. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
	get: listable,
	describe: named.map(singular),
	delete: declared.map(singular),
	completion: shells,
};

export function entriesOf(
	command: Command,
	path: readonly string[] = [],
	inherited: readonly Option[] = [],
): Entry[] {
	const options = [...inherited, ...command.options];
	const inner = command.commands;
	return [
		{
			path,
			words: [
				...inner.map((child) => child.name()),
				...(ARGUMENTS[path.join(" ")] ?? []),
			],
			options: [
				...options.map((option) => ({
					flag: option.long ?? "",
					short: option.short,
					about: option.description,
					values: option.required ? (option.argChoices ?? []) : undefined,
				})),
				{ flag: "--help", about: "show help" },
			],
		},
		...inner.flatMap((child) =>
			entriesOf(
				child,
				[...path, child.name()],
				command.options.concat(inherited),
			),
		),
	];
}

function bash(entries: readonly Entry[]): string {
	return shellFunction(entries, "complete -o default -F _chainmail chainmail");
}

function zsh(entries: readonly Entry[]): string {
	return `#compdef chainmail\nautoload -U +X bashcompinit && bashcompinit\n${bash(entries)}`;
}

/** Both names of an option that takes a value. */
const spellings = ({ flag, short }: Flag): string[] =>
	short === undefined ? [flag] : [flag, short];

function shellFunction(entries: readonly Entry[], last: string): string {
	const valued = new Map(
		entries
			.flatMap(({ options }) => options)
			.filter(({ values }) => values !== undefined)
			.map((option) => [option.flag, option]),
	);
	// Without words of our own the shell completes names of files.
	const ofOption = [...valued.values()].flatMap((option) => {
		const { flag, values = [] } = option;
		const noun = NAMED[flag];
		const words =
			noun === undefined ? values.join(" ") : `$(_chainmail_names ${noun})`;
		if (words === "") return [];
		return `\t\t${spellings(option).join("|")}) words="${words}" ;;`;
	});
	const ofCommand = [...entries].reverse().map(({ path, words, options }) => {
		const noun = NAMED[path.join(" ")];
		const names = noun === undefined ? [] : [`$(_chainmail_names ${noun})`];
		const all = [...names, ...words, ...options.map(({ flag }) => flag)];
		return `\t\t"${["chainmail", ...path].join(" ")}"*) words="${all.join(" ")}" ;;`;
	});
	const ofKind = listable
		.filter((noun) => !nameless.includes(noun))
		.map((noun) => {
			const said = [
				`get ${noun}`,
				...["get", "describe", "delete"].map((v) => `${v} ${singular(noun)}`),
			].map((words) => `"chainmail ${words}"`);
			return `\t\t${said.join("|")}) words="$(_chainmail_names ${noun})" ;;`;
		});
	// compgen expands its words: only what a name may be comes so far.
	return `_chainmail_names() {
	chainmail get "$1" 2>/dev/null </dev/null |
		awk 'NR > 1 && $1 ~ /^[a-z0-9-]+$/ { print $1 }' | sort -u
}
_chainmail() {
	local word said words previous part skip=
	local valued=" ${[...valued.values()].flatMap(spellings).join(" ")} "
	word="\${COMP_WORDS[COMP_CWORD]}"
	previous="\${COMP_WORDS[COMP_CWORD-1]}"
	said=chainmail
	for part in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		if [[ -n "$skip" ]]; then skip=; continue; fi
		case "$part" in
			-*) [[ "$valued" == *" $part "* ]] && skip=1 ;;
			*) said="$said $part" ;;
		esac
	done
	if [[ -n "$skip" ]]; then case "$previous" in
${ofOption.join("\n")}
	esac; else case "$said" in
${ofKind.join("\n")}
${ofCommand.join("\n")}
	esac; fi
	COMPREPLY=($(compgen -W "$words" -- "$word"))
}
${last}`;
}

function fish(entries: readonly Entry[]): string {
	const quote = (text: string) => `'${text.replaceAll("'", "\\'")}'`;
	const names = (noun: Noun) =>
		`(chainmail get ${noun} 2>/dev/null | awk "NR > 1 { print \\$1 }" | sort -u)`;
	const lines = entries.flatMap(({ path, words, options }) => {
		const condition =
			path.length === 0
				? "__fish_use_subcommand"
				: path
						.map((word) => `__fish_seen_subcommand_from ${word}`)
						.join("; and ");
		const start = `complete -c chainmail -n ${quote(condition)}`;
		const noun = NAMED[path.join(" ")];
		return [
			...(words.length === 0
				? []
				: [`${start} -f -a ${quote(words.join(" "))}`]),
			...(noun === undefined ? [] : [`${start} -f -a ${quote(names(noun))}`]),
			...options.map(({ flag, about, values }) => {
				const of = NAMED[flag];
				const given = of === undefined ? (values ?? []).join(" ") : names(of);
				const value = values === undefined ? "" : " -r";
				const choice = given === "" ? "" : ` -f -a ${quote(given)}`;
				return `${start} -l ${flag.slice(2)}${value}${choice} -d ${quote(about)}`;
			}),
		];
	});
	return lines.join("\n");
}
