/**
 * What a controller asks of its authentication centre, wherever that runs: in
 * its own process (local.ts) or in one of its own (remote.ts).
 */
import type { Target } from "../../keys/auc-state.js";
import type { AuditRecord } from "../../keys/audit.js";
import type { Link } from "../../keys/sa.js";
import type { Secret } from "../../keys/secret.js";
import type { AucAddress } from "../../plan/protocol.js";
import type { LinkStatus } from "./status.js";

/** Its methods throw Fault keys_unavailable where the centre is out of reach. */
export interface KeyAuthority {
	/** Where EFs reach it. */
	readonly address: AucAddress;
	/** All links there shall be, until another declaration. Idempotent. */
	declare(links: readonly Link[]): Promise<void>;
	/**
	 * Resolves as soon as each of these has an SA in use as it is declared, and at
	 * the latest after `timeoutMs`, with those that have none.
	 */
	ready(
		links: readonly Link[],
		timeoutMs: number,
		signal?: AbortSignal,
	): Promise<readonly Link[]>;
	/** Throws Fault not_found where there is nothing that it could mean. */
	revoke(target: Target, by: string): Promise<void>;
	/** Takes a node's revocation back; its EF has to enrol anew. */
	admit(node: string, by: string): Promise<void>;
	/** Asks for new SAs; does not wait for them. Throws as `revoke`. */
	rekey(target: Target): Promise<void>;
	/** Lets a node's EF enrol with this key, which is taken over and wiped. */
	configure(ef: string, key: Secret): Promise<void>;
	status(): Promise<AucStatus>;
	/** Called with every audit record from now on; returns the way to stop. */
	follow(listener: (record: AuditRecord) => void): () => void;
	/**
	 * Called whenever the centre is back, and may have forgotten what it knew; as
	 * long as somebody follows.
	 */
	onReturn(listener: () => void): void;
	close(): Promise<void>;
}

export interface AucStatus {
	readonly links: readonly LinkStatus[];
	/** EFs that have a session now. */
	readonly present: readonly string[];
	readonly revoked: readonly string[];
}
