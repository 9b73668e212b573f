/** Line plots as SVG: axes with units, all series in one picture, a legend above. */
import { scaleLinear, scaleLog } from "d3-scale";
import { line } from "d3-shape";

export interface Axis {
	/** What is on it, with its unit: `packet`, `transmission time, µs`. */
	readonly label: string;
	readonly log?: boolean;
	/** Values that get a tick (default: round ones). */
	readonly ticks?: readonly number[];
}

export interface Series {
	readonly name: string;
	readonly points: readonly (readonly [x: number, y: number])[];
	/** Something to compare with, not a result: thin and grey. */
	readonly reference?: boolean;
}

export interface Plot {
	/** Part of the file's name. */
	readonly name: string;
	readonly title: string;
	readonly x: Axis;
	readonly y: Axis;
	readonly series: readonly Series[];
}

const WIDTH = 720;
const HEIGHT = 440;
const AREA = { left: 72, right: WIDTH - 24, top: 84, bottom: HEIGHT - 56 };
/** Okabe and Ito's, told apart also by who sees fewer colours. */
const COLOURS = ["#d55e00", "#0072b2", "#009e73", "#cc79a7"];
const GREY = "#767676";
/** Markers on more points would hide the line. */
const MOST_MARKERS = 30;
const TICKS = 6;

type Scale = ReturnType<typeof scaleOf>;

export function svgOf({ title, x, y, series }: Plot): string {
	const points = series.flatMap((one) => one.points);
	const xs = scaleOf(
		x,
		points.map(([value]) => value),
		[AREA.left, AREA.right],
	);
	const ys = scaleOf(
		y,
		points.map(([, value]) => value),
		[AREA.bottom, AREA.top],
	);
	const colours = coloursOf(series);
	const parts = [
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#222">`,
		`<title>${escaped(title)}</title>`,
		`<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
		text(AREA.left, 30, title, `font-size="16" font-weight="bold"`),
		...legend(series, colours),
		...horizontal(y, ys),
		...vertical(x, xs),
		...series.map((one, i) => curve(one, colours[i] ?? GREY, xs, ys)),
		"</svg>",
	];
	return `${parts.join("\n")}\n`;
}

/** A linear axis starts at 0: lengths on it compare as the values do. */
function scaleOf(
	axis: Axis,
	values: readonly number[],
	[from, to]: readonly [number, number],
) {
	const least = Math.min(...values);
	const most = Math.max(...values);
	if (!axis.log)
		return scaleLinear().domain([0, most]).nice(TICKS).range([from, to]);
	if (least <= 0)
		throw new Error(`plot: ${axis.label}: ${least} on a logarithmic axis`);
	const scale = scaleLog().domain([least, most]).range([from, to]);
	return axis.ticks ? scale : scale.nice();
}

/** Ticks with their labels; of a logarithmic axis some have none. */
function ticksOf(axis: Axis, scale: Scale): [at: number, label: string][] {
	if (axis.ticks)
		return axis.ticks.map((value) => [scale(value), String(value)]);
	const format = scale.tickFormat(TICKS, axis.log ? "~r" : undefined);
	return scale.ticks(TICKS).map((value) => [scale(value), format(value)]);
}

function horizontal(axis: Axis, scale: Scale): string[] {
	const middle = (AREA.top + AREA.bottom) / 2;
	return [
		...ticksOf(axis, scale).flatMap(([at, label]) => [
			rule(AREA.left, at, AREA.right, at, label ? "#ddd" : "#f2f2f2"),
			text(AREA.left - 8, at + 4, label, `text-anchor="end"`),
		]),
		text(
			20,
			middle,
			axis.label,
			`text-anchor="middle" transform="rotate(-90 20 ${middle})"`,
		),
	];
}

function vertical(axis: Axis, scale: Scale): string[] {
	return [
		rule(AREA.left, AREA.bottom, AREA.right, AREA.bottom, "#222"),
		...ticksOf(axis, scale).flatMap(([at, label]) => [
			rule(at, AREA.bottom, at, AREA.bottom + (label ? 6 : 3), "#222"),
			text(at, AREA.bottom + 21, label, `text-anchor="middle"`),
		]),
		text(
			(AREA.left + AREA.right) / 2,
			HEIGHT - 14,
			axis.label,
			`text-anchor="middle"`,
		),
	];
}

function legend(
	series: readonly Series[],
	colours: readonly string[],
): string[] {
	const CHARACTER = 7;
	let at = AREA.left;
	return series.map(({ name, reference }, i) => {
		const from = at;
		at += 26 + name.length * CHARACTER + 24;
		return (
			stroke(`M${from},52H${from + 20}`, colours[i] ?? GREY, reference) +
			text(from + 26, 56, name)
		);
	});
}

function curve(
	{ points, reference }: Series,
	colour: string,
	xs: Scale,
	ys: Scale,
): string {
	const at = points.map(([x, y]): [number, number] => [
		round(xs(x)),
		round(ys(y)),
	]);
	const markers =
		at.length > MOST_MARKERS || reference
			? []
			: at.map(
					([x, y]) => `<circle cx="${x}" cy="${y}" r="4" fill="${colour}"/>`,
				);
	return stroke(line()(at) ?? "", colour, reference) + markers.join("");
}

function coloursOf(series: readonly Series[]): string[] {
	let used = 0;
	return series.map(({ reference }) =>
		reference ? GREY : (COLOURS[used++ % COLOURS.length] ?? GREY),
	);
}

function stroke(path: string, colour: string, reference = false): string {
	const style = reference
		? `stroke-width="1.5" stroke-dasharray="5 4"`
		: `stroke-width="2"`;
	return `<path d="${path}" fill="none" stroke="${colour}" ${style} stroke-linejoin="round"/>`;
}

function rule(
	x1: number,
	y1: number,
	x2: number,
	y2: number,
	colour: string,
): string {
	return `<path d="M${round(x1)},${round(y1)}L${round(x2)},${round(y2)}" stroke="${colour}"/>`;
}

function text(x: number, y: number, content: string, style = ""): string {
	return content === ""
		? ""
		: `<text x="${round(x)}" y="${round(y)}" ${style}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
	return content.replace(
		/[&<>]/g,
		(sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign] ?? sign,
	);
}

function round(value: number): number {
	return Math.round(value * 100) / 100;
}
