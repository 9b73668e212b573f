/** Heartbeats beside the kernel's ESP: the program on `outside` hands them over. */
import type { BpfObject } from "../../kernel/object.js";
import { RawSocket } from "../../kernel/rawsocket.js";
import { RingReader } from "../../kernel/ring.js";
import { MAPS, xfrmOam } from "../../kernel/xfrm-layout.gen.js";
import { monotonicMs } from "./clock.js";
import type { HeartbeatOptions } from "./engine.js";
import { Heart, readHeartbeat } from "./heartbeat.js";
import type { XfrmSides } from "./xfrm-network.js";

export class XfrmHeart {
	readonly #heart: Heart;
	readonly #socket: RawSocket;
	readonly #ring: RingReader<{ readonly frame: Uint8Array }>;
	#timer: NodeJS.Timeout | undefined;

	/** Beats until it is closed. */
	constructor(
		{ netns, outside }: XfrmSides,
		object: BpfObject,
		{ onChange, ...heartbeats }: HeartbeatOptions,
	) {
		this.#socket = new RawSocket(outside.interface, netns);
		this.#heart = new Heart(
			heartbeats,
			outside,
			monotonicMs(),
			/* One that finds no room is missing as if lost. */
			(frame) => this.#socket.send(frame),
			onChange,
		);
		const fd = object.mapFd(MAPS.xfrmOam.name);
		this.#ring = new RingReader(fd, xfrmOam, ({ frame }) => this.#hear(frame));
		this.#beat();
	}

	close(): void {
		clearTimeout(this.#timer);
		this.#ring.close();
		this.#socket.close();
	}

	#hear(frame: Uint8Array): void {
		const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
		const read = readHeartbeat(view, 0, frame.length);
		if (read !== undefined)
			this.#heart.hear(read.asker, read.to, monotonicMs());
	}

	/** Whoever was kept from running hears first what came meanwhile. */
	#beat(): void {
		this.#ring.consume();
		const nowMs = monotonicMs();
		this.#heart.judge(nowMs);
		const nextMs = this.#heart.beat(nowMs);
		const wait = () => this.#beat();
		this.#timer = setTimeout(wait, Math.max(0, nextMs - monotonicMs()));
	}
}
