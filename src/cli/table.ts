/** Tables as text: aligned columns that fit the terminal's width. */
import { type Colour, type Paint, plain, printable } from "./terminal.js";

export interface Column<Row> {
	readonly title: string;
	readonly value: (row: Row) => string | number | undefined;
	readonly align?: "right";
	readonly colour?: (row: Row) => Colour | undefined;
}

const GAP = "  ";
/** No column is cut below this. */
const NARROWEST = 6;
const NOTHING = "-";

export interface TableOptions {
	readonly width?: number | undefined;
	readonly paint?: Paint;
}

/** Lines without a final line break; wide columns are cut with `…` to fit. */
export function table<Row>(
	columns: readonly Column<Row>[],
	rows: readonly Row[],
	{ width, paint = plain }: TableOptions = {},
): string {
	const cells = rows.map((row) =>
		columns.map(({ value }) => {
			const text = value(row);
			return text === undefined || text === ""
				? NOTHING
				: printable(String(text)).replaceAll("\n", " ");
		}),
	);
	const widths = fit(
		columns.map(({ title }, i) =>
			Math.max(title.length, ...cells.map((line) => line[i]?.length ?? 0)),
		),
		width,
	);
	const line = (texts: readonly string[], row?: Row) =>
		columns
			.map((column, i) => {
				const size = widths[i] ?? 0;
				const text = cut(texts[i] ?? "", size);
				const isLast = i === columns.length - 1 && column.align !== "right";
				const padded = isLast
					? text
					: column.align === "right"
						? text.padStart(size)
						: text.padEnd(size);
				const colour = row === undefined ? "bold" : column.colour?.(row);
				return colour === undefined ? padded : paint(colour, padded);
			})
			.join(GAP)
			.trimEnd();
	return [
		line(columns.map(({ title }) => title)),
		...rows.map((row, i) => line(cells[i] ?? [], row)),
	].join("\n");
}

/** Takes from the widest column until all fit. */
function fit(wanted: readonly number[], width: number | undefined): number[] {
	const widths = [...wanted];
	if (width === undefined) return widths;
	const room = width - GAP.length * (widths.length - 1);
	let excess = widths.reduce((sum, size) => sum + size, 0) - room;
	while (excess > 0) {
		const widest = Math.max(...widths);
		if (widest <= NARROWEST) break;
		widths[widths.indexOf(widest)] = widest - 1;
		excess--;
	}
	return widths;
}

function cut(text: string, size: number): string {
	return text.length <= size ? text : `${text.slice(0, size - 1)}…`;
}

/** `12.3 MB`; bytes in powers of 1,000. */
export function bytes(count: number): string {
	const units = ["B", "kB", "MB", "GB", "TB"];
	let value = count;
	let unit = 0;
	while (value >= 1000 && unit < units.length - 1) {
		value /= 1000;
		unit++;
	}
	return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** `350ms`, `12s`, `5m`, `3h`, `2d`. */
export function duration(ms: number): string {
	const steps: readonly [limit: number, size: number, unit: string][] = [
		[1000, 1, "ms"],
		[120_000, 1000, "s"],
		[7_200_000, 60_000, "m"],
		[172_800_000, 3_600_000, "h"],
	];
	for (const [limit, size, unit] of steps)
		if (ms < limit) return `${Math.round(ms / size)}${unit}`;
	return `${Math.round(ms / 86_400_000)}d`;
}

/** Name of an IP protocol number, or the number. */
export function protocol(number: number): string {
	const names: Readonly<Record<number, string>> = {
		1: "icmp",
		6: "tcp",
		17: "udp",
		47: "gre",
		50: "esp",
		58: "icmpv6",
		132: "sctp",
	};
	return names[number] ?? String(number);
}
