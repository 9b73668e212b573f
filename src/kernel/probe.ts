/**
 * What this machine can do, found out by doing it: `chainmail doctor`. Takes
 * about 0.2 s, blocks the event loop meanwhile and leaves nothing behind.
 */
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import type { DoctorCheck } from "../plan/protocol.js";
import { attachProgram } from "./attach.js";
import { hasBpffs } from "./bpffs.js";
import { u32, u64 } from "./codec.js";
import { check, KernelError } from "./error.js";
import { libbpf, takeLog } from "./libbpf.js";
import { libcrypto } from "./libcrypto.js";
import { createMap } from "./map.js";
import { inScratchNetns } from "./scratch.js";
import { tryEsp } from "./xfrm-probe.js";

const SCHED_CLS = 3;
const TCX_INGRESS = 46;
/** The only interface of a new namespace: loopback. */
const LOOPBACK = 1;

/** All checks; one that cannot be made counts as failed, with the cause. */
export function probe(): DoctorCheck[] {
	return [
		required(
			"root",
			"run as root: eBPF and namespaces need CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN",
			hasRights,
		),
		required("kernel", "install Linux 6.1 or newer", () =>
			newEnough(release(), 6, 1),
		),
		required("libbpf", "apt-get install libbpf1", () =>
			newEnough(libbpf().version().slice(1), 1, 0),
		),
		required("btf", "use a kernel with CONFIG_DEBUG_INFO_BTF", () =>
			mustExist("/sys/kernel/btf/vmlinux"),
		),
		optional("bpffs", "the agent mounts it at /sys/fs/bpf", mountedBpffs),
		required(
			"memlock",
			"raise RLIMIT_MEMLOCK (ulimit -l unlimited)",
			lockMemory,
		),
		required("ring-buffer", "use a kernel with BPF_MAP_TYPE_RINGBUF", () =>
			makeMap("ringbuf", 0, 0, 65536),
		),
		required("lpm-trie", "use a kernel with BPF_MAP_TYPE_LPM_TRIE", () =>
			makeMap("lpm_trie", 8, 4, 16),
		),
		optional("tcx", "attached through a clsact filter instead", attachTcx),
		required(
			"clsact",
			"use a kernel with CONFIG_NET_CLS_BPF and CONFIG_NET_SCH_INGRESS",
			attachClsact,
		),
		required(
			"redirect-peer",
			"use a kernel with the helper bpf_redirect_peer",
			() => closeSync(loadProgram(REDIRECT_PEER)),
		),
		...links(),
		required(
			"nft",
			"apt-get install nftables, and a kernel with CONFIG_NF_TABLES",
			applyRules,
		),
		optional(
			"nsh",
			"not used: the data plane reads and writes NSH itself",
			kernelNsh,
		),
		optional(
			"openvswitch",
			"not used; the project's own tests run Open vSwitch in user space",
			ovsDatapath,
		),
	];
}

function required(
	name: string,
	fix: string,
	attempt: () => unknown,
): DoctorCheck {
	return { ...tried(name, fix, attempt), required: true };
}

function optional(
	name: string,
	fallback: string,
	attempt: () => unknown,
): DoctorCheck {
	return { ...tried(name, fallback, attempt), required: false };
}

/** An attempt fails by throwing; a text it returns is worth telling. */
function tried(name: string, remedy: string, attempt: () => unknown) {
	try {
		const told = attempt();
		return {
			name,
			ok: true,
			detail: typeof told === "string" ? told : "works",
		};
	} catch (error) {
		const cause = error instanceof Error ? error.message : String(error);
		/* Without rights nothing is known of the kernel: its remedy would mislead. */
		if (error instanceof KernelError && error.code === "EPERM")
			return { name, ok: false, detail: cause };
		return { name, ok: false, detail: `${cause.split("\n")[0]} (${remedy})` };
	}
}

function newEnough(version: string, major: number, minor: number): string {
	const [have = 0, haveMinor = 0] = version.split(/[.-]/).map(Number);
	if (have > major || (have === major && haveMinor >= minor)) return version;
	throw new Error(`${version} is older than ${major}.${minor}`);
}

function hasRights(): void {
	const status = readFileSync("/proc/self/status", "utf8");
	const effective = BigInt(
		`0x${/^CapEff:\s*([\da-f]+)/m.exec(status)?.[1] ?? "0"}`,
	);
	const NEEDED = {
		CAP_NET_ADMIN: 12,
		CAP_NET_RAW: 13,
		CAP_SYS_ADMIN: 21,
		CAP_BPF: 39,
	};
	const lacking = Object.entries(NEEDED).filter(
		([, bit]) => (effective & (1n << BigInt(bit))) === 0n,
	);
	if (lacking.length > 0)
		throw new Error(`no ${lacking.map(([name]) => name).join(", ")}`);
}

