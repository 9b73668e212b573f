/** A compiled eBPF object in the kernel: its programs, and maps that pins share. */
import { closeSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { MapDefinition } from "./codec.js";
import { check, errnoName, KernelError } from "./error.js";
import { type MapInfo, mapInfo, programInfo } from "./info.js";
import { libbpf, type Pointer, takeLog } from "./libbpf.js";
import { BpfMap, misfit } from "./map.js";

export interface OpenOptions {
	/**
	 * Directory on a bpffs where maps declared LIBBPF_PIN_BY_NAME are shared: a
	 * pin that is there is adopted with its contents and size, others are made.
	 * Without it nothing is pinned.
	 */
	readonly pinRoot?: string;
	/** Entries by map name, for maps that are made; others keep their default. */
	readonly mapSizes?: Readonly<Record<string, number>>;
	/** Programs to load, by name; all where absent. */
	readonly programs?: readonly string[];
}

export interface Program {
	readonly name: string;
	/** Belongs to the object: valid until its close(). */
	readonly fd: number;
	readonly id: number;
	/** Hash of the loaded instructions, 16 hex digits. */
	readonly tag: string;
}

export class BpfObject {
	readonly #programs = new Map<string, Program>();
	readonly #maps = new Map<string, number>();
	#object: Pointer | undefined;

	private constructor(
		readonly path: string,
		object: Pointer,
	) {
		this.#object = object;
		const lib = libbpf();
		for (
			let at = lib.nextProgram(object, null);
			at;
			at = lib.nextProgram(object, at)
		) {
			const fd = lib.programFd(at);
			const name = lib.programName(at);
			if (fd >= 0) this.#programs.set(name, { name, fd, ...programInfo(fd) });
		}
		for (let at = lib.nextMap(object, null); at; at = lib.nextMap(object, at))
			this.#maps.set(lib.mapName(at), lib.mapFd(at));
	}

	/**
	 * Opens and loads an object. Fails with the end of the verifier's log in the
	 * message and all of it in `log`; maps pinned until then stay.
	 */
	static open(path: string, options: OpenOptions = {}): BpfObject {
		if (!existsSync(path))
			throw new KernelError(`open ${path}`, "no such file", "npm run build");
		const lib = libbpf();
		takeLog();
		const object = lib.openFile(path, null);
		if (!object)
			throw new KernelError(
				`open ${path}`,
				lastLines(takeLog(), 3),
				"is it an eBPF object?",
			);
		try {
			chooseMaps(object, options);
			choosePrograms(object, options);
			const result = lib.load(object);
			if (result < 0) throw loadError(path, result);
			return new BpfObject(path, object);
		} catch (error) {
			lib.close(object);
			throw error;
		}
	}

	get programs(): readonly Program[] {
		return [...this.#programs.values()];
	}

	program(name: string): Program {
		const found = this.#programs.get(name);
		if (found) return found;
		throw new KernelError(
			`program ${name}`,
			`${this.path} has only ${[...this.#programs.keys()].join(", ")}`,
		);
	}

	/** File descriptor of a map, for a ring buffer; belongs to the object. */
	mapFd(name: string): number {
		const fd = this.#maps.get(name);
		if (fd !== undefined) return fd;
		throw new KernelError(
			`map ${name}`,
			`${this.path} has only ${[...this.#maps.keys()].join(", ")}`,
		);
	}

	/** The typed map; valid until close(). */
	map<K, V>(definition: MapDefinition<K, V>): BpfMap<K, V> {
		const fd = this.mapFd(definition.name);
		const why = misfit(fd, definition);
		if (why === "") return new BpfMap(fd, definition);
		throw new KernelError(
			`map ${definition.name}`,
			`${this.path} has ${why}`,
			"npm run build",
		);
	}

	/** Gives up file descriptors. What is attached or pinned goes on. */
	close(): void {
		if (this.#object === undefined) return;
		libbpf().close(this.#object);
		this.#object = undefined;
	}
}

function chooseMaps(object: Pointer, options: OpenOptions): void {
	const lib = libbpf();
	if (options.pinRoot !== undefined)
		mkdirSync(options.pinRoot, { recursive: true, mode: 0o700 });
	for (
		let map = lib.nextMap(object, null);
		map;
		map = lib.nextMap(object, map)
	) {
		const name = lib.mapName(map);
		const size = options.mapSizes?.[name];
		if (size !== undefined)
			check(`size of map ${name}`, lib.setMaxEntries(map, size));
		if (lib.pinPath(map) === null) continue;
		const pin =
			options.pinRoot === undefined ? null : join(options.pinRoot, name);
		check(`pin map ${name}`, lib.setPinPath(map, pin));
		if (pin !== null && existsSync(pin)) adopt(map, pin);
	}
}

/** libbpf itself only says "parameter mismatch", and takes no other size. */
function adopt(map: Pointer, pin: string): void {
	const lib = libbpf();
	const fd = check(`open pinned map ${pin}`, lib.getPinned(pin));
	let pinned: MapInfo;
	try {
		pinned = mapInfo(fd);
	} finally {
		closeSync(fd);
	}
	const differences = [
		["type", pinned.type, lib.mapType(map)],
		["key bytes", pinned.keySize, lib.mapKeySize(map)],
		["value bytes", pinned.valueSize, lib.mapValueSize(map)],
	]
		.filter(([, has, wants]) => has !== wants)
		.map(([what, has, wants]) => `${what} ${has} instead of ${wants}`);
	if (differences.length > 0)
		throw new KernelError(
			`adopt pinned map ${pin}`,
			`another layout: ${differences.join(", ")}`,
			"another version wrote it: remove the node's pins to start anew",
		);
	check(`size of map ${pin}`, lib.setMaxEntries(map, pinned.maxEntries));
}

function choosePrograms(object: Pointer, options: OpenOptions): void {
	if (!options.programs) return;
	const lib = libbpf();
	for (
		let at = lib.nextProgram(object, null);
		at;
		at = lib.nextProgram(object, at)
	)
		check(
			"choose program",
			lib.setAutoload(at, options.programs.includes(lib.programName(at))),
		);
}

function loadError(path: string, result: number): KernelError {
	const log = takeLog();
	const code = errnoName(result);
	const end = lastLines(
		log.filter(
			(line) =>
				!/^(processed \d+ insns|libbpf: failed to load object)|END PROG LOAD LOG/.test(
					line,
				),
		),
		12,
	);
	return new KernelError(`load ${path}`, `${code}\n${end}`, undefined, {
		code,
		log: log.join("\n"),
	});
}

function lastLines(lines: readonly string[], count: number): string {
	return lines.slice(-count).join("\n");
}
