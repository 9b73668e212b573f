/** Runs a loaded tc program on a packet without a network (BPF_PROG_TEST_RUN). */
import * as koffi from "koffi";
import { EINTR, systemError } from "./error.js";
import { libbpf } from "./libbpf.js";

/**
 * The fields of struct __sk_buff the kernel takes from and gives back to a test
 * run; all others must be zero (net/bpf/test_run.c, convert___skb_to_skb).
 * `vlan_tci`, `tc_index` and `hash` are not among them: put a VLAN tag into the
 * packet. `ifindex` chooses the device in the caller's network namespace (1,
 * loopback, where absent); it must exist there.
 */
export interface TestContext {
	readonly mark?: number;
	readonly priority?: number;
	readonly ingressIfindex?: number;
	readonly ifindex?: number;
	/** Five words of skb->cb. */
	readonly cb?: readonly number[];
	readonly wireLength?: number;
	readonly gsoSegments?: number;
	readonly gsoSize?: number;
}

export interface TestOptions {
	/** Runs in a row on the same packet, for measurements; 1 where absent. */
	readonly repeat?: number;
	readonly context?: TestContext;
}

export interface TestResult {
	/** What the program returned, for example TC_ACT_SHOT = 2. */
	readonly retval: number;
	/** The packet as the program left it. */
	readonly data: Buffer;
	/** Mean time of one run. */
	readonly durationNs: number;
	readonly context: Required<TestContext>;
}

const CONTEXT_BYTES = 192;
const HEADROOM = 512;
/** Offsets in struct __sk_buff. */
const AT = {
	mark: 8,
	priority: 32,
	ingressIfindex: 36,
	ifindex: 40,
	cb: 48,
	wireLength: 160,
	gsoSegments: 164,
	gsoSize: 176,
} as const;

/** Offsets in struct bpf_test_run_opts. */
const OPTIONS = {
	size: 0,
	dataIn: 8,
	dataOut: 16,
	dataInSize: 24,
	dataOutSize: 28,
	contextIn: 32,
	contextOut: 40,
	contextInSize: 48,
	contextOutSize: 52,
	retval: 56,
	repeat: 60,
	duration: 64,
	length: 80,
} as const;

/** Throws where the kernel refuses the packet (shorter than 14 bytes) or context. */
export function testRun(
	programFd: number,
	packet: Uint8Array,
	options: TestOptions = {},
): TestResult {
	const out = Buffer.alloc(packet.length + HEADROOM);
	const contextOut = Buffer.alloc(CONTEXT_BYTES);
	const contextIn = writeContext(options.context ?? {});
	const run = Buffer.alloc(OPTIONS.length);
	const repeat = options.repeat ?? 1;
	/* Kernel and libbpf write sizes back, so each try starts from the whole. */
	const attempt = (): number => {
		run.fill(0);
		run.writeBigUInt64LE(BigInt(OPTIONS.length), OPTIONS.size);
		run.writeBigUInt64LE(koffi.address(packet), OPTIONS.dataIn);
		run.writeBigUInt64LE(koffi.address(out), OPTIONS.dataOut);
		run.writeUInt32LE(packet.length, OPTIONS.dataInSize);
		run.writeUInt32LE(out.length, OPTIONS.dataOutSize);
		run.writeBigUInt64LE(koffi.address(contextIn), OPTIONS.contextIn);
		run.writeBigUInt64LE(koffi.address(contextOut), OPTIONS.contextOut);
		run.writeUInt32LE(CONTEXT_BYTES, OPTIONS.contextInSize);
		run.writeUInt32LE(CONTEXT_BYTES, OPTIONS.contextOutSize);
		run.writeInt32LE(repeat, OPTIONS.repeat);
		return libbpf().testRun(programFd, run);
	};
	let result = attempt();
	for (let tries = 1; result === -EINTR && tries < 5; tries++)
		result = attempt();
	if (result < 0)
		throw systemError(
			"test run",
			result,
			"a packet has at least 14 bytes, and `ifindex` exists in this namespace",
		);
	return {
		retval: run.readUInt32LE(OPTIONS.retval),
		data: out.subarray(0, run.readUInt32LE(OPTIONS.dataOutSize)),
		durationNs: run.readUInt32LE(OPTIONS.duration),
		context: readContext(contextOut),
	};
}

function writeContext(context: TestContext): Buffer {
	const buffer = Buffer.alloc(CONTEXT_BYTES);
	const { cb = [], ...words } = context;
	for (const [name, value] of Object.entries(words))
		buffer.writeUInt32LE(value, AT[name as keyof typeof words]);
	cb.forEach((word, i) => {
		buffer.writeUInt32LE(word, AT.cb + 4 * i);
	});
	return buffer;
}

function readContext(buffer: Buffer): Required<TestContext> {
	const word = (offset: number) => buffer.readUInt32LE(offset);
	return {
		mark: word(AT.mark),
		priority: word(AT.priority),
		ingressIfindex: word(AT.ingressIfindex),
		ifindex: word(AT.ifindex),
		cb: Array.from({ length: 5 }, (_, i) => word(AT.cb + 4 * i)),
		wireLength: word(AT.wireLength),
		gsoSegments: word(AT.gsoSegments),
		gsoSize: word(AT.gsoSize),
	};
}
