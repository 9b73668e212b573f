/** Which engine an encryption function runs on this machine, and why. */
import { tryEsp } from "../../kernel/xfrm-probe.js";
import type { EfEngine } from "./engine.js";

export interface EngineChoice {
	readonly kind: EfEngine["kind"];
	/** For `chainmail doctor` and the node's status. */
	readonly why: string;
}

/**
 * The kernel's ESP where it can do all that is asked; `signs`: the node has hops
 * with a MAC (RFC 9145), which no kernel knows. Takes milliseconds; a few seconds
 * where modules are loaded for it.
 */
export function chooseEngine(signs: boolean): EngineChoice {
	if (signs)
		return {
			kind: "userspace",
			why: "hops with integrity: no kernel puts a MAC into NSH",
		};
	try {
		tryEsp();
		return { kind: "xfrm", why: "the kernel has ESP with AES-GCM" };
	} catch (error) {
		const cause = error instanceof Error ? error.message : String(error);
		return { kind: "userspace", why: `the kernel has no ESP: ${cause}` };
	}
}
