/** The one error of this layer: `operation: cause (likely fix)`. */
import { constants } from "node:os";
import { getSystemErrorName } from "node:util";

/** Kernel-internal code that leaks to user space: operation not supported. */
const ENOTSUPP = 524;

/** What usually mends an error, where the operation gives no better advice. */
const FIXES: Record<string, string> = {
	EPERM: "run as root with CAP_BPF and CAP_NET_ADMIN",
	EACCES: "run as root with CAP_BPF and CAP_NET_ADMIN",
	ENOMEM: "free memory or make the maps smaller",
	ENOSPC: "the table is full: make it larger",
	E2BIG: "the table is full: make it larger",
	ENODEV: "does the interface exist in this namespace?",
};

export class KernelError extends Error {
	override readonly name = "KernelError";
	/** Symbolic error, such as `ENOENT`, where a system call failed. */
	readonly code: string | undefined;
	/** All a tool or the verifier said, where the message has only its end. */
	readonly log: string | undefined;

	constructor(
		operation: string,
		cause: string,
		fix?: string,
		more: { code?: string; log?: string } = {},
	) {
		super(`${operation}: ${cause}${fix ? ` (${fix})` : ""}`);
		this.code = more.code;
		this.log = more.log;
	}
}

/** Name of an error number; negative numbers as libbpf returns them are fine. */
export function errnoName(errno: number): string {
	const number = Math.abs(errno);
	return number === ENOTSUPP ? "ENOTSUPP" : getSystemErrorName(-number);
}

/** Error of a failed system call. */
export function systemError(
	operation: string,
	errno: number,
	fix?: string,
): KernelError {
	const code = errnoName(errno);
	return new KernelError(operation, code, fix ?? FIXES[code], { code });
}

/** The number itself where it is no error; throws what a negative one means. */
export function check(operation: string, result: number, fix?: string): number {
	if (result < 0) throw systemError(operation, result, fix);
	return result;
}

export const { ENOENT, EEXIST, ENOSPC, EINVAL, EINTR } = constants.errno;
