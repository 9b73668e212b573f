/** What a golden row is, and where its frames arrive. */
import type { ProgramName } from "../bpf/world.js";
import type { Interface } from "./frames.js";

export interface Step {
	readonly program: ProgramName;
	readonly on: Interface;
	readonly frame: Buffer;
}

export interface Row extends Step {
	readonly title: string;
	/** Runs that must have happened before, for example the packet answered. */
	readonly after?: readonly Step[];
	readonly verdict: "pass" | "drop" | "redirect";
	/** Reason of a drop; the row fails if any other counter moves. */
	readonly drop?: string;
	/** The frame as it leaves; only its first bytes where it is an ICMP error. */
	readonly out?: Buffer;
	/** Checked instead of `out` where parts of the frame are the program's choice. */
	readonly check?: (out: Buffer) => void;
}

export const access = (frame: Buffer): Step => ({
	program: "access",
	on: "ap",
	frame,
});
export const exit = (frame: Buffer): Step => ({
	program: "access",
	on: "net",
	frame,
});
export const port = (on: Interface, frame: Buffer): Step => ({
	program: "port",
	on,
	frame,
});
export const underlay = (frame: Buffer): Step => ({
	program: "underlay",
	on: "up",
	frame,
});
