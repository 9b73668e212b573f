/**
 * Runtime `process`: a function in a network namespace of its own, made of a
 * ruleset, a program, both, or neither (a plain router or bridge).
 */
import { type FSWatcher, watch } from "node:fs";
import { basename, dirname, join } from "node:path";
import { KernelError } from "../../kernel/error.js";
import { listNetns, netnsExists } from "../../kernel/netns.js";
import { listRuleset } from "../../kernel/nft.js";
import { setSysctl } from "../../kernel/sysctl.js";
import type { InstanceState } from "../../plan/state.js";
import {
	efNamespace,
	type InstanceName,
	instanceKey,
	namespaceName,
	namespacePrefix,
} from "../names.js";
import type {
	BeforeUp,
	Health,
	Notify,
	PortAttachments,
	Runtime,
} from "../runtime.js";
import { type Argv, Command, checkProgram } from "./command.js";
import { type Learnable, learnableFrom } from "./learnable.js";
import { findPorts, makePorts, openPorts, removeNetwork } from "./namespace.js";
import {
	checkRuleset,
	dropRuleset,
	ensureRuleset,
	fingerprintIn,
	markerIn,
	type Ruleset,
} from "./ruleset.js";

export interface ProcessRuntimeOptions {
	/** First part of the names of namespaces. */
	readonly prefix: string;
	readonly node: string;
	/** The node's network namespace; that of this process where absent. */
	readonly netns?: string | undefined;
	/** Keeps logs and the identity of programs, a directory an instance. */
	readonly stateDir: string;
	/** MTU of the ports in bytes. */
	readonly mtu: () => number;
	readonly notify: Notify;
	/** It will be another one: returns once nothing is taken from what it said. */
	readonly rulesChanging?:
		| ((instance: InstanceState) => Promise<void>)
		| undefined;
	/** What judges is another: what was learned is void, and what may be learned. */
	readonly rulesChanged?:
		| ((instance: InstanceState) => Promise<void>)
		| undefined;
}

/** Editors write a file in several steps. */
const SETTLE_MS = 50;
/** How often a ruleset that somebody removed by hand is put back. */
const DRIFT_MS = 5000;

interface Running {
	spec: InstanceState["spec"];
	command?: Command | undefined;
	watch?: FSWatcher | undefined;
	drift?: NodeJS.Timeout | undefined;
	rulesetError?: string | undefined;
	/** Of the ruleset that was last learned from. */
	fingerprint?: string | undefined;
	/** Ruleset changes of one instance come one after the other. */
	queue: Promise<void>;
}

export class ProcessRuntime implements Runtime {
	readonly #options: ProcessRuntimeOptions;
	readonly #running = new Map<string, Running>();

	constructor(options: ProcessRuntimeOptions) {
		this.#options = options;
	}

	async check(instance: InstanceState): Promise<void> {
		if (instance.spec.ruleset)
			await checkRuleset(instance.spec.ruleset, this.#options.netns);
		const argv = argvOf(instance);
		const running = this.#running.get(instanceKey(instance))?.command;
		if (argv && !isSame(argv, running?.argv)) checkProgram(argv[0]);
	}

	async ensure(
		instance: InstanceState,
		beforeUp?: BeforeUp,
	): Promise<readonly PortAttachments[]> {
		const key = instanceKey(instance);
		const namespace = this.#namespace(instance);
		const running = this.#running.get(key) ?? {
			spec: instance.spec,
			queue: Promise.resolve(),
		};
		this.#running.set(key, running);
		running.spec = instance.spec;
		const at = {
			node: this.#options.netns,
			namespace,
			mtu: this.#options.mtu(),
		};
		/* Ended before its interfaces go, which it would take for a failure. */
		if (instance.ports.length === 0)
			await this.#ensureCommand(instance, running, namespace);
		const ports = await makePorts(at, instance);
		const attachments = await findPorts(at, instance, ports);
		beforeUp?.(attachments);
		/* Before anything comes up: a firewall without its rules lets all pass. */
		await this.#ensureRuleset(instance, running, namespace);
		await openPorts(at, instance, ports);
		if (instance.ports.length > 0)
			await this.#ensureCommand(instance, running, namespace);
		return attachments;
	}

