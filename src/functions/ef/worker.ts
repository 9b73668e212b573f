/** One thread of the user-space engine: rings, a core, and what it is told. */
import { parentPort, workerData } from "node:worker_threads";
import { ReceiveRing, type RingOptions } from "../../kernel/rings.js";
import { Sender } from "../../kernel/sender.js";
import { EfCore, type EfSides } from "./core.js";
import type { EfTraffic, EfUsage } from "./engine.js";
import { Heart, type Heartbeats } from "./heartbeat.js";
import { TRAILER_BYTES } from "./outbound.js";
import { pump } from "./pump.js";
import type { SaDirection, SaEvent, SaSpec, SaUsage } from "./sa.js";
import { SHARE_IN, SHARE_OUT } from "./share.js";

export interface WorkerOptions {
	readonly sides: EfSides;
	readonly inside: RingOptions;
	readonly outside: RingOptions;
	/** Of the fanout groups of both sides; absent where one worker has it all. */
	readonly groups?: { readonly inside: number; readonly outside: number };
}

export type WorkerRequest =
	| { readonly do: "install"; readonly spec: SaSpec }
	| {
			readonly do: "remove";
			readonly direction: SaDirection;
			readonly spi: number;
	  }
	| { readonly do: "heartbeat"; readonly heartbeats: Heartbeats }
	| { readonly do: "usage" };

export type WorkerAnswer = EfUsage | SaUsage | undefined;

export type WorkerMessage =
	| { readonly kind: "ready" }
	| { readonly kind: "event"; readonly event: SaEvent }
	| { readonly kind: "peer"; readonly nodeId: number; readonly alive: boolean }
	| {
			readonly kind: "answer";
			readonly id: number;
			readonly answer: WorkerAnswer;
	  }
	| { readonly kind: "failure"; readonly id: number; readonly message: string };

/** Frames sent with one system call. */
const SEND_SLOTS = 64;

/** Turns of a full ring. */
const DRAIN_TURNS = 16;
/** How long a key that has ended may stay in memory. */
const OVERDUE_MS = 100;

const port = parentPort;
if (port === null) throw new Error("ef worker: it is no worker thread");
const tell = (message: WorkerMessage) => port.postMessage(message);
const { sides, inside, outside, groups } = workerData as WorkerOptions;

const core = new EfCore(sides, (event) => tell({ kind: "event", event }));
const overdue = setInterval(() => {
	core.clock.tick();
	core.endOverdue();
}, OVERDUE_MS);
let beating: NodeJS.Timeout | undefined;
const rings: { close(): void }[] = [];
/* Whatever ends the thread: neither sockets nor keys would go with it. */
process.once("exit", release);

const toOutside = opened(new Sender({ ...outside, slots: SEND_SLOTS }));
const toInside = opened(new Sender({ ...inside, slots: SEND_SLOTS }));
const fromInside = opened(
	new ReceiveRing(
		inside,
		TRAILER_BYTES,
		groups && { group: groups.inside, program: SHARE_OUT },
	),
);
const fromOutside = opened(
	new ReceiveRing(
		outside,
		0,
		groups && { group: groups.outside, program: SHARE_IN },
	),
);
fromInside.onReady(() => {
	pump(core, "out", fromInside, toOutside);
	core.heart?.beat(core.clock.nowMs);
});
fromOutside.onReady(() => {
	pump(core, "in", fromOutside, toInside);
	core.heart?.beat(core.clock.nowMs);
});

function startHeart(heartbeats: Heartbeats): void {
	clearTimeout(beating);
	core.clock.tick();
	const changed = (nodeId: number, alive: boolean) =>
		tell({ kind: "peer", nodeId, alive });
	core.heart = new Heart(
		heartbeats,
		sides.outside,
		core.clock.nowMs,
		(frame) => toOutside.put(frame),
		changed,
	);
	beat();
}

/** Whoever was kept from running hears first what came meanwhile. */
function beat(): void {
	const { heart, clock } = core;
	if (heart === undefined) return;
	for (let i = 0; i < DRAIN_TURNS && fromOutside.ready; i++)
		pump(core, "in", fromOutside, toInside);
	clock.tick();
	heart.judge(clock.nowMs);
	const nextMs = heart.beat(clock.nowMs);
	beating = setTimeout(beat, Math.max(0, nextMs - clock.nowMs));
}

function opened<R extends { close(): void }>(ring: R): R {
	rings.push(ring);
	return ring;
}

function release(): void {
	clearInterval(overdue);
	clearTimeout(beating);
	for (const ring of rings) ring.close();
	core.close();
}

/** Frames that found no free slot in a receive ring. */
const overrun = { out: 0, in: 0 };

function perform(request: WorkerRequest): WorkerAnswer {
	switch (request.do) {
		case "install":
			core.install(request.spec);
			return undefined;
		case "remove":
			return core.remove(request.direction, request.spi);
		case "heartbeat":
			startHeart(request.heartbeats);
			return undefined;
		case "usage": {
			/* The kernel forgets what it has told. */
			overrun.out += fromInside.takeLost();
			overrun.in += fromOutside.takeLost();
			const usage = core.usage();
			return {
				...usage,
				out: withOverrun(usage.out, overrun.out),
				in: withOverrun(usage.in, overrun.in),
			};
		}
	}
}

function withOverrun(traffic: EfTraffic, frames: number): EfTraffic {
	return { ...traffic, refused: { ...traffic.refused, overrun: frames } };
}

/** Answered by its exit. */
interface Close {
	readonly do: "close";
}

port.on("message", (request: (WorkerRequest & { id: number }) | Close) => {
	if (request.do === "close") {
		release();
		port.close();
		return;
	}
	const { id } = request;
	try {
		tell({ kind: "answer", id, answer: perform(request) });
	} catch (error) {
		const message = error instanceof Error ? error.message : String(error);
		tell({ kind: "failure", id, message });
	}
});
tell({ kind: "ready" });
