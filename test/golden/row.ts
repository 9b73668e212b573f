/** What a golden row is, where its frames arrive, and frames that many share. */
import { ipv4, ipv6, udp } from "../../src/wire/build.js";
import type { ProgramName } from "../bpf/world.js";
import * as f from "./frames.js";

export interface Step {
	readonly program: ProgramName;
	readonly on: f.Interface;
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
export const port = (on: f.Interface, frame: Buffer): Step => ({
	program: "port",
	on,
	frame,
});
export const underlay = (frame: Buffer): Step => ({
	program: "underlay",
	on: "up",
	frame,
});
/** The EF's inside gives back what it has opened, its outside what it has sealed. */
export const inner = (frame: Buffer): Step => ({
	program: "inner",
	on: "efi",
	frame,
});
export const outer = (frame: Buffer): Step => ({
	program: "outer",
	on: "efo",
	frame,
});
/** About to leave by the underlay. */
export const wire = (frame: Buffer): Step => ({
	program: "wire",
	on: "up",
	frame,
});

export const delivered = access(f.fromUser(f.up4, f.syn(80)));
export const passed = port("p1o", f.fromFunction("p1o", f.up4, f.syn(80)));
export const ttl63 = ipv4({ src: f.USER, dst: f.SERVER, ttl: 63 });
export const ttl63down = ipv4({ src: f.SERVER, dst: f.USER, ttl: 63 });
export const hops63down = ipv6({
	src: f.SERVER6,
	dst: f.USER6,
	hopLimit: 63,
});
export const dns = udp({ sport: 40000, dport: 53 });