	async remove(name: InstanceName): Promise<void> {
		const running = this.#running.get(instanceKey(name));
		this.#running.delete(instanceKey(name));
		if (running) this.#release(running);
		await running?.queue;
		await running?.command?.stop();
		await Command.purge(this.#directory(name));
		await removeNetwork(this.#namespace(name));
	}

	health(name: InstanceName): Health | undefined {
		const running = this.#running.get(instanceKey(name));
		if (!running) return undefined;
		const own: Health = running.command?.health() ?? {
			state: "up",
			reason: running.spec.ruleset ? "ruleset" : "namespace",
			restarts: 0,
		};
		if (own.state === "down" || running.rulesetError === undefined) return own;
		return {
			...own,
			reason: `${running.rulesetError}; the ruleset before it stays`,
		};
	}

	/** What a proxy may learn from the rules that are in place. */
	async learnable(instance: InstanceName): Promise<Learnable> {
		return learnableFrom(await listRuleset(this.#namespace(instance)));
	}

	close(): void {
		for (const running of this.#running.values()) {
			this.#release(running);
			running.command?.close();
		}
		this.#running.clear();
	}

	/** Namespaces of functions of this node that belong to none of these instances. */
	orphans(wanted: readonly InstanceName[]): string[] {
		const { prefix: ours, node } = this.#options;
		const names = new Set(wanted.map((name) => this.#namespace(name)));
		names.add(efNamespace(ours, node));
		const prefix = namespacePrefix(ours, node);
		return listNetns().filter(
			(name) => name.startsWith(prefix) && !names.has(name),
		);
	}

	/** Removes a namespace that orphans() named, and the program in it. */
	async removeOrphan(namespace: string): Promise<void> {
		await Command.purge(join(this.#options.stateDir, namespace));
		await removeNetwork(namespace);
	}

	#namespace(name: InstanceName): string {
		return namespaceName(this.#options.prefix, this.#options.node, name);
	}

	#directory(name: InstanceName): string {
		return join(this.#options.stateDir, this.#namespace(name));
	}

	#release(running: Running): void {
		running.watch?.close();
		running.watch = undefined;
		clearInterval(running.drift);
	}

	async #ensureRuleset(
		instance: InstanceState,
		running: Running,
		namespace: string,
	): Promise<void> {
		const { ruleset } = instance.spec;
		this.#release(running);
		await running.queue;
		if (!ruleset) {
			running.rulesetError = undefined;
			await dropRuleset(namespace);
			return;
		}
		/* The watch comes first, so that no change falls between the two. */
		if ("file" in ruleset)
			running.watch = this.#watchFile(instance, running, ruleset.file);
		running.drift = setInterval(
			() => this.#refresh(instance, running, "was removed; put back"),
			DRIFT_MS,
		).unref();
		try {
			await this.#put(instance, running, ruleset);
			letFlowsMove(namespace);
			running.rulesetError = undefined;
		} catch (error) {
			/* Without one in place nothing would hold traffic back. */
			if ((await markerIn(namespace)) === undefined) throw error;
			this.#failed(instance, running, error);
		}
	}

	/** The directory is watched: a file that is replaced has another inode. */
	#watchFile(
		instance: InstanceState,
		running: Running,
		file: string,
	): FSWatcher {
		let timer: NodeJS.Timeout | undefined;
		const watcher = watch(dirname(file), (_, changed) => {
			if (changed !== null && changed !== basename(file)) return;
			clearTimeout(timer);
			timer = setTimeout(
				() => this.#refresh(instance, running, `${file} is in place`),
				SETTLE_MS,
			);
		});
		watcher.on("error", (error) => this.#failed(instance, running, error));
		watcher.on("close", () => clearTimeout(timer));
		return watcher;
	}

	#refresh(instance: InstanceState, running: Running, done: string): void {
		const { ruleset } = running.spec;
		if (!ruleset) return;
		running.queue = running.queue.then(() =>
			this.#apply(instance, running, ruleset, done),
		);
	}

	async #apply(
		instance: InstanceState,
		running: Running,
		ruleset: Ruleset,
		done: string,
	): Promise<void> {
		const namespace = this.#namespace(instance);
		if (
			this.#running.get(instanceKey(instance)) !== running ||
			!netnsExists(namespace)
		)
			return;
		try {
			const changed = await this.#put(instance, running, ruleset);
			running.rulesetError = undefined;
			if (changed) this.#options.notify(instance, "ruleset", `ruleset ${done}`);
			else await this.#lookForHands(instance, running);
		} catch (error) {
			this.#failed(instance, running, error);
		}
	}

	/**
	 * Puts a ruleset in place. Until it is there, or is not after all, no packet
	 * passes the function by: an agent that is killed meanwhile leaves it at that.
	 */
	async #put(
		instance: InstanceState,
		running: Running,
		ruleset: Ruleset,
	): Promise<boolean> {
		const namespace = this.#namespace(instance);
		let changes = false;
		try {
			return await ensureRuleset(ruleset, namespace, async () => {
				changes = true;
				await this.#options.rulesChanging?.(instance);
			});
		} finally {
			if (changes) await this.#options.rulesChanged?.(instance);
			if (changes || running.fingerprint === undefined)
				running.fingerprint = await fingerprintIn(namespace);
		}
	}

	/** Rules that somebody adds with nft itself hold for learned flows, too. */
	async #lookForHands(
		instance: InstanceState,
		running: Running,
	): Promise<void> {
		const fingerprint = await fingerprintIn(this.#namespace(instance));
		if (fingerprint === running.fingerprint) return;
		running.fingerprint = fingerprint;
		await this.#options.rulesChanged?.(instance);
		this.#options.notify(instance, "ruleset", "rules were changed by hand");
	}

	#failed(name: InstanceName, running: Running, error: unknown): void {
		const message = error instanceof Error ? error.message : String(error);
		if (running.rulesetError === message) return;
		running.rulesetError = message;
		this.#options.notify(name, "ruleset", message);
	}

	async #ensureCommand(
		instance: InstanceState,
		running: Running,
		namespace: string,
	): Promise<void> {
		const argv = argvOf(instance);
		const { command } = running;
		if (argv && isSame(argv, command?.argv)) return;
		running.command = undefined;
		/* Whatever it said of flows, another program judges them now. */
		if (command) await this.#options.rulesChanged?.(instance);
		await command?.stop();
		if (!argv) {
			await Command.purge(this.#directory(instance));
			return;
		}
		running.command = await Command.open({
			argv,
			netns: namespace,
			directory: this.#directory(instance),
			env: {
				CHAINMAIL_FUNCTION: instance.function,
				CHAINMAIL_INSTANCE: instance.instance,
			},
			changed: (message) => this.#options.notify(instance, "process", message),
		});
	}
}

/** What is to run; without ports it has no interfaces to work on. */
function argvOf({ ports, spec }: InstanceState): Argv | undefined {
	const [program, ...args] = ports.length === 0 ? [] : (spec.command ?? []);
	return program === undefined ? undefined : [program, ...args];
}

const isSame = (a: Argv, b: Argv | undefined): boolean =>
	b !== undefined && a.join("\0") === b.join("\0");

/** Of interest only where conntrack is there. */
const LIBERAL = "netfilter/nf_conntrack_tcp_be_liberal";

/**
 * A flow may skip its function, or pass another instance for a while: conntrack
 * must take what it sees of a connection then for what it is, wherever its window
 * has come to meanwhile.
 */
function letFlowsMove(namespace: string): void {
	try {
		setSysctl(LIBERAL, 1, namespace);
	} catch (error) {
		if (!(error instanceof KernelError) || error.code !== "ENOENT") throw error;
	}
}
