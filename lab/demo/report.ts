/** What the demo prints: numbered stages, commands, and what held or did not. */

const isColoured = process.stdout.isTTY === true && !process.env.NO_COLOR;
const paint = (code: number, text: string): string =>
	isColoured ? `\u001b[${code}m${text}\u001b[0m` : text;

export class Report {
	readonly failures: string[] = [];
	readonly #started = performance.now();
	#stage = 0;

	/** Title of the next part of the story, with the time since the start. */
	stage(title: string): void {
		const seconds = ((performance.now() - this.#started) / 1000).toFixed(1);
		this.#stage++;
		console.log(
			`\n${paint(1, `${this.#stage}. ${title}`)} ${paint(2, `(${seconds} s)`)}`,
		);
	}

	say(text: string): void {
		console.log(indent(text));
	}

	/** A command as a user would type it, with its output. */
	command(argv: readonly string[], output = ""): void {
		console.log(indent(paint(36, `$ ${argv.join(" ")}`)));
		if (output.trim() !== "") console.log(indent(output.trimEnd()));
	}

	/** Something that has to hold; the demo goes on either way. */
	check(holds: boolean, what: string, otherwise = ""): void {
		const mark = holds ? paint(32, "✔") : paint(31, "✖");
		const detail = holds || otherwise === "" ? "" : `: ${otherwise}`;
		console.log(indent(`${mark} ${what}${detail}`));
		if (!holds) this.failures.push(`${what}${detail}`);
	}
}

function indent(text: string): string {
	return text
		.split("\n")
		.map((line) => `   ${line}`)
		.join("\n");
}

/** `12.3 Gbit/s`. */
export function bitRate(bitsPerSecond: number): string {
	return bitsPerSecond >= 1e9
		? `${(bitsPerSecond / 1e9).toFixed(1)} Gbit/s`
		: `${(bitsPerSecond / 1e6).toFixed(0)} Mbit/s`;
}
