/**
 * The engine for kernels without ESP: worker threads that encrypt from ring to
 * ring. Its interfaces should be alone in a namespace that forwards nothing.
 */
import { Worker } from "node:worker_threads";
import { KernelError } from "../../kernel/error.js";
import { ifindexOf } from "../../kernel/netns.js";
import { duplicate, type EfSide } from "./core.js";
import type {
	EfEngine,
	EfTraffic,
	EfUsage,
	HeartbeatOptions,
} from "./engine.js";
import type { Refusals } from "./refusal.js";
import type { SaDirection, SaEvent, SaSpec, SaUsage } from "./sa.js";
import { workerOf } from "./share.js";
import type {
	WorkerAnswer,
	WorkerMessage,
	WorkerOptions,
	WorkerRequest,
} from "./worker.js";

export interface UserspaceOptions {
	/** Namespace of both interfaces by name; where this process is if absent. */
	readonly netns?: string;
	readonly inside: EfSide & { readonly interface: string };
	readonly outside: EfSide & { readonly interface: string };
	/** Threads, at most one a core; 1 where absent. */
	readonly workers?: number;
	/** Slots of each ring: how many frames may wait; 4,096 where absent. */
	readonly slots?: number;
	/** An SA runs out. */
	readonly onEvent: (event: SaEvent) => void;
	/** A worker died: the engine has stopped, and lets nothing through. */
	readonly onFailure: (error: Error) => void;
}

const DEFAULT_SLOTS = 4096;
const SMALLEST_SLOT_BYTES = 2048;
/** Ring header, Ethernet, NSH and what decryption writes behind a packet. */
const SLOT_OVERHEAD_BYTES = 512;

export class UserspaceEngine implements EfEngine {
	readonly kind = "userspace";
	readonly #workers: readonly Thread[];
	/** Where each SA is, by direction and SPI. */
	readonly #places = new Map<string, { thread: Thread; path: number }>();

	private constructor(workers: readonly Thread[]) {
		this.#workers = workers;
	}

	/** Starts the workers; frames are dealt with from then on. */
	static async open(options: UserspaceOptions): Promise<UserspaceEngine> {
		const threads: Thread[] = [];
		let failed = false;
		const onFailure = (error: Error) => {
			if (failed) return;
			failed = true;
			for (const thread of threads) void thread.close();
			options.onFailure(error);
		};
		try {
			/* One after the other: the kernel numbers them as they join. */
			for (const _ of Array.from({ length: options.workers ?? 1 })) {
				const thread = new Thread(
					workerOptions(options),
					options.onEvent,
					onFailure,
				);
				threads.push(thread);
				await thread.ready;
			}
		} catch (error) {
			failed = true;
			for (const thread of threads) void thread.close();
			throw error;
		}
		return new UserspaceEngine(threads);
	}

	async install(spec: SaSpec): Promise<void> {
		/* Copies, as handing over a view hands over all the memory around it. */
		const key = new Uint8Array(spec.key);
		const salt = new Uint8Array(spec.salt);
		spec.key.fill(0);
		spec.salt.fill(0);
		const place = placeOf(spec);
		const thread = this.#workers[workerOf(spec, this.#workers.length)];
		if (thread === undefined || this.#places.has(place)) {
			key.fill(0);
			salt.fill(0);
			throw duplicate(spec.spi);
		}
		const { path } = spec;
		await thread.ask({ do: "install", spec: { ...spec, key, salt } }, [
			key.buffer,
			salt.buffer,
		]);
		if (spec.direction === "out") this.#forgetPath(path);
		this.#places.set(place, { thread, path });
	}

	async remove(
		direction: SaDirection,
		spi: number,
	): Promise<SaUsage | undefined> {
		const place = placeOf({ direction, spi });
		const thread = this.#places.get(place)?.thread;
		this.#places.delete(place);
		return (await thread?.ask({ do: "remove", direction, spi })) as
			| SaUsage
			| undefined;
	}

	/** The SA that served it has been replaced. */
	#forgetPath(path: number): void {
		for (const [place, held] of this.#places)
			if (held.path === path && place.startsWith("out"))
				this.#places.delete(place);
	}

	async usage(): Promise<EfUsage> {
		const all = (await Promise.all(
			this.#workers.map((thread) => thread.ask({ do: "usage" })),
		)) as EfUsage[];
		return {
			out: addTraffic(all.map((usage) => usage.out)),
			in: addTraffic(all.map((usage) => usage.in)),
			sas: all.flatMap(({ sas }) => sas),
		};
	}

	/**
	 * Sends heartbeats and listens to those of others, in place of what it was told
	 * before. `onChange` is told of each peer whether it lives, as soon as that is
	 * known, and whenever it changes.
	 */
	async heartbeat({
		onChange,
		...heartbeats
	}: HeartbeatOptions): Promise<void> {
		/* The first has all frames that belong to no SA. */
		const [first] = this.#workers;
		first?.onPeer(onChange);
		await first?.ask({ do: "heartbeat", heartbeats });
	}

