/** Names of a test's own, removed when it ends, however it ends. */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { BPFFS, ensureBpffs } from "../../src/kernel/bpffs.js";
import { ensureVeth } from "../../src/kernel/ip.js";
import { deleteNetns, ensureNetns } from "../../src/kernel/netns.js";
import { root } from "../../tools/root.js";

export const TINY = join(root, "dist/test/kernel/tiny.bpf.o");
export const REFUSED = join(root, "dist/test/kernel/refused.bpf.o");

function unique(): string {
	return `cmt-${process.pid}-${randomBytes(3).toString("hex")}`;
}

/** A directory on the bpffs. */
export async function pinRoot(t: TestContext): Promise<string> {
	await ensureBpffs();
	const path = join(BPFFS, unique());
	mkdirSync(path);
	t.after(() => rmSync(path, { recursive: true, force: true }));
	return path;
}

export function directory(t: TestContext): string {
	const path = mkdtempSync(join(tmpdir(), "chainmail-"));
	t.after(() => rmSync(path, { recursive: true, force: true }));
	return path;
}

/** A namespace with its loopback up. */
export async function namespace(t: TestContext): Promise<string> {
	const name = unique();
	t.after(() => deleteNetns(name));
	await ensureNetns(name);
	return name;
}

/** Namespaces `a` and `b`, joined by va and vb. */
export async function joined(
	t: TestContext,
): Promise<{ a: string; b: string }> {
	const [a, b] = [await namespace(t), await namespace(t)];
	await ensureVeth({ name: "va", netns: a }, { name: "vb", netns: b });
	return { a, b };
}

/** Resolves when `met` is true; rejects after 5 s. */
export async function until(what: string, met: () => boolean): Promise<void> {
	const end = performance.now() + 5000;
	while (!met()) {
		if (performance.now() > end) throw new Error(`waited 5 s for: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 2));
	}
}

/** A broadcast frame of a local experimental EtherType (IEEE 802). */
export function frame(): Buffer {
	return Buffer.from(`ffffffffffff0200000000aa88b5${"00".repeat(50)}`, "hex");
}
