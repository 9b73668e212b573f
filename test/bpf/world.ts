/**
 * A node for PROG_TEST_RUN, without a network: the test process moves into a
 * network namespace of its own (it ends with the process), makes the interfaces
 * the state names, loads the programs and fills their maps with the
 * agent's own tables. Several worlds are as many nodes, each in its namespace.
 */
import { execFileSync } from "node:child_process";
import {
	closeSync,
	existsSync,
	mkdirSync,
	openSync,
	readdirSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import * as koffi from "koffi";
import * as network from "../../src/agent/tables/network.js";
import {
	boundPaths,
	PathTables,
	portEntries,
} from "../../src/agent/tables/paths.js";
import { RuleTables, ruleSetIndex } from "../../src/agent/tables/rules.js";
import { sync } from "../../src/agent/tables/sync.js";
import type {
	Attachment,
	PortAttachments,
} from "../../src/functions/runtime.js";
import {
	BpfMap,
	BpfObject,
	DROP_REASON_NAMES,
	MAPS,
	type TestContext,
	type TestResult,
	testRun,
} from "../../src/kernel/bpf.js";
import type { NodeState } from "../../src/plan/state.js";
import { root } from "../../tools/root.js";

const CLONE_NEWNET = 0x40000000;
const libc = koffi.load(null);
const unshare: (flags: number) => number = libc.func("int unshare(int flags)");
const setns: (fd: number, type: number) => number = libc.func(
	"int setns(int fd, int type)",
);
const BPFFS = "/sys/fs/bpf";
const TC_VERDICTS: Record<number, string> = {
	0: "pass",
	2: "drop",
	7: "redirect",
};

export function verdictOf({ retval }: TestResult): string {
	return TC_VERDICTS[retval] ?? `verdict ${retval}`;
}

const PROGRAMS = [
	"access",
	"port",
	"underlay",
	"inner",
	"outer",
	"wire",
] as const;
export type ProgramName = (typeof PROGRAMS)[number];

/** Host ends of the node's encryption function. */
const EF = { inside: "efi", outside: "efo" } as const;

export interface Outcome {
	readonly verdict: string;
	/** Reasons whose counters rose, one name for each packet. */
	readonly drops: readonly string[];
	readonly data: Buffer;
	readonly durationNs: number;
}

/** MAC address of the n-th neighbour of the world's interfaces. */
export function mac(n: number): string {
	return `02:00:00:00:01:${n.toString(16).padStart(2, "0")}`;
}

/** Number of worlds this process has made. */
let made = 0;
/** Whose namespace the process is in. */
let entered: World | undefined;

/** Pins of tests that were killed. */
function sweepDeadWorlds(): void {
	for (const name of readdirSync(BPFFS)) {
		const pid = /^cmtest-(\d+)-\d+$/.exec(name)?.[1];
		if (pid !== undefined && !existsSync(`/proc/${pid}`))
			rmSync(join(BPFFS, name), { recursive: true, force: true });
	}
}

/** It lives as long as the process, unless it is closed. */
export class World {
	readonly pinRoot: string;
	readonly #netns: number;
	#dropped: readonly number[] = [];
	readonly #objects: Record<ProgramName, BpfObject>;
	readonly #interfaces = new Map<string, { ifindex: number; mac: string }>();
	readonly maps;

	private constructor(
		pinRoot: string,
		mapSizes: Readonly<Record<string, number>>,
	) {
		this.pinRoot = pinRoot;
		this.#netns = openSync("/proc/thread-self/ns/net", "r");
		mkdirSync(pinRoot, { recursive: true });
		const open = (name: ProgramName) =>
			BpfObject.open(join(root, "dist/bpf", `${name}.bpf.o`), {
				pinRoot,
				mapSizes,
			});
		this.#objects = Object.fromEntries(
			PROGRAMS.map((name) => [name, open(name)]),
		) as Record<ProgramName, BpfObject>;
		const map = <K, V>(definition: Parameters<typeof BpfMap.open<K, V>>[1]) =>
			BpfMap.open(join(pinRoot, definition.name), definition);
		this.maps = {
			flows: map(MAPS.flows),
			states: map(MAPS.states),
			rewrites: map(MAPS.rewrites),
			frags: map(MAPS.frags),
			ifaces: map(MAPS.ifaces),
			ruleSets: map(MAPS.ruleSets),
			ruleVersions: map(MAPS.ruleVersions),
			ruleMasks: map(MAPS.ruleMasks),
			rules: map(MAPS.rules),
			groups: map(MAPS.groups),
			paths: map(MAPS.paths),
			hops: map(MAPS.hops),
			hopCounters: map(MAPS.hopCounters),
			portCounters: map(MAPS.portCounters),
			ports: map(MAPS.ports),
			nodes: map(MAPS.nodes),
			peers: map(MAPS.peers),
			locals: map(MAPS.locals),
			subnets: map(MAPS.subnets),
			owners: map(MAPS.owners),
			config: map(MAPS.config),
			ef: map(MAPS.ef),
			drops: map(MAPS.drops),
			probes: map(MAPS.probes),
			services: map(MAPS.services),
			shortcuts: map(MAPS.shortcuts),
			shortcutCounters: map(MAPS.shortcutCounters),
			epochs: map(MAPS.epochs),
			grants: map(MAPS.grants),
			granted: map(MAPS.granted),
			verdictCounters: map(MAPS.verdictCounters),
		};
	}

	/** Builds the node `state` describes; its ports become veths of this name. */
	static open(
		state: NodeState,
		options: {
			readonly mapSizes?: Readonly<Record<string, number>>;
			/** ip(8) batch lines run after the interfaces exist: addresses, routes. */
			readonly network?: readonly string[];
			readonly locals?: readonly string[];
		} = {},
	): World {
		isolate();
		sweepDeadWorlds();
		const pinRoot = `${BPFFS}/cmtest-${process.pid}-${++made}`;
		const world = new World(pinRoot, options.mapSizes ?? {});
		entered = world;
		process.on("exit", () => rmSync(pinRoot, { recursive: true, force: true }));
		world.#link(state, options.network ?? []);
		world.apply(state);
		sync(world.maps.locals, network.localEntries(options.locals ?? []));
		return world;
	}

	/** Fills the maps anew from a state whose interfaces exist. */
	apply(state: NodeState): void {
		const { maps } = this;
		maps.config.set(0, network.configValue(state));
		sync(maps.subnets, network.subnetEntries(state));
		sync(maps.owners, network.ownerEntries(state));
		maps.nodes.setBatch(network.nodeEntries(state));
		sync(maps.peers, network.peerEntries(state));
		maps.ef.set(
			0,
			network.efValue(this.#end(EF.inside), this.#end(EF.outside)),
		);
		const attachments = new Map<number, PortAttachments>();
		const policies = new Map<string, number>();
		for (const set of state.ruleSets)
			for (const rule of set.rules) policies.set(rule.policy, rule.policyId);
		const ports = state.instances.flatMap((instance) =>
			instance.ports.flatMap((port) => {
				const attachment = this.#attachment(port.id, instance.attach === "tap");
				attachments.set(port.id, attachment);
				const bound = boundPaths(port.id, port.boundSpi, state.paths);
				return portEntries(attachment, instance.attach, bound, PROBE);
			}),
		);
		sync(maps.ports, ports);
		/* No program runs meanwhile: nothing to wait for. */
		const paths = new PathTables(maps, () => {});
		const wanted = new Set(state.paths.map(({ spi }) => spi));
		paths.remove(paths.present().filter((spi) => !wanted.has(spi)));
		for (const path of state.paths)
			paths.put(path, policies.get(path.policy) ?? 0, attachments);
		const rules = new RuleTables(maps, () => {});
		const sets = new Set(
			state.ruleSets.map(({ tenantId, side }) => ruleSetIndex(tenantId, side)),
		);
		for (const index of rules.present())
			if (!sets.has(index)) rules.remove(index);
		for (const set of state.ruleSets) {
			const tenant = state.tenants.find((one) => one.id === set.tenantId);
			rules.put(set, tenant?.default === "drop");
		}
		const ifaces = network.ifaceEntries(
			state,
			(name) => this.#interfaces.get(name)?.ifindex,
		);
		sync(maps.ifaces, ifaces);
	}

	interface(name: string): { readonly ifindex: number; readonly mac: string } {
		const found = this.#interfaces.get(name);
		if (!found) throw new Error(`interface ${name}: not in the world`);
		return found;
	}

	/** Runs a program once on a frame that arrives at an interface. */
	run(
		program: ProgramName,
		on: string,
		frame: Buffer,
		context: TestContext = {},
	): Outcome {
		this.newDrops();
		const result = this.measure(program, on, frame, 1, context);
		return {
			verdict: verdictOf(result),
			drops: this.newDrops(),
			data: result.data,
			durationNs: result.durationNs,
		};
	}

	/** Reasons whose counters rose since the last call, one name for each packet. */
	newDrops(): string[] {
		const before = this.#dropped;
		this.#dropped = this.maps.drops
			.range(0, DROP_REASON_NAMES.length)
			.map(({ packets }) => packets);
		return this.#dropped.flatMap((packets, reason) =>
			Array<string>(packets - (before[reason] ?? 0)).fill(
				DROP_REASON_NAMES[reason] ?? `reason ${reason}`,
			),
		);
	}

	measure(
		program: ProgramName,
		on: string,
		frame: Buffer,
		repeat: number,
		context: TestContext = {},
	): TestResult {
		this.#enter();
		const object = this.#objects[program];
		const { ifindex } = this.interface(on);
		return testRun(object.program(program).fd, frame, {
			repeat,
			context: { ...context, ifindex },
		});
	}

	/** Empties what packets have left: flows, states, fragments. */
	forget(): void {
		sync(this.maps.flows, []);
		sync(this.maps.states, []);
		sync(this.maps.frags, []);
	}

	close(): void {
		for (const object of Object.values(this.#objects)) object.close();
		for (const map of Object.values(this.maps)) map.close();
		closeSync(this.#netns);
		rmSync(this.pinRoot, { recursive: true, force: true });
	}

	#enter(): void {
		if (entered === this) return;
		if (setns(this.#netns, CLONE_NEWNET) !== 0)
			throw new Error("enter the world's network namespace: refused");
		entered = this;
	}

	#attachment(id: number, tap: boolean): PortAttachments {
		if (tap) return { id, tap: this.#end(`p${id}i`) };
		return {
			id,
			inside: this.#end(`p${id}i`),
			outside: this.#end(`p${id}o`),
		};
	}

	#end(name: string): Attachment {
		const { ifindex, mac: hostMac } = this.interface(name);
		return {
			name,
			ifindex,
			functionMac: functionMac(name),
			hostMac,
			peer: true,
		};
	}

	#link(state: NodeState, network: readonly string[]): void {
		const ports = state.instances.flatMap(({ attach, ports }) =>
			ports.flatMap(({ id }) =>
				attach === "tap" ? [`p${id}i`] : [`p${id}i`, `p${id}o`],
			),
		);
		const names = [
			...new Set([...state.interfaces.map((one) => one.name), ...ports]),
			EF.inside,
			EF.outside,
		];
		const lines = names.flatMap((name, i) => [
			`link add name ${name} address ${mac(i + 1)} type veth peer name x${name}`,
			`link set dev ${name} up`,
			`link set dev x${name} up`,
		]);
		ip(["link set lo up", ...lines, ...network]);
		for (const name of names) {
			const [link] = JSON.parse(
				execFileSync("ip", ["-j", "link", "show", "dev", name], {
					encoding: "utf8",
				}),
			) as { ifindex: number; address: string }[];
			if (link)
				this.#interfaces.set(name, {
					ifindex: link.ifindex,
					mac: link.address,
				});
		}
	}
}

/** Destination of health probes in every port of the world. */
export const PROBE = "198.18.0.1";

/** MAC of the function's own end behind a port's interface. */
export function functionMac(port: string): string {
	const side = port.endsWith("o") ? 2 : 1;
	return `02:00:00:00:0${side}:${port.slice(1, -1).padStart(2, "0")}`;
}

function isolate(): void {
	if (unshare(CLONE_NEWNET) !== 0)
		throw new Error("unshare network namespace: refused (run as root)");
	/* /proc/sys/net is that of the thread that writes. */
	for (const file of ["ipv4/ip_forward", "ipv6/conf/all/forwarding"])
		writeFileSync(`/proc/sys/net/${file}`, "1");
}

function ip(lines: readonly string[]): void {
	execFileSync("ip", ["-batch", "-"], { input: `${lines.join("\n")}\n` });
}