	async close(): Promise<void> {
		await Promise.all(this.#workers.map((thread) => thread.close()));
	}
}

/** A worker thread, asked and answered by message. */
class Thread {
	readonly ready: Promise<void>;
	readonly #worker: Worker;
	readonly #waiting = new Map<
		number,
		{ resolve: (answer: WorkerAnswer) => void; reject: (error: Error) => void }
	>();
	#lastId = 0;
	#onPeer: HeartbeatOptions["onChange"] = () => {};
	#closing = false;
	#ended: Error | undefined;

	constructor(
		options: WorkerOptions,
		onEvent: (event: SaEvent) => void,
		onFailure: (error: Error) => void,
	) {
		this.#worker = new Worker(new URL("./worker.js", import.meta.url), {
			workerData: options,
			/* Sockets are opened by native code, which Node has not seen. */
			trackUnmanagedFds: false,
		});
		let begin = () => {};
		let refuse = (_: Error) => {};
		this.ready = new Promise((resolve, reject) => {
			begin = resolve;
			refuse = reject;
		});
		this.#worker.on("message", (message: WorkerMessage) => {
			if (message.kind === "ready") begin();
			else if (message.kind === "event") onEvent(message.event);
			else if (message.kind === "peer")
				this.#onPeer(message.nodeId, message.alive);
			else this.#answer(message);
		});
		const end = (error: Error) => {
			this.#ended ??= error;
			refuse(error);
			for (const { reject } of this.#waiting.values()) reject(error);
			this.#waiting.clear();
			if (!this.#closing) onFailure(error);
		};
		this.#worker.on("error", end);
		this.#worker.on("exit", (code) =>
			end(new KernelError("encrypt", `worker ended with code ${code}`)),
		);
	}

	onPeer(onPeer: HeartbeatOptions["onChange"]): void {
		this.#onPeer = onPeer;
	}

	ask(
		request: WorkerRequest,
		transfer: readonly ArrayBuffer[] = [],
	): Promise<WorkerAnswer> {
		if (this.#ended !== undefined) return Promise.reject(this.#ended);
		const id = ++this.#lastId;
		return new Promise((resolve, reject) => {
			this.#waiting.set(id, { resolve, reject });
			this.#worker.postMessage({ id, ...request }, transfer);
		});
	}

	/** Lets it give back its sockets, and wipe its keys, before it ends. */
	async close(): Promise<void> {
		if (this.#ended !== undefined) return;
		this.#closing = true;
		const exit = new Promise((resolve) => this.#worker.once("exit", resolve));
		this.#worker.postMessage({ do: "close" });
		await exit;
	}

	#answer(
		message: Extract<WorkerMessage, { kind: "answer" | "failure" }>,
	): void {
		const waiting = this.#waiting.get(message.id);
		this.#waiting.delete(message.id);
		if (message.kind === "answer") waiting?.resolve(message.answer);
		else waiting?.reject(new Error(message.message));
	}
}

function workerOptions(options: UserspaceOptions): WorkerOptions {
	const {
		netns,
		inside,
		outside,
		slots = DEFAULT_SLOTS,
		workers = 1,
	} = options;
	const longest = Math.max(inside.mtuBytes, outside.mtuBytes);
	let slotBytes = SMALLEST_SLOT_BYTES;
	while (slotBytes < longest + SLOT_OVERHEAD_BYTES) slotBytes *= 2;
	const ring = ({ interface: name }: { interface: string }) => ({
		interface: name,
		slots,
		slotBytes,
		...(netns !== undefined && { netns }),
	});
	const sides = {
		inside: { dst: inside.dst, src: inside.src, mtuBytes: inside.mtuBytes },
		outside: { dst: outside.dst, src: outside.src, mtuBytes: outside.mtuBytes },
	};
	return {
		sides,
		inside: ring(inside),
		outside: ring(outside),
		...(workers > 1 && {
			groups: { inside: group(inside, netns), outside: group(outside, netns) },
		}),
	};
}

/** Unlike that of any other engine of the namespace: an interface has one. */
function group(side: { interface: string }, netns?: string): number {
	return (ifindexOf(side.interface, netns) ?? 0) & 0xffff;
}

function placeOf({
	direction,
	spi,
}: Pick<SaSpec, "direction" | "spi">): string {
	return `${direction} ${spi}`;
}

function addTraffic(all: readonly EfTraffic[]): EfTraffic {
	const add = (of: (traffic: EfTraffic) => number) =>
		all.reduce((sum, traffic) => sum + of(traffic), 0);
	const names = Object.keys(all[0]?.refused ?? {}) as (keyof Refusals)[];
	return {
		packets: add(({ packets }) => packets),
		bytes: add(({ bytes }) => bytes),
		refused: Object.fromEntries(
			names.map((name) => [name, add(({ refused }) => refused[name])]),
		) as Refusals,
	};
}
