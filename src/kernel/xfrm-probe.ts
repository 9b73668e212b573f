/** Whether the kernel can encrypt as an EF needs it, found out by doing it. */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { inScratchNetns } from "./scratch.js";
import { Xfrm } from "./xfrm.js";

const ENDS = { src: 0xc0000201, dst: 0xc0000202 };
const KEY_AND_SALT_BYTES = 16 + 4;
/** Modules are loaded, and AES tries itself, when they are first asked for. */
const LONGEST_MS = 20_000;

/** Throws what is missing: ESP with AES-GCM, a window of 1,024, XFRM interfaces. */
export function tryEsp(): void {
	inScratchNetns<void>(() => {
		const xfrm = new Xfrm(undefined, () => {});
		try {
			xfrm.addState({
				ends: ENDS,
				spi: 256,
				secret: randomBytes(KEY_AND_SALT_BYTES),
				extended: true,
				windowPackets: 1024,
				lastSequence: 0n,
				outgoing: true,
				mark: 1,
				interfaceId: 1,
				limits: {},
			});
			xfrm.blockByDefault();
		} finally {
			xfrm.close();
		}
		const link = ["link", "add", "x0", "type", "xfrm", "dev", "lo"];
		const { error, status, stderr } = spawnSync("ip", [...link, "if_id", "1"], {
			encoding: "utf8",
			timeout: LONGEST_MS,
		});
		if (error) throw error;
		if (status !== 0) throw new Error(`XFRM interface: ${stderr.trim()}`);
	});
}
