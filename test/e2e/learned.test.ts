/** Real functions that real flows skip once their verdict is known. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { lineAddresses as at } from "../../lab/topologies/line.js";
import { Datagrams } from "../../lab/traffic/datagrams.js";
import { iperf, startIperfServer } from "../../lab/traffic/iperf.js";
import { echo, Skipping } from "./skipping.fixture.js";

describe("a firewall whose verdict is learned", () => {
	let here: Skipping;
	let file: string;
	const ruleset = (verdict: string) =>
		`table inet f {\n chain c {\n  type filter hook forward priority 0; policy accept;\n  udp dport 5000 ${verdict}\n  ct state established,related accept\n }\n}\n`;
	before(async () => {
		here = await Skipping.open((lab) => {
			file = `/tmp/chainmail-${lab.run}.nft`;
			lab.removeWithLab(file);
			writeFileSync(file, ruleset("accept"), { mode: 0o600 });
			return { ruleset: { file } };
		});
	});
	after(() => here?.close());

	it("sees the head of a flow, and is skipped by the rest", async () => {
		await startIperfServer(here.lab.host("server"));
		const { bytes } = await iperf({
			from: here.lab.host("user"),
			address: at.server,
			seconds: 1,
		});
		assert.ok(bytes > 10_000_000);
		assert.ok(here.given() < 60, `it was given ${here.given()} packets`);
	});

	it("has its new rules take effect on running flows", async () => {
		const user = await Datagrams.open(here.lab.host("user"), at.user, 4000);
		for (const text of ["one", "two", "three"])
			assert.equal(await echo(here, user, text), `re: ${text}`);
		const given = here.given();
		assert.equal(await echo(here, user, "skips"), "re: skips");
		assert.equal(here.given(), given);
		const applied = here.fleet.nextEvent("ruleset");
		writeFileSync(file, ruleset("drop"));
		await applied;
		assert.equal(await echo(here, user, "dropped", 300), undefined);
		const again = here.fleet.nextEvent("ruleset");
		writeFileSync(file, ruleset("accept"));
		await again;
		const deadline = Date.now() + 5000;
		while ((await echo(here, user, "retried", 300)) === undefined)
			assert.ok(Date.now() < deadline, "the flow passes again");
	});

	it("has a rule that somebody adds by hand take effect, too", async () => {
		const user = await Datagrams.open(here.lab.host("user"), at.user, 4003);
		for (const text of ["one", "two", "three"])
			assert.equal(await echo(here, user, text), `re: ${text}`);
		const noticed = here.fleet.nextEvent("ruleset");
		await here.inFunction(["nft", "insert", "rule", "inet", "f", "c", "drop"]);
		await noticed;
		assert.equal(await echo(here, user, "dropped", 300), undefined);
	});
});
