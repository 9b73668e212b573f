/** user — node — server in namespaces of this run: traffic for one node. */
import {
	ensureAddress,
	ensureRoutes,
	ensureVeth,
} from "../../src/kernel/ip.js";
import { ensureNetns } from "../../src/kernel/netns.js";
import { run } from "../../src/kernel/process.js";
import { setSysctl } from "../../src/kernel/sysctl.js";
import { World } from "./runtimes.js";

export class Lab extends World {
	readonly user = `${this.prefix}-u`;
	readonly server = `${this.prefix}-s`;

	override async open(): Promise<this> {
		await super.open();
		for (const [host, dev, near, far, net] of [
			[this.user, "acc", "10.1.0.1", "10.1.0.2", "1"],
			[this.server, "ext", "10.2.0.1", "10.2.0.2", "2"],
		] as const) {
			await ensureNetns(host);
			for (const at of [host, this.node])
				for (const scope of ["all", "default"])
					setSysctl(`ipv6/conf/${scope}/accept_dad`, 0, at);
			await ensureVeth(
				{ name: dev, netns: this.node },
				{ name: "eth0", netns: host },
			);
			await ensureAddress(dev, `${near}/24`, this.node);
			await ensureAddress(dev, `2001:db8:${net}::1/64`, this.node);
			await ensureAddress("eth0", `${far}/24`, host);
			await ensureAddress("eth0", `2001:db8:${net}::2/64`, host);
			await ensureRoutes(
				[
					{ to: "default", family: 4, via: near },
					{ to: "default", family: 6, via: `2001:db8:${net}::1` },
				],
				host,
			);
		}
		await ensureAddress("eth0", "10.2.0.3/24", this.server);
		return this;
	}

	/** Answers to `count` pings from the user, `interval` seconds apart. */
	async ping(address: string, count = 3, interval = "0.01"): Promise<number> {
		const { stdout } = await run(
			[
				"ping",
				"-n",
				"-q",
				"-c",
				String(count),
				"-i",
				interval,
				"-W",
				"1",
				address,
			],
			{ netns: this.user, timeoutMs: 60_000 },
		).catch((error: { log?: string; message: string }) => ({
			stdout: error.message,
		}));
		return Number(/(\d+) received/.exec(stdout)?.[1] ?? Number.NaN);
	}
}
