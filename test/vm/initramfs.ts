/**
 * What a guest starts from: busybox and the few modules that lead to the host's
 * file system, which it sees read-only under a layer of its own in memory.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { command } from "./command.js";
import { type GuestKernel, modulesInOrder } from "./kernel.js";

/** Tag of the host's root as the guest mounts it. */
export const HOST_ROOT = "hostroot";
const NEEDED = ["virtio_pci", "virtiofs", "overlay"];

/** A cpio archive; `script` runs with sh on the host's files, then the guest ends. */
export async function initramfs(
	kernel: GuestKernel,
	script: string,
): Promise<Buffer> {
	const files = modulesInOrder(kernel.modules, NEEDED);
	const modules = await Promise.all(
		files.map((file) => plainModule(join(kernel.modules, file))),
	);
	const names = files.map((_, i) => `${i}.ko`);
	return cpio([
		...["bin", "dev", "host", "layer", "modules", "new", "proc", "sys"].map(
			(name) => ({ name, mode: 0o040755 }),
		),
		{ name: "bin/busybox", mode: 0o100755, data: readFileSync(kernel.busybox) },
		...names.map((name, i) => ({
			name: `modules/${name}`,
			mode: 0o100644,
			data: modules[i] ?? Buffer.alloc(0),
		})),
		{ name: "then", mode: 0o100755, data: Buffer.from(script) },
		{
			name: "init",
			mode: 0o100755,
			data: Buffer.from(init(names, kernel)),
		},
	]);
}

/** Busybox cannot unpack every kind of module. */
function plainModule(file: string): Promise<Buffer> {
	if (file.endsWith(".xz")) return command(["xz", "-dc", file]);
	if (file.endsWith(".zst")) return command(["zstd", "-dcq", file]);
	return Promise.resolve(readFileSync(file));
}

/** A plain chroot instead of switch_root would break the loading of modules. */
function init(modules: readonly string[], kernel: GuestKernel): string {
	return `#!/bin/busybox sh
/bin/busybox --install -s /bin
set -e
trap 'echo "init: failed"; echo b > /proc/sysrq-trigger' EXIT
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in ${modules.join(" ")}; do insmod /modules/$module; done
mount -t virtiofs -o ro ${HOST_ROOT} /host
mount -t tmpfs tmpfs /layer
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work overlay /new
mkdir -p /new/lib/modules
ln -s ${kernel.modules} /new/lib/modules/${kernel.version}
for folder in proc sys dev; do mount --move /$folder /new/$folder; done
mount -t tmpfs tmpfs /new/run
mount -t bpf bpf /new/sys/fs/bpf
cp /then /new/run/then
trap - EXIT
exec switch_root /new /bin/sh /run/then
`;
}

interface Entry {
	/** Without a slash in front; folders stand before what is in them. */
	readonly name: string;
	/** Type and permissions. */
	readonly mode: number;
	readonly data?: Buffer;
}

const TRAILER: Entry = { name: "TRAILER!!!", mode: 0 };

/** The format of the kernel's early file system ("newc"). */
function cpio(entries: readonly Entry[]): Buffer {
	return Buffer.concat(
		[...entries, TRAILER].flatMap(({ name, mode, data }, i) => {
			const [uid, gid, links, time] = [0, 0, 1, 0];
			const device = [0, 0, 0, 0];
			const head = [i + 1, mode, uid, gid, links, time, data?.length ?? 0];
			const fields = [...head, ...device, name.length + 1, 0];
			const hex = fields.map((value) => value.toString(16).padStart(8, "0"));
			return [
				padded(Buffer.from(`070701${hex.join("")}${name}\0`)),
				padded(data ?? Buffer.alloc(0)),
			];
		}),
	);
}

function padded(bytes: Buffer): Buffer {
	return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}
