/**
 * Keeps processors from sleeping while figures are taken, as cyclictest does:
 * waking one up takes up to ten times the round trip that is measured.
 * Documentation/power/pm_qos_interface.rst
 */
import { closeSync, existsSync, openSync, writeSync } from "node:fs";

const DEVICE = "/dev/cpu_dma_latency";
/** Longest wake-up that may be, a 32-bit number of µs. */
const NO_SLEEP = Buffer.alloc(4);

/** Runs `measure` with processors awake, where the kernel can be asked for it. */
export async function awake<T>(measure: () => Promise<T>): Promise<T> {
	if (!existsSync(DEVICE)) return measure();
	const device = openSync(DEVICE, "w");
	try {
		writeSync(device, NO_SLEEP);
		return await measure();
	} finally {
		closeSync(device);
	}
}
