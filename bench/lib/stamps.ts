/**
 * How long each message of a flow takes from the sender's interface to the
 * receiver's, by bench/bpf/stamp.bpf.c: without what the programs at both ends
 * cost, and one way.
 */
import { closeSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../../lab/lab.js";
import { BpfObject, type MapDefinition } from "../../src/kernel/bpf.js";
import { u32, u64 } from "../../src/kernel/codec.js";
import { ifindexOf, withNetns } from "../../src/kernel/enter.js";
import { check, KernelError } from "../../src/kernel/error.js";
import { libbpf } from "../../src/kernel/libbpf.js";
import { root } from "../../tools/root.js";

/** Messages of a flow that are stamped; later ones are not. */
const STAMPS = 65_536;
/** enum bpf_attach_type; tcx is there from Linux 6.6 on. */
const TCX_INGRESS = 46;
const TCX_EGRESS = 47;

export interface Stamped<T> {
	/** What `traffic` returned. */
	readonly result: T;
	/** By message, µs. */
	readonly timesUs: readonly number[];
}

/** Stamps the messages that `traffic` sends from eth0 to eth0. */
export async function stamped<T>(
	from: Host,
	to: Host,
	traffic: () => Promise<T>,
): Promise<Stamped<T>> {
	const object = BpfObject.open(join(root, "dist/bench/bpf/stamp.bpf.o"));
	const links: number[] = [];
	try {
		links.push(attach(from, object.program("leaves").fd, TCX_EGRESS));
		links.push(attach(to, object.program("arrives").fd, TCX_INGRESS));
		const result = await traffic();
		const received = times(object, "received");
		const timesUs = times(object, "sent").flatMap((sentNs, i) => {
			const receivedNs = received[i] ?? 0;
			return sentNs && receivedNs ? [(receivedNs - sentNs) / 1000] : [];
		});
		if (timesUs.length === 0)
			throw new Error("stamps: no message was stamped (did any pass?)");
		return { result, timesUs };
	} finally {
		for (const link of links) closeSync(link);
		object.close();
	}
}

/** Until the returned link is closed. */
function attach(host: Host, program: number, type: number): number {
	const ifindex = ifindexOf("eth0", host.netns);
	if (ifindex === undefined)
		throw new KernelError(`stamp at ${host.name}`, "it has no eth0");
	return withNetns<number>(host.netns, () =>
		check(
			`stamp at ${host.name}`,
			libbpf().createLink(program, ifindex, type, null),
			"tcx needs Linux 6.6 or newer",
		),
	);
}

function times(object: BpfObject, name: string): number[] {
	const definition: MapDefinition<number, number> = {
		name,
		type: "array",
		maxEntries: STAMPS,
		key: u32,
		value: u64,
	};
	return object.map(definition).range(0, STAMPS);
}
