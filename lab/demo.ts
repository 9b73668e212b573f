/**
 * The demo: a mobile user's traffic through a chain on two nodes. Drives the
 * real programs as a user would; exit status 0 only if all holds.
 * `--keep` leaves it running; `--end RUN` ends one that was kept.
 */
import type {
	EventView,
	FunctionView,
	NodeView,
	PathView,
} from "../src/api/schemas.js";
import { layerOf } from "../src/wire/decode.js";
import { describe } from "../src/wire/describe.js";
import { demoArguments } from "./demo/arguments.js";
import { changeUnderLoad, EXAMPLE, showFirewall } from "./demo/changes.js";
import { driveFlows, showFlows, startServers } from "./demo/flows.js";
import { Report } from "./demo/report.js";
import { Installation } from "./installation.js";
import { buildLab, destroyRun, type Lab } from "./lab.js";
import { mobileEdge, mobileEdgeAddresses } from "./topologies/mobile-edge.js";
import { startCapture } from "./traffic/capture.js";
import { ping } from "./traffic/ping.js";

const NODES = ["edge1", "edge2"];

async function demo(report: Report, keep: boolean): Promise<void> {
	report.stage("A network of namespaces");
	const lab = await buildLab(mobileEdge());
	// After the lab's own listener, which cleans up.
	process.on("exit", (status) => {
		if (status > 128) console.error("\ninterrupted: cleaned up");
	});
	try {
		report.say(
			"user ─ ap ─ edge1 ═ router ═ edge2 ─ server\n              └─ controller ─┘",
		);
		const installation = await install(report, lab);
		await applyExample(report, installation);
		report.stage("Traffic through the chain");
		await startServers(lab, installation.directory);
		showFlows(report, await driveFlows(lab, installation));
		await look(report, installation);
		await showWire(report, lab);
		report.stage("The firewall decides");
		await showFirewall(report, lab, installation);
		report.stage("The chain changes under load");
		await changeUnderLoad(report, lab, installation);
		report.stage("What was counted");
		await show(report, installation, ["get", "counters"]);
		report.stage(keep ? "Kept running" : "Clean-up");
		if (keep) explain(report, lab, installation);
	} catch (error) {
		report.check(false, "the demo runs to its end", (error as Error).message);
	} finally {
		if (keep && report.failures.length === 0) lab.keep();
		else await lab.destroy();
	}
}

async function install(report: Report, lab: Lab): Promise<Installation> {
	report.stage("Controller and agents");
	const installation = new Installation({
		lab,
		controller: {
			host: "controller",
			address: mobileEdgeAddresses.controller,
		},
		nodes: NODES,
	});
	await installation.startController();
	report.command(["chainmail", "controller"], installation.log("controller"));
	await Promise.all(
		NODES.map(async (node) => {
			await installation.invite(node);
			await installation.startAgent(node);
		}),
	);
	for (const node of NODES) {
		const token = `${node}.token`;
		const { url } = installation;
		report.command(["chainmail", "token", "join", node, ">", token]);
		report.command(
			`chainmail agent --node ${node} --controller ${url} --join-token-file ${token}`.split(
				" ",
			),
		);
	}
	const events = await installation.until<EventView[]>(
		"both agents are connected",
		["get", "events"],
		(all) =>
			NODES.every((node) =>
				all.some((event) => event.kind === "connected" && event.node === node),
			),
	);
	report.check(events.length > 0, "both agents joined and are connected");
	return installation;
}

async function applyExample(
	report: Report,
	installation: Installation,
): Promise<void> {
	report.stage("A policy in YAML");
	const { stdout, stderr } = await installation.expect([
		"apply",
		"-f",
		EXAMPLE,
	]);
	report.command(
		["chainmail", "apply", "-f", "examples/mobile-edge.yaml"],
		stderr + stdout,
	);
	await installation.until<FunctionView[]>(
		"all functions are up",
		["get", "functions"],
		(functions) =>
			functions.every(({ status }) =>
				status.instances.every(({ state }) => state === "up"),
			),
	);
	const nodes = await installation.until<NodeView[]>(
		"both nodes run the plan",
		["get", "nodes"],
		(all) =>
			all.every(
				({ status }) => status.connected && status.revision === status.desired,
			),
	);
	report.check(nodes.length === NODES.length, "both nodes run the plan");
	await show(report, installation, ["get", "functions"]);
	await show(report, installation, ["get", "paths"]);
}

/** Looks at flows and at the way of a packet with the CLI. */
async function look(report: Report, installation: Installation): Promise<void> {
	report.stage("Which way, and why");
	await show(report, installation, ["get", "flows", "--proto", "tcp"]);
	await show(report, installation, [
		..."trace --tenant blue --src 10.0.1.10 --dst 203.0.113.10 --proto tcp --dport 80".split(
			" ",
		),
	]);
	const [path] = await installation.json<PathView[]>(["get", "paths"]);
	if (path !== undefined)
		await show(report, installation, ["describe", "path", String(path.spi)]);
}

/** What the router between the nodes sees of one ping. */
async function showWire(report: Report, lab: Lab): Promise<void> {
	const capture = await startCapture(lab.host("router"), "e1", "udp port 4790");
	await ping(lab.host("user"), mobileEdgeAddresses.server, { count: 1 });
	const packets = await capture.stop();
	report.command(
		["tcpdump", "-i", "e1", "udp", "port", "4790"],
		packets.map(describe).join("\n"),
	);
	const chained = packets.filter((packet) => layerOf(packet, "nsh"));
	report.check(
		chained.length >= 2 && chained.length === packets.length,
		"between the nodes the ping travels in NSH over VXLAN-GPE, both ways",
		`${chained.length} of ${packets.length} packets`,
	);
}

async function show(
	report: Report,
	installation: Installation,
	argv: readonly string[],
): Promise<void> {
	const { stdout, stderr } = await installation.expect(argv);
	report.command(["chainmail", ...argv], stdout + stderr);
}

function explain(report: Report, lab: Lab, installation: Installation): void {
	const enter = (host: string) => `nsenter --net=/run/netns/${lab.netns(host)}`;
	report.say(
		[
			"Look around (as root):",
			`  export CHAINMAIL_CONFIG=${installation.configFile}`,
			`  alias cm='${enter("controller")} ${process.cwd()}/bin/chainmail'`,
			"  cm get flows --watch",
			`  ${enter("user")} curl http://${mobileEdgeAddresses.server}/`,
			`  ${enter("router")} tcpdump -ni e1 udp port 4790`,
			`Logs are in ${installation.directory}.`,
			`End it: npm run demo -- --end ${lab.run}`,
		].join("\n"),
	);
}

function end(run: string): number {
	try {
		destroyRun(run);
	} catch (error) {
		console.error((error as Error).message);
		return 1;
	}
	console.log(`run ${run} is gone`);
	return 0;
}

async function main(args: readonly string[]): Promise<number> {
	const wanted = demoArguments(args);
	if (wanted.kind === "wrong") {
		console.error(wanted.message);
		return 2;
	}
	if (wanted.kind === "end") return end(wanted.run);
	const report = new Report();
	await demo(report, wanted.keep);
	if (report.failures.length === 0) {
		console.log("\nEverything held.");
		return 0;
	}
	console.log(`\n${report.failures.length} expectations did not hold:`);
	for (const failure of report.failures) console.log(`  ${failure}`);
	return 1;
}

process.exitCode = await main(process.argv.slice(2));
