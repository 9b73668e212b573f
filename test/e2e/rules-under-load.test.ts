/** A rule that changes takes effect on a learned flow of 1 Gbit/s. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, before, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { lineAddresses as at } from "../../lab/topologies/line.js";
import { startIperfServer } from "../../lab/traffic/iperf.js";
import { Skipping } from "./skipping.fixture.js";

const RATE = "1G";
const PAYLOAD_BYTES = 1400;
/** More than ARP and iperf's own connection say in a moment. */
const BYTES_OF_NO_STREAM = 3000;
const PACKETS = 10_000;

const ruleset = (verdict: string) => `table inet firewall {
	chain forward {
		type filter hook forward priority filter; policy drop;
		udp dport 5201 ${verdict}
		tcp dport 5201 accept
		ct state established,related accept
	}
}
`;

let here: Skipping;
let file: string;
before(async () => {
	here = await Skipping.open((lab) => {
		file = `/tmp/chainmail-${lab.run}.nft`;
		lab.removeWithLab(file);
		writeFileSync(file, ruleset("accept"), { mode: 0o600 });
		return { ruleset: { file } };
	});
	await startIperfServer(here.lab.host("server"));
});
after(() => here?.close());

/** What an interface of the node has sent or received. */
async function counted(
	name: "acc" | "ext",
	direction: "rx" | "tx",
): Promise<{ packets: number; bytes: number }> {
	const stdout = await here.lab
		.host("node")
		.must(["ip", "-s", "-j", "link", "show", "dev", name]);
	const [link] = JSON.parse(stdout) as {
		stats64: Record<"rx" | "tx", { packets: number; bytes: number }>;
	}[];
	assert.ok(link);
	return link.stats64[direction];
}

/** Waits until so many packets more have come in or gone out. */
async function flows(
	name: "acc" | "ext",
	direction: "rx" | "tx",
	packets = PACKETS,
): Promise<void> {
	const { packets: start } = await counted(name, direction);
	const deadline = Date.now() + 10_000;
	while ((await counted(name, direction)).packets < start + packets) {
		assert.ok(Date.now() < deadline, `${name} ${direction}: packets flow`);
		await delay(10);
	}
}

async function change(verdict: string): Promise<void> {
	const acknowledged = here.fleet.nextEvent("ruleset");
	writeFileSync(file, ruleset(verdict));
	await acknowledged;
}

it("drops all from the acknowledgement on, and lets it pass again", async () => {
	const sender = here.lab
		.host("user")
		.start([
			"iperf3",
			"-u",
			"-b",
			RATE,
			"-l",
			String(PAYLOAD_BYTES),
			"-c",
			at.server,
			"-t",
			"60",
		]);
	await flows("ext", "tx");
	const given = here.given();
	await flows("ext", "tx");
	assert.ok(here.given() - given < PACKETS / 10, "the flow is learned");
	for (let round = 0; round < 5; round++) {
		await change("drop");
		const { bytes: before } = await counted("ext", "tx");
		await flows("acc", "rx");
		const { bytes: now } = await counted("ext", "tx");
		assert.ok(
			now - before < BYTES_OF_NO_STREAM,
			`${now - before} bytes passed after the acknowledgement`,
		);
		await change("accept");
		await flows("ext", "tx");
	}
	await sender.stop();
});
