/**
 * The data plane of one node: its programs, the maps they share, and the
 * interfaces they are attached to. All of it is pinned and outlives the agent.
 */
import { existsSync, readdirSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import {
	attachedTag,
	attachProgram,
	detach,
	type Place,
} from "../kernel/attach.js";
import {
	BpfMap,
	BpfObject,
	KernelError,
	LAYOUT_VERSION,
	MAPS,
	type MapDefinition,
} from "../kernel/bpf.js";
import { BPFFS, ensureBpffs } from "../kernel/bpffs.js";
import { built } from "../kernel/installation.js";

/** Programs, and the packets of an interface they see. */
const DIRECTIONS = {
	access: "ingress",
	port: "ingress",
	underlay: "ingress",
	inner: "ingress",
	outer: "ingress",
	wire: "egress",
} as const;
export type ProgramName = keyof typeof DIRECTIONS;
type Direction = (typeof DIRECTIONS)[ProgramName];
export const PROGRAMS = Object.keys(DIRECTIONS) as ProgramName[];

/** Every map that has keys, typed. */
export type Maps = {
	readonly [K in keyof typeof MAPS as (typeof MAPS)[K] extends MapDefinition<
		infer _K,
		infer _V
	>
		? K
		: never]: (typeof MAPS)[K] extends MapDefinition<infer Key, infer Value>
		? BpfMap<Key, Value>
		: never;
};

export interface DataPlaneOptions {
	readonly prefix: string;
	readonly node: string;
	/** The node's network namespace; that of this process where absent. */
	readonly netns?: string | undefined;
	/** Directory of the compiled objects; the built ones where absent. */
	readonly objects?: string | undefined;
	/** Entries by map name, for maps that are made. */
	readonly mapSizes?: Readonly<Record<string, number>> | undefined;
	/** Indexes of all interfaces of the node. */
	readonly interfaces: readonly number[];
	/** Removes maps of another layout: running flows start anew. */
	readonly replaceLayout?: boolean | undefined;
	/** Called before that takes programs off these interfaces. */
	readonly beforeRemoval?:
		| ((attached: readonly number[]) => Promise<void>)
		| undefined;
}

const BUILT = built("bpf");

/** Where a node's maps and links are pinned. */
export function pinDirectory(prefix: string, node: string): string {
	return join(BPFFS, prefix, node);
}

export class DataPlane {
	readonly #directory: string;
	readonly #netns: string | undefined;
	readonly #objects: ReadonlyMap<ProgramName, BpfObject>;
	readonly maps: Maps;

	private constructor(
		options: DataPlaneOptions,
		objects: ReadonlyMap<ProgramName, BpfObject>,
	) {
		this.#directory = pinDirectory(options.prefix, options.node);
		this.#netns = options.netns;
		this.#objects = objects;
		const object = objects.get("access");
		if (!object) throw new Error("data plane: no object is loaded");
		const opened = Object.entries(MAPS)
			.filter(([, definition]) => "key" in definition)
			.map(([name, definition]) => [
				name,
				object.map(definition as MapDefinition<unknown, unknown>),
			]);
		this.maps = Object.fromEntries(opened) as Maps;
	}

	/** Loads the programs and adopts the maps a former agent left pinned. */
	static async open(options: DataPlaneOptions): Promise<DataPlane> {
		await ensureBpffs();
		const pinRoot = pinDirectory(options.prefix, options.node);
		const differs = layoutDiffers(options);
		if (differs !== undefined) {
			if (!options.replaceLayout) throw differs;
			await options.beforeRemoval?.(attachedTo(options));
			removePins(options, options.interfaces);
		}
		const objects = new Map<ProgramName, BpfObject>();
		try {
			for (const name of PROGRAMS) {
				const path = join(options.objects ?? BUILT, `${name}.bpf.o`);
				objects.set(
					name,
					BpfObject.open(path, {
						pinRoot,
						...(options.mapSizes && { mapSizes: options.mapSizes }),
					}),
				);
			}
			return new DataPlane(options, objects);
		} catch (error) {
			for (const object of objects.values()) object.close();
			throw error;
		}
	}

	/** Descriptor of the ring buffer of events. */
	get eventsFd(): number {
		return this.#object("access").mapFd(MAPS.events.name);
	}

	/**
	 * Sees to it that this program, in this very version, runs at an interface.
	 * Another version is replaced between two packets.
	 */
	attach(ifindex: number, name: ProgramName): "new" | "replaced" | "kept" {
		const program = this.#object(name).program(name);
		const place = this.#place(ifindex, DIRECTIONS[name]);
		if (attachedTag(place) === program.tag) return "kept";
		const { replaced } = attachProgram({ ...place, programFd: program.fd });
		return replaced ? "replaced" : "new";
	}

	/** Takes our programs off every interface of `present` that is not in `keep`. */
	detachOthers(keep: ReadonlySet<number>, present: readonly number[]): void {
		detachAll(
			this.#directory,
			this.#netns,
			present.filter((ifindex) => !keep.has(ifindex)),
		);
		for (const [direction, ifindex] of linkPins(this.#directory))
			if (!keep.has(ifindex))
				unlinkSync(this.#place(ifindex, direction).pinPath);
	}

	/** Takes programs of one direction alone off these interfaces. */
	detach(direction: Direction, interfaces: readonly number[]): void {
		for (const ifindex of interfaces)
			detachFrom(this.#place(ifindex, direction));
	}

	/** Gives up file descriptors; traffic flows on. */
	close(): void {
		for (const object of this.#objects.values()) object.close();
	}

	#object(name: ProgramName): BpfObject {
		const found = this.#objects.get(name);
		if (!found) throw new Error(`data plane: ${name} is not loaded`);
		return found;
	}

	#place(ifindex: number, direction: Direction): Place {
		return placeOf(this.#directory, ifindex, this.#netns, direction);
	}
}

const LINKS = "links";
const PIN_PREFIX = { ingress: "if", egress: "out" } as const;
const LINK_PIN = /^(if|out)(\d+)$/;

function placeOf(
	directory: string,
	ifindex: number,
	netns: string | undefined,
	direction: Direction,
): Place {
	return {
		ifindex,
		direction,
		pinPath: join(directory, LINKS, `${PIN_PREFIX[direction]}${ifindex}`),
		...(netns !== undefined && { netns }),
	};
}

/** The interfaces whose links are pinned, by their indexes. */
function linkPins(directory: string): (readonly [Direction, number])[] {
	const links = join(directory, LINKS);
	if (!existsSync(links)) return [];
	return readdirSync(links).flatMap((name) => {
		const [, prefix, ifindex] = LINK_PIN.exec(name) ?? [];
		if (prefix === undefined) return [];
		const direction = prefix === PIN_PREFIX.egress ? "egress" : "ingress";
		return [[direction, Number(ifindex)] as const];
	});
}

/** Also finds what is attached without a pin, as on kernels without tcx. */
function detachAll(
	directory: string,
	netns: string | undefined,
	interfaces: readonly number[],
): void {
	for (const ifindex of interfaces)
		for (const direction of ["ingress", "egress"] as const)
			detachFrom(placeOf(directory, ifindex, netns, direction));
}

/** Of these interfaces those that have a program of ours. */
function attachedTo(options: DataPlaneOptions): number[] {
	const directory = pinDirectory(options.prefix, options.node);
	return options.interfaces.filter((ifindex) =>
		(["ingress", "egress"] as const).some(
			(direction) =>
				attachedTag(placeOf(directory, ifindex, options.netns, direction)) !==
				undefined,
		),
	);
}

function detachFrom(place: Place): void {
	if (attachedTag(place) !== undefined) detach(place);
}

/** Takes every program off these interfaces and removes every pin of a node. */
export function removePins(
	options: Pick<DataPlaneOptions, "prefix" | "node" | "netns">,
	interfaces: readonly number[],
): void {
	const directory = pinDirectory(options.prefix, options.node);
	detachAll(directory, options.netns, interfaces);
	rmSync(directory, { recursive: true, force: true });
	const parent = join(BPFFS, options.prefix);
	if (existsSync(parent) && readdirSync(parent).length === 0)
		rmSync(parent, { recursive: true });
}

/** Error that says how to go on, where pinned maps are not of our layout. */
function layoutDiffers(options: DataPlaneOptions): KernelError | undefined {
	const directory = pinDirectory(options.prefix, options.node);
	const pin = join(directory, MAPS.config.name);
	if (!existsSync(pin)) return undefined;
	const refuse = (cause: string) =>
		new KernelError(
			`adopt ${directory}`,
			cause,
			"start the agent once with --replace-layout: running flows are then classified anew; or go back to the version that made them",
		);
	try {
		const map = BpfMap.open(pin, MAPS.config);
		try {
			const layout = map.get(0)?.layout ?? 0;
			/* 0: made a moment ago, nothing was written yet. */
			if (layout === LAYOUT_VERSION || layout === 0) return undefined;
			return refuse(
				`its maps have layout ${layout}, this version writes ${LAYOUT_VERSION}`,
			);
		} finally {
			map.close();
		}
	} catch (error) {
		return refuse(error instanceof Error ? error.message : String(error));
	}
}
