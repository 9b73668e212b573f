/** chainmail completion: scripts for bash, zsh and fish, made from the commands. */
import type { Command, Option } from "commander";
import { declared, listable, named, singular } from "./kinds.js";
import { formats } from "./output.js";
import type { Services } from "./session.js";

const shells = ["bash", "zsh", "fish"] as const;
type Shell = (typeof shells)[number];

/** What can follow one command. */
interface Entry {
	/** Words after `chainmail`, empty for the program itself. */
	readonly path: readonly string[];
	readonly words: readonly string[];
	readonly options: readonly {
		readonly flag: string;
		readonly about: string;
	}[];
}

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
				...options.map(({ long, short, description }) => ({
					flag: long ?? short ?? "",
					about: description,
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

function shellFunction(entries: readonly Entry[], last: string): string {
	const cases = [...entries]
		.reverse()
		.map(
			({ path, words, options }) =>
				`\t\t"${["chainmail", ...path].join(" ")}"*) words="${[...words, ...options.map(({ flag }) => flag)].join(" ")}" ;;`,
		);
	return `_chainmail() {
	local word said words previous part
	word="\${COMP_WORDS[COMP_CWORD]}"
	previous="\${COMP_WORDS[COMP_CWORD-1]}"
	case "$previous" in
		-o|--output) COMPREPLY=($(compgen -W "${formats.join(" ")}" -- "$word")); return ;;
		-f|--file|--config|--join-token-file|--data-dir|--state-dir)
			COMPREPLY=($(compgen -f -- "$word")); return ;;
	esac
	said=chainmail
	for part in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		[[ "$part" == -* ]] || said="$said $part"
	done
	case "$said" in
${cases.join("\n")}
	esac
	COMPREPLY=($(compgen -W "$words" -- "$word"))
}
${last}`;
}

function fish(entries: readonly Entry[]): string {
	const quote = (text: string) => `'${text.replaceAll("'", "\\'")}'`;
	const lines = entries.flatMap(({ path, words, options }) => {
		const condition =
			path.length === 0
				? "__fish_use_subcommand"
				: path
						.map((word) => `__fish_seen_subcommand_from ${word}`)
						.join("; and ");
		const start = `complete -c chainmail -n ${quote(condition)}`;
		return [
			...(words.length === 0
				? []
				: [`${start} -f -a ${quote(words.join(" "))}`]),
			...options
				.filter(({ flag }) => flag.startsWith("--"))
				.map(
					({ flag, about }) =>
						`${start} -l ${flag.slice(2)} -d ${quote(about)}`,
				),
		];
	});
	return lines.join("\n");
}
