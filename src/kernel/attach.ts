/**
 * Programs at tc ingress or egress: a tcx link, pinned so that it outlives us, or a clsact
 * filter where the kernel has no tcx (before 6.6). Either is replaced atomically:
 * each packet meets the old program or the new one.
 */
import { closeSync, existsSync, mkdirSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { withNetns } from "./enter.js";
import { check, EEXIST, EINVAL, ENOENT, KernelError } from "./error.js";
import { linkInfo, programInfo } from "./info.js";
import { libbpf } from "./libbpf.js";

/** enum bpf_attach_type of tcx, and enum bpf_tc_attach_point of clsact. */
const POINTS = {
	ingress: { tcx: 46, clsact: 1 },
	egress: { tcx: 47, clsact: 2 },
} as const;
const LINK_TYPE_TCX = 11;

export interface Place {
	/** Interface, by its index in `netns`. */
	readonly ifindex: number;
	/** What the program sees: packets that come in (default), or that leave. */
	readonly direction?: keyof typeof POINTS;
	/** Where the tcx link is pinned, on a bpffs. */
	readonly pinPath: string;
	/** Namespace of the interface by name; where this process is if absent. */
	readonly netns?: string;
}

export interface AttachOptions extends Place {
	readonly programFd: number;
	/** Do as on a kernel without tcx; for tests. */
	readonly forceClsact?: boolean;
}

export interface Attached {
	readonly kind: "tcx" | "clsact";
	/** Whether another program (or the same one) was attached before. */
	readonly replaced: boolean;
}

/** Attaches a program, or puts it in the place of the one that is attached. */
export function attachProgram(options: AttachOptions): Attached {
	return withNetns<Attached>(options.netns, () => {
		const tcx = options.forceClsact ? undefined : attachTcx(options);
		return tcx ?? attachClsact(options);
	});
}

/** Takes our program off; false where none was attached. */
export function detach(place: Place): boolean {
	return withNetns<boolean>(
		place.netns,
		() => detachTcx(place) || detachClsact(place),
	);
}

/** Tag of our program on the interface; undefined where none is attached. */
export function attachedTag(place: Place): string | undefined {
	const id = withNetns<number>(
		place.netns,
		() => tcxProgram(place) || clsactProgram(place),
	);
	if (id === 0) return undefined;
	const fd = check(`open program ${id}`, libbpf().programById(id));
	try {
		return programInfo(fd).tag;
	} finally {
		closeSync(fd);
	}
}

/** undefined: the kernel has no tcx. */
function attachTcx({
	ifindex,
	direction = "ingress",
	programFd,
	pinPath,
}: AttachOptions): Attached | undefined {
	const lib = libbpf();
	if (existsSync(pinPath)) {
		const replaced = withLink(pinPath, (link) => {
			if (linkInfo(link).ifindex !== ifindex) return false;
			check(
				`replace program at ${pinPath}`,
				lib.updateLink(link, programFd, null),
			);
			return true;
		});
		if (replaced) return { kind: "tcx", replaced };
		/* Its interface is gone: a link without one cannot be moved. */
		unlinkSync(pinPath);
	}
	const link = lib.createLink(programFd, ifindex, POINTS[direction].tcx, null);
	if (link === -EINVAL) return undefined;
	check(`attach to interface ${ifindex}`, link);
	try {
		mkdirSync(dirname(pinPath), { recursive: true, mode: 0o700 });
		check(`pin ${pinPath}`, lib.pin(link, pinPath), "is it on a bpffs?");
	} finally {
		closeSync(link);
	}
	return { kind: "tcx", replaced: false };
}

function detachTcx({ pinPath, ifindex }: Place): boolean {
	if (!existsSync(pinPath)) return false;
	const attached = withLink(pinPath, (link) => {
		if (linkInfo(link).ifindex !== ifindex) return false;
		check(`detach ${pinPath}`, libbpf().detachLink(link));
		return true;
	});
	unlinkSync(pinPath);
	return attached;
}

function tcxProgram({ pinPath, ifindex }: Place): number {
	if (!existsSync(pinPath)) return 0;
	return withLink(pinPath, (link) => {
		const info = linkInfo(link);
		return info.ifindex === ifindex ? info.programId : 0;
	});
}

function withLink<T>(pinPath: string, use: (link: number) => T): T {
	const link = check(`open link ${pinPath}`, libbpf().getPinned(pinPath));
	try {
		if (linkInfo(link).type !== LINK_TYPE_TCX)
			throw new KernelError(
				`open link ${pinPath}`,
				"it is no tcx link",
				"remove what others pinned there",
			);
		return use(link);
	} finally {
		closeSync(link);
	}
}

/* Ours among the filters of an interface: first in order, "cm" as handle. */
const PRIORITY = 1;
const HANDLE = 0x636d;
const REPLACE = 1;

type Hook = Pick<Place, "ifindex" | "direction">;

/** struct bpf_tc_hook. */
function hook({ ifindex, direction = "ingress" }: Hook): Buffer {
	const buffer = Buffer.alloc(24);
	buffer.writeBigUInt64LE(BigInt(buffer.length), 0);
	buffer.writeInt32LE(ifindex, 8);
	buffer.writeInt32LE(POINTS[direction].clsact, 12);
	return buffer;
}

const PROGRAM_ID = 16;

/** struct bpf_tc_opts for our filter. */
function filter(programFd = 0, flags = 0): Buffer {
	const buffer = Buffer.alloc(32);
	buffer.writeBigUInt64LE(BigInt(buffer.length), 0);
	buffer.writeInt32LE(programFd, 8);
	buffer.writeUInt32LE(flags, 12);
	buffer.writeUInt32LE(HANDLE, 20);
	buffer.writeUInt32LE(PRIORITY, 24);
	return buffer;
}

function attachClsact({ programFd, ...at }: AttachOptions): Attached {
	const lib = libbpf();
	const { ifindex } = at;
	const created = lib.hookCreate(hook(at));
	if (created !== -EEXIST)
		check(`make clsact on interface ${ifindex}`, created);
	const replaced = clsactProgram(at) !== 0;
	check(
		`attach to interface ${ifindex}`,
		lib.tcAttach(hook(at), filter(programFd, REPLACE)),
	);
	return { kind: "clsact", replaced };
}

/** The qdisc stays: others may have put filters there. */
function detachClsact(at: Hook): boolean {
	const result = libbpf().tcDetach(hook(at), filter());
	if (absent(result)) return false;
	check(`detach from interface ${at.ifindex}`, result);
	return true;
}

/** Id of our filter's program; 0 where there is none. */
function clsactProgram(at: Hook): number {
	const query = filter();
	const result = libbpf().tcQuery(hook(at), query);
	if (absent(result)) return 0;
	check(`look at filters of interface ${at.ifindex}`, result);
	return query.readUInt32LE(PROGRAM_ID);
}

/** No such filter, no clsact (EINVAL), or no such interface any more. */
function absent(result: number): boolean {
	const ENODEV = 19;
	return [-ENOENT, -EINVAL, -ENODEV].includes(result);
}
