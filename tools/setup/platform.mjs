// Says exactly what a machine lacks to run Chainmail, before anything is touched.
import { existsSync } from "node:fs";
import { Unmet } from "./say.mjs";

const NODE_MAJOR = 20;

/** Reasons why a task cannot run here; empty: it can. Pure, for tests. */
export function platformProblems({ platform, uid, node, btf, needsRoot }) {
	const problems = [];
	if (platform !== "linux")
		problems.push(
			`needs Linux 6.1 or newer; this is ${platform} (use a Debian 12 machine or virtual machine)`,
		);
	if (Number.parseInt(node, 10) < NODE_MAJOR)
		problems.push(`needs Node.js ${NODE_MAJOR} or newer; this is ${node}`);
	if (platform === "linux" && needsRoot) {
		if (uid !== 0)
			problems.push(
				"needs root for network namespaces and eBPF (run it again with sudo)",
			);
		if (!btf)
			problems.push(
				"needs a kernel with BTF: /sys/kernel/btf/vmlinux is absent (Debian 12's own kernel has it)",
			);
	}
	return problems;
}

/** Stops with every problem at once when this machine cannot run the task. */
export function checkPlatform(task, needsRoot) {
	const problems = platformProblems({
		platform: process.platform,
		uid: process.getuid?.() ?? -1,
		node: process.versions.node,
		btf: existsSync("/sys/kernel/btf/vmlinux"),
		needsRoot,
	});
	if (problems.length > 0)
		throw new Unmet(
			problems.map((problem) => `chainmail ${task}: ${problem}`).join("\n"),
		);
}
