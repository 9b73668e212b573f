/**
 * Waits until no eBPF program can still be looking at what a map held before.
 * membarrier(2) with MEMBARRIER_CMD_GLOBAL waits for a grace period of RCU, in
 * which every run of a program is one read-side section.
 */
import { arch } from "node:os";
import * as koffi from "koffi";
import { KernelError, systemError } from "./error.js";

const MEMBARRIER_CMD_GLOBAL = 1;
/** Numbers of the system call, by Node's name of the architecture. */
const MEMBARRIER: Readonly<Record<string, number>> = {
	x64: 324,
	arm64: 283,
	riscv64: 283,
};

const syscall: (number: number, command: number, flags: number) => number =
	koffi.load(null).func("long syscall(long number, int command, int flags)");

/** Takes some milliseconds. */
export function waitForPrograms(): void {
	const number = MEMBARRIER[arch()];
	if (number === undefined)
		throw new KernelError(
			"wait for programs",
			`membarrier has no known number on ${arch()}`,
			"use x64, arm64 or riscv64",
		);
	if (syscall(number, MEMBARRIER_CMD_GLOBAL, 0) !== 0)
		throw systemError(
			"wait for programs",
			koffi.errno(),
			"kernels with nohz_full refuse membarrier",
		);
}
