/** One controller a store: takes the lease and keeps it while it lives. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import type { Store } from "./store/store.js";

const LEASE = "leader";
const TTL_MS = 5000;
const RENEW_MS = 1500;

/**
 * Takes the lease; at once where its owner was a process of this host that is
 * gone. Throws where another controller lives. Returns the way to give it up.
 */
export async function lead(
	store: Store,
	onLost: () => void,
): Promise<() => Promise<void>> {
	const owner = ownerOf(process.pid);
	const entry = await store.get(`lease/${LEASE}`);
	const previous = (entry?.value as { owner?: string } | undefined)?.owner;
	if (previous !== undefined && isDead(previous)) {
		await store.release(LEASE, previous);
	}
	if (!(await store.lease(LEASE, owner, TTL_MS))) {
		throw new Error(
			`controller: another one uses this data directory already${describe(previous)} (stop it, or give this one another: --data-dir)`,
		);
	}
	const timer = setInterval(() => {
		store.lease(LEASE, owner, TTL_MS).then(
			(held) => {
				if (!held) onLost();
			},
			() => onLost(),
		);
	}, RENEW_MS);
	timer.unref();
	return async () => {
		clearInterval(timer);
		await store.release(LEASE, owner);
	};
}

function describe(owner: string | undefined): string {
	const [, host, pid] = /^(.*) pid (\d+) since /.exec(owner ?? "") ?? [];
	if (host === undefined) return "";
	return host === hostname()
		? `: process ${pid}`
		: `: process ${pid} on ${host}`;
}

/** Host, pid and the process's start, since pids come again. */
function ownerOf(pid: number): string {
	return `${hostname()} pid ${pid} since ${startOf(pid)}`;
}

function isDead(owner: string): boolean {
	const found = /^(.*) pid (\d+) since (.*)$/.exec(owner);
	if (!found || found[1] !== hostname()) return false;
	return startOf(Number(found[2])) !== found[3];
}

/** Start in clock ticks since boot (proc(5): field 22 of stat), or "". */
function startOf(pid: number): string {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
		// The name in parentheses may hold anything: count from its end.
		return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
	} catch {
		return "";
	}
}
