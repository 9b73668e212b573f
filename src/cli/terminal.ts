/** Where a command writes, and how wide and colourful that may be. */

export interface Terminal {
	/** Results. */
	out(text: string): void;
	/** Everything else: hints, warnings, errors. */
	err(text: string): void;
	/** Columns; undefined where lines may have any length (pipes, files). */
	readonly width: number | undefined;
	readonly isTty: boolean;
	readonly paint: Paint;
}

export type Colour = "red" | "green" | "yellow" | "cyan" | "dim" | "bold";
export type Paint = (colour: Colour, text: string) => string;

const CODES: Readonly<Record<Colour, readonly [on: number, off: number]>> = {
	bold: [1, 22],
	dim: [2, 22],
	red: [31, 39],
	green: [32, 39],
	yellow: [33, 39],
	cyan: [36, 39],
};

export const plain: Paint = (_colour, text) => text;
export const coloured: Paint = (colour, text) => {
	const [on, off] = CODES[colour];
	return `\u001b[${on}m${text}\u001b[${off}m`;
};

/** The process's own terminal; colour only on a TTY without NO_COLOR. */
export function processTerminal(): Terminal {
	const { stdout, stderr, env } = process;
	// A reader that has seen enough (head, less) is no error.
	for (const stream of [stdout, stderr])
		stream.on("error", (error: NodeJS.ErrnoException) => {
			if (error.code === "EPIPE") process.exit(0);
			throw error;
		});
	const isTty = stdout.isTTY === true;
	const wantsColour = isTty && (env.NO_COLOR ?? "") === "";
	return {
		out: (text) => void stdout.write(`${text}\n`),
		err: (text) => void stderr.write(`${text}\n`),
		width: isTty ? stdout.columns : undefined,
		isTty,
		paint: wantsColour && env.TERM !== "dumb" ? coloured : plain,
	};
}

/** Removes what could steer a terminal from text that others wrote. */
export function printable(text: string): string {
	return text.replace(/[\p{Cc}\p{Cf}]/gu, (c) => (c === "\n" ? c : "?"));
}