function mustExist(path: string): void {
	if (!existsSync(path)) throw new Error(`${path} is missing`);
}

function mountedBpffs(): void {
	if (!hasBpffs()) throw new Error("not mounted");
}

function makeMap(
	type: "ringbuf" | "lpm_trie" | "array",
	key: number,
	value: number,
	maxEntries: number,
): void {
	const sized = (size: number) => ({ ...u32, size });
	closeSync(
		createMap({
			name: "doctor",
			type,
			maxEntries,
			key: sized(key),
			value: sized(value),
		}).fd,
	);
}

/** More than the usual limit of 8 MiB; kernels since 5.11 count by cgroup. */
function lockMemory(): void {
	makeMap("array", u32.size, u64.size, 1 << 21);
}

/* r0 = 0; exit */
const NOTHING = [0xb7, 0, 0x95, 0];
/* r1 = 1; r2 = 0; call bpf_redirect_peer; exit */
const REDIRECT_PEER = [0x1b7, 1, 0x2b7, 0, 0x85, 155, 0x95, 0];

/** Loads a tc program given as opcode and immediate of each instruction. */
function loadProgram(words: readonly number[]): number {
	const instructions = Buffer.alloc(words.length * 4);
	words.forEach((word, i) => {
		instructions.writeUInt32LE(word, i * 4);
	});
	const fd = libbpf().loadProgram(
		SCHED_CLS,
		"doctor",
		"GPL",
		instructions,
		words.length / 2,
		null,
	);
	takeLog();
	return check("load a program", fd);
}

function withProgram(use: (fd: number) => void): void {
	const fd = loadProgram(NOTHING);
	try {
		inScratchNetns<void>(() => use(fd));
	} finally {
		closeSync(fd);
	}
}

function attachTcx(): void {
	withProgram((fd) =>
		closeSync(
			check(
				"make a tcx link",
				libbpf().createLink(fd, LOOPBACK, TCX_INGRESS, null),
			),
		),
	);
}

function attachClsact(): void {
	withProgram((programFd) =>
		attachProgram({
			ifindex: LOOPBACK,
			programFd,
			pinPath: "",
			forceClsact: true,
		}),
	);
}

const VETH = "ip link add d0 type veth peer name d1";

/** Interfaces, states and rules that kernels may be built without. */
function links(): DoctorCheck[] {
	const works = (...commands: string[]) => {
		return () => inScratchNetns<void>(() => commands.forEach(command));
	};
	return [
		required(
			"veth",
			"use a kernel with CONFIG_VETH, and apt-get install iproute2",
			works(VETH),
		),
		required(
			"policy-routing",
			"use a kernel with CONFIG_IP_MULTIPLE_TABLES",
			works("ip rule add iif d0 priority 100 table 100"),
		),
		optional(
			"bridge",
			"functions that are Linux bridges cannot run here",
			works("ip link add d0 type bridge"),
		),
		optional(
			"gre",
			"not used by this version",
			works("ip link add d0 type gre local 192.0.2.1 remote 192.0.2.2"),
		),
		optional(
			"wireguard",
			"not used by this version",
			works("ip link add d0 type wireguard"),
		),
		optional("esp", "sealed hops are encrypted in user space", tryEsp),
		optional(
			"libcrypto",
			"hops cannot be sealed in user space: apt-get install libssl3",
			libcrypto,
		),
		optional(
			"ethtool",
			"hops cannot be sealed: apt-get install ethtool",
			works(VETH, "ethtool -K d0 tx off"),
		),
		optional(
			"netem",
			"not used on nodes; links of the project's own lab have no delay or loss",
			works(VETH, "tc qdisc add dev d0 root netem delay 1ms"),
		),
	];
}

function applyRules(): void {
	const rules =
		"table ip d { chain c { type filter hook forward priority 0; tcp dport 80 counter drop; }; }";
	inScratchNetns<void>(() => succeed("nft", ["-f", "-"], rules));
}

function kernelNsh(): void {
	if (/ nsh_push\b/m.test(readFileSync("/proc/kallsyms", "latin1"))) return;
	succeed("modinfo", ["-n", "nsh"]);
}

function ovsDatapath(): void {
	succeed("genl", ["ctrl", "get", "name", "ovs_datapath"]);
}

function command(line: string): void {
	const [name = "", ...args] = line.split(" ");
	succeed(name, args);
}

function succeed(command: string, args: readonly string[], input = ""): void {
	const { error, status, stderr } = spawnSync(command, args, {
		input,
		encoding: "utf8",
		timeout: 5000,
	});
	if (error) throw error;
	if (status !== 0)
		throw new Error(stderr.trim().split("\n")[0] || `${command} failed`);
}
