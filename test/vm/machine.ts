/**
 * A guest under software emulation, with this machine's files to read and a
 * layer of its own to write on. It says what it has to say by serial lines.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
	existsSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { emulator } from "./emulator.js";
import { HOST_ROOT, initramfs } from "./initramfs.js";
import type { GuestKernel } from "./kernel.js";

const MEMORY = "1G";
/** The emulated processor has AES-NI; QEMU 10 is sound with one thread. */
const PROCESSOR = ["-accel", "tcg,thread=single", "-cpu", "Westmere,+rdrand"];
const COMMAND_LINE =
	"console=ttyS0 quiet panic=-1 mitigations=off cryptomgr.notests=1";
const SOCKET_DEADLINE_MS = 10_000;

export interface GuestOutput {
	/** Of its second serial line, which is standard output of the script. */
	readonly said: string;
	/** The kernel's messages and standard error. */
	readonly console: string;
}

/** Boots, runs `script` with sh, and ends with it; later than the deadline by force. */
export async function runGuest(
	kernel: GuestKernel,
	script: string,
	deadlineMs: number,
): Promise<GuestOutput> {
	const folder = mkdtempSync(join(tmpdir(), "chainmail-vm-"));
	const at = (name: string) => join(folder, name);
	const started: Child[] = [];
	try {
		const { qemu, virtiofsd } = await emulator();
		writeFileSync(at("initramfs"), await initramfs(kernel, ended(script)));
		const files = new Child([
			...virtiofsd,
			`--socket-path=${at("files")}`,
			...["--shared-dir=/", "--readonly", "--sandbox=chroot"],
			/* As one file system, as an overlay refuses folders of several; what does not
			   change meanwhile is read once. */
			...["--no-announce-submounts", "--cache=always"],
			...["--rlimit-nofile=10000", "--log-level=error"],
		]);
		started.push(files);
		await files.untilThere(at("files"));
		const guest = new Child([
			...qemu,
			...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
			...["-smp", "1", "-m", MEMORY, ...PROCESSOR],
			"-object",
			`memory-backend-memfd,id=mem,size=${MEMORY},share=on`,
			...["-numa", "node,memdev=mem"],
			...["-kernel", kernel.image, "-initrd", at("initramfs")],
			...["-append", COMMAND_LINE],
			...["-serial", `file:${at("console")}`, "-serial", `file:${at("said")}`],
			...["-chardev", `socket,id=files,path=${at("files")}`],
			...["-device", `vhost-user-fs-pci,chardev=files,tag=${HOST_ROOT}`],
		]);
		started.push(guest);
		const late = await guest.ends(deadlineMs);
		const read = (name: string) =>
			existsSync(at(name)) ? readFileSync(at(name), "utf8") : "";
		const end = late ? `no end after ${deadlineMs} ms` : guest.complaints;
		return { said: read("said"), console: `${read("console")}${end}` };
	} finally {
		for (const child of started) await child.kill();
		rmSync(folder, { recursive: true, force: true });
	}
}

/** The reset ends the emulator. */
function ended(script: string): string {
	return `export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
ip link set lo up
stty -F /dev/ttyS1 raw
exec > /dev/ttyS1 2> /dev/console
${script}
exec > /dev/console
echo b > /proc/sysrq-trigger
`;
}

/** A process that ends when this one does, however that is. */
class Child {
	readonly #process: ChildProcess;
	readonly #ended: Promise<void>;
	complaints = "";

	constructor(argv: readonly string[]) {
		this.#process = spawn(
			"setpriv",
			["--pdeathsig", "KILL", "--", ...argv] as string[],
			{ stdio: ["ignore", "ignore", "pipe"] },
		);
		this.#process.stderr?.on("data", (text: Buffer) => {
			this.complaints += text.toString();
		});
		this.#ended = new Promise((resolve) => {
			this.#process.once("error", (error) => {
				this.complaints += error.message;
				resolve();
			});
			this.#process.once("close", () => resolve());
		});
	}

	get #gone(): boolean {
		const { exitCode, signalCode, pid } = this.#process;
		return exitCode !== null || signalCode !== null || pid === undefined;
	}

	/** Until it has made this file. */
	async untilThere(path: string): Promise<void> {
		const deadline = Date.now() + SOCKET_DEADLINE_MS;
		while (!existsSync(path)) {
			if (this.#gone || Date.now() > deadline)
				throw new Error(`start virtiofsd: ${this.complaints || "no socket"}`);
			await delay(10);
		}
	}

	/** True where it had to be ended. */
	async ends(deadlineMs: number): Promise<boolean> {
		const stop = new AbortController();
		const late = delay(deadlineMs, true, { signal: stop.signal }).catch(
			() => false,
		);
		const first = await Promise.race([this.#ended.then(() => false), late]);
		stop.abort();
		return first;
	}

	async kill(): Promise<void> {
		if (!this.#gone) this.#process.kill("SIGKILL");
		await this.#ended;
	}
}
