/**
 * What every runtime of functions offers. One conformance suite, which each of
 * them passes: test/e2e/runtimes.
 */
import type { InstanceStatus } from "../plan/protocol.js";
import type { InstanceState } from "../plan/state.js";
import type { InstanceName } from "./names.js";

/** One end of a port in the node's namespace, as the data plane needs it. */
export interface Attachment {
	/** Interface in the node's namespace. */
	readonly name: string;
	readonly ifindex: number;
	/** Destination of frames given to the function here, `02:…`. */
	readonly functionMac: string;
	/** Their source. */
	readonly hostMac: string;
	/** Frames may be put straight into the other namespace (a veth's peer). */
	readonly peer: boolean;
}

export type PortAttachments = {
	readonly id: number;
} & (
	| { readonly inside: Attachment; readonly outside: Attachment }
	| { readonly tap: Attachment }
);

export function endsOf(port: PortAttachments): readonly Attachment[] {
	return "tap" in port ? [port.tap] : [port.inside, port.outside];
}

/** What is known of an instance without asking the kernel again. */
export type Health = Pick<InstanceStatus, "state" | "reason" | "restarts">;

/**
 * Called with an instance's ports, in order, before any that is new comes up or
 * is used: whoever guards them does so from here on.
 */
export type BeforeUp = (ports: readonly PortAttachments[]) => void;

export interface Runtime {
	/**
	 * Brings an instance to what is declared, whatever runs now; changes nothing
	 * where nothing differs. Attachments come back in the order of its ports.
	 */
	ensure(
		instance: InstanceState,
		beforeUp?: BeforeUp,
	): Promise<readonly PortAttachments[]>;
	/**
	 * Rejects where `ensure` would surely fail for what is declared, and changes
	 * nothing: a broken ruleset, an interface that does not exist.
	 */
	check(instance: InstanceState): Promise<void>;
	/** Removes an instance and all that `ensure` made; no error where it is gone. */
	remove(name: InstanceName): Promise<void>;
	/** Health of an ensured instance; undefined for one it does not know. */
	health(name: InstanceName): Health | undefined;
	/** Lets go of watches and timers; functions and their programs run on. */
	close(): void;
}

/** Tells what happened to an instance outside of any call. */
export type Notify = (
	name: InstanceName,
	kind: string,
	message: string,
) => void;
