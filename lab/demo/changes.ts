/** The two changes of the demo: a rule of the firewall, and the chain under load. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Installation } from "../installation.js";
import type { Lab } from "../lab.js";
import { mobileEdgeAddresses as at } from "../topologies/mobile-edge.js";
import { curl } from "../traffic/http.js";
import { iperf } from "../traffic/iperf.js";
import { startUdpStream } from "../traffic/udp-stream.js";
import { bitRate, type Report } from "./report.js";

export const EXAMPLE = fileURLToPath(
	new URL("../../../examples/mobile-edge.yaml", import.meta.url),
);
/** The line of the example's firewall that blocks port 8080. */
const BLOCKING_RULE = /^.*tcp dport 8080.*drop.*\n/m;
const CHAIN = "firewall -> monitor";
const BLOCKED_MS = 1500;
/** Between two changes under load. */
const SPACING_MS = 800;

/** Blocked by the firewall; passes once the rule is gone. */
export async function showFirewall(
	report: Report,
	lab: Lab,
	installation: Installation,
): Promise<void> {
	const user = lab.host("user");
	const url = `http://${at.server}:8080/`;
	const local = await curl(lab.host("server"), url);
	report.check(local.status === 200, "a server listens on port 8080");
	const blocked = await curl(user, url, BLOCKED_MS);
	report.command(["curl", url], blocked.error);
	report.check(
		blocked.status === 0,
		"the firewall blocks the user's connection to port 8080",
		`answer ${blocked.status}`,
	);
	const text = readFileSync(EXAMPLE, "utf8");
	const rule = BLOCKING_RULE.exec(text)?.[0].trim();
	if (rule === undefined)
		throw new Error(`${EXAMPLE}: has no rule that drops tcp dport 8080`);
	report.say(`the same file without the firewall's rule: ${rule}`);
	await apply(report, installation, text.replace(BLOCKING_RULE, ""));
	const open = await curl(user, url);
	report.command(["curl", url], `${open.status || open.error}`);
	report.check(
		open.status === 200,
		"without the rule the connection passes",
		open.error,
	);
}

/** Takes the monitor out of the running chain and puts it back. */
export async function changeUnderLoad(
	report: Report,
	lab: Lab,
	installation: Installation,
): Promise<void> {
	const [from, to] = [lab.host("user"), lab.host("server")];
	const stream = await startUdpStream({
		from,
		to,
		address: at.server,
		port: 5201,
		rate: 1000,
		echo: true,
	});
	const load = iperf({ from, address: at.server, seconds: 4 });
	load.catch(() => {});
	report.say("running: UDP, 1,000 numbered packets a second, and iperf3");
	const text = readFileSync(EXAMPLE, "utf8").replace(BLOCKING_RULE, "");
	for (const chain of ["firewall", CHAIN]) {
		await new Promise((resolve) => setTimeout(resolve, SPACING_MS));
		await apply(report, installation, text.replace(CHAIN, chain));
		report.say(`the chain is now: ${chain}`);
	}
	const { bitsPerSecond, bytes } = await load;
	const udp = await stream.stop();
	report.say(
		`UDP sent: ${udp.sent}  received: ${udp.received}  lost: ${udp.lost}  reordered: ${udp.reordered}  duplicated: ${udp.duplicated}  longest gap: ${udp.longestGapMs.toFixed(1)} ms`,
	);
	report.say(`TCP: ${bitRate(bitsPerSecond)}`);
	report.check(
		udp.sent > 1000 && udp.lost === 0,
		`lost: ${udp.lost}`,
		udp.bufferErrors > 0
			? `${udp.bufferErrors} of them in the receiver's own buffer`
			: "the change dropped packets",
	);
	report.check(
		udp.lostBothWays === 0,
		`echoes lost: ${udp.lostBothWays}`,
		"the way back dropped packets",
	);
	report.check(bytes > 0, "the TCP connection survived both changes");
}

async function apply(
	report: Report,
	installation: Installation,
	text: string,
): Promise<void> {
	const file = join(installation.directory, "mobile-edge.yaml");
	writeFileSync(file, text);
	const { stdout, stderr } = await installation.expect(["apply", "-f", file]);
	report.command(
		["chainmail", "apply", "-f", "mobile-edge.yaml"],
		[stderr.trimEnd(), ...stdout.split("\n").filter(isNews)].join("\n").trim(),
	);
}

const isNews = (line: string): boolean => !line.endsWith(" unchanged");
