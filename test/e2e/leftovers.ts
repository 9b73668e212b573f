/** What a run of the lab leaves behind: everything of it carries the run's id. */
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { run as runProgram } from "../../lab/process.js";

/** Directories in which a run makes files, pins or names of namespaces. */
const PLACES = [tmpdir(), "/run", "/run/netns", "/run/chainmail-lab"];
const PINS = "/sys/fs/bpf";
/** A port's end (functions/names.ts): none belongs outside a node's namespace. */
const PORT_END = /\bcmP\d+[iot]\b/;

/** Files, pins, namespaces and processes of a run, and interfaces of anybody's. */
export async function tracesOf(run: string): Promise<string[]> {
	const files = [...PLACES, PINS].flatMap((place) =>
		namesIn(place)
			.filter((name) => name.includes(run))
			.map((name) => `${place}/${name}`),
	);
	const { stdout } = await runProgram(["ip", "-o", "link"]);
	const interfaces = stdout
		.split("\n")
		.filter((line) => PORT_END.test(line) || line.includes(run));
	return [...files, ...interfaces, ...processesOf(run)];
}

/** Programs that name the run in their arguments. */
function processesOf(run: string): string[] {
	return namesIn("/proc")
		.filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
		.flatMap((pid) => {
			try {
				return [readFileSync(`/proc/${pid}/cmdline`, "utf8")];
			} catch {
				return [];
			}
		})
		.filter((line) => line.includes(run))
		.map((line) => line.replaceAll("\0", " "));
}

function namesIn(directory: string): string[] {
	try {
		return readdirSync(directory);
	} catch {
		return [];
	}
}
