/**
 * Everybody ends at every step of a rekey, under traffic: the centre and EFs by
 * SIGKILL, agents by making way for the next. Nothing is in the clear, no SA is left
 * behind, and only an EF's death loses packets.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { LabAuc } from "../../lab/auc.js";
import { Fleet } from "../../lab/fleet.js";
import { buildLab, type Lab } from "../../lab/lab.js";
import {
	lineAddresses as at,
	line,
	underlayAddress,
} from "../../lab/topologies/line.js";
import { startUdpStream } from "../../lab/traffic/udp-stream.js";
import { efDirectory } from "../../src/agent/ef/ef.js";
import { efFiles } from "../../src/functions/ef-process/config.js";
import type {
	EfReport,
	ReportedSa,
} from "../../src/functions/ef-process/report.js";
import { EfWatch } from "../../src/functions/ef-process/watch.js";
import { espSpi } from "../../src/keys/spi.js";
import { addressBytes } from "../../src/wire/address.js";
import { chain, drops, efOf, generations, NODES } from "./sealed-line.js";
import { Recording } from "./sealed-wires.js";
import { until } from "./until.js";

/** What both ends of the link from `in` to `out` hold of it. */
interface Ends {
	readonly sender: readonly ReportedSa[];
	readonly receiver: readonly ReportedSa[];
}

/** How far a rekey is, by what the ends show; `old` is the generation before. */
const STEPS: Readonly<Record<string, (ends: Ends, old: number) => boolean>> = {
	"is asked for": () => true,
	"is with the receiver": ({ receiver }) => receiver.length === 2,
	"is with the sender": ({ sender }) => sender.length === 2,
	"is in use": ({ sender }, old) =>
		sender.some(({ active, generation }) => active && generation > old),
	"has no predecessor at the sender": ({ sender }, old) =>
		sender.length === 1 && (sender[0]?.generation ?? 0) > old,
	"has no predecessor": ({ receiver }, old) =>
		receiver.length === 1 && (receiver[0]?.generation ?? 0) > old,
};

type Victim = "centre" | "sender" | "receiver" | "agents";
const VICTIMS: readonly Victim[] = ["centre", "agents", "sender", "receiver"];

describe("a rekey", () => {
	let lab: Lab;
	let auc: LabAuc;
	let fleet: Fleet;
	let wire: Recording;
	const watches: EfWatch[] = [];
	const reports = new Map<string, EfReport | undefined>();
	let changed = () => {};

	before(async () => {
		lab = await buildLab(line(NODES));
		auc = await LabAuc.start({
			lab,
			host: "in",
			address: underlayAddress(0),
		});
		fleet = await Fleet.open(lab, chain("between-nodes"), auc);
		await auc.ready();
		wire = await Recording.start(lab.host("in"), "right");
		for (const name of NODES) {
			const { socket } = efFiles(efDirectory(fleet.stateDir(name)));
			watches.push(
				new EfWatch(socket, (report) => {
					reports.set(name, report);
					changed();
				}),
			);
		}
	});
	after(async () => {
		for (const watch of watches) watch.close();
		wire?.remove();
		await fleet?.destroy();
		await lab?.destroy();
	});

	/** SAs that an EF holds of the link. */
	const held = (node: string, link: number): readonly ReportedSa[] =>
		(reports.get(node)?.sas ?? []).filter(({ spi }) => spi >>> 4 === link);

	async function rekeyedLink() {
		const { links } = await auc.status();
		const found = links.find(({ link }) => link.sender === "in");
		assert.ok(found);
		return { id: espSpi({ ...found.link, generation: 0 }) >>> 4, ...found };
	}

	/** Resolves as soon as the ends show the step. */
	function reached(step: string, link: number, old: number): Promise<void> {
		const ends = () => ({
			sender: held("in", link),
			receiver: held("out", link),
		});
		return new Promise((resolve, reject) => {
			const timer = setTimeout(
				() => reject(new Error(`no rekey ${step}: ${JSON.stringify(ends())}`)),
				15_000,
			);
			changed = () => {
				if (!STEPS[step]?.(ends(), old)) return;
				changed = () => {};
				clearTimeout(timer);
				resolve();
			};
			changed();
		});
	}

	async function kill(victim: Victim): Promise<void> {
		if (victim === "centre") {
			await auc.kill();
			await auc.start();
		} else if (victim === "agents") {
			for (const name of NODES) await fleet.restart(name);
		} else {
			const node = victim === "sender" ? "in" : "out";
			process.kill(efOf(fleet, node).pid, "SIGKILL");
		}
	}

	/** Every link has one SA, newer than before, and so have both its ends. */
	async function settled(before: readonly number[]): Promise<boolean> {
		const { links } = await auc.status();
		const now = await generations(auc);
		return (
			links.every(({ sas }) => sas.length === 1) &&
			now.every((one, i) => one > (before[i] ?? 0)) &&
			NODES.every((name) => {
				const { sas = [] } = reports.get(name) ?? {};
				return (
					sas.length === links.length &&
					sas.every(({ generation }) => now.includes(generation))
				);
			})
		);
	}

	for (const victim of VICTIMS)
		for (const step of Object.keys(STEPS))
			it(`goes on without the ${victim} from when the key ${step}`, async () => {
				const link = await rekeyedLink();
				const before = await generations(auc);
				const old = Math.max(...link.sas.map(({ generation }) => generation));
				const stream = await startUdpStream({
					from: lab.host("user"),
					to: lab.host("server"),
					address: at.server,
					port: 5000,
					rate: 1000,
					echo: true,
				});
				const arrived = reached(step, link.id, old);
				/* It may die before it has answered. */
				const asked = auc.rekey("in").catch(() => {});
				if (step === "is asked for") await asked;
				await arrived;
				await kill(victim);
				/* A centre that dies with the question has not heard it. */
				if (victim === "centre") await auc.rekey("in");
				await until("all keys are new, and no old one is left", () =>
					settled(before),
				);
				const { lost, lostBothWays, sent } = await stream.stop();
				assert.ok(sent > 100);
				if (victim === "centre" || victim === "agents")
					assert.deepEqual([lost, lostBothWays], [0, 0], drops(fleet));
				else assert.ok(lostBothWays < sent, "it never came back");
			});

	it("never shows a packet on the wire", async () => {
		await wire.stop();
		const bytes = readFileSync(wire.file);
		assert.ok(bytes.length > 1_000_000, `${bytes.length} bytes were recorded`);
		const [user, server] = [addressBytes(at.user), addressBytes(at.server)];
		for (const pair of [
			[user, server],
			[server, user],
		])
			assert.equal(bytes.indexOf(Buffer.concat(pair)), -1);
		for (const name of NODES) {
			const left = fleet.node(name).counters().drops;
			for (const reason of ["plaintext", "unsealed"])
				assert.equal(left.find((one) => one.reason === reason)?.packets, 0);
		}
	});
});
