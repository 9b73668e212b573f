/** The network of star.ts as it runs, an attacker in it, and what a test does there. */
import assert from "node:assert/strict";
import { LabAuc } from "../../../lab/auc.js";
import { Fleet } from "../../../lab/fleet.js";
import { buildLab, type Lab } from "../../../lab/lab.js";
import { type Capture, startCapture } from "../../../lab/traffic/capture.js";
import { Datagrams } from "../../../lab/traffic/datagrams.js";
import { RawSocket } from "../../../src/kernel/rawsocket.js";
import type { PathSummary } from "../../../src/plan/path.js";
import {
	type BuildLayer,
	eth,
	ipv4,
	packet,
	udp,
} from "../../../src/wire/build.js";
import { layerOf } from "../../../src/wire/decode.js";
import { until } from "../until.js";
import { Attacker, ip, macAt } from "./attacker.js";
import { type Counts, Refused } from "./refused.js";
import { at, intent, type Policy, SERVER_PORT, SPORT, star } from "./star.js";

/** Policies whose packets node `out` opens. */
const SEALED = 4;
const POLICIES = Object.keys(SPORT) as Policy[];

export class Scene {
	/** Words of packets that may arrive at the server, each once. */
	readonly sent: string[] = [];
	readonly #sockets: RawSocket[] = [];

	private constructor(
		readonly lab: Lab,
		readonly auc: LabAuc,
		readonly fleet: Fleet,
		readonly attacker: Attacker,
		/** What node `out` has refused. */
		readonly refused: Refused,
		readonly paths: ReadonlyMap<string, PathSummary>,
		readonly captures: readonly Capture[],
		readonly server: Datagrams,
		readonly toNode: BuildLayer,
	) {}

	/** There is traffic on every path, so that only an attack makes a drop. */
	static async open(): Promise<Scene> {
		const lab = await buildLab(star);
		let fleet: Fleet | undefined;
		try {
			const auc = await LabAuc.start({ lab, host: "in", address: at.in });
			fleet = await Fleet.open(lab, intent, auc);
			const planned = await fleet.apply(intent);
			const outward = planned.filter(({ side }) => side === "access");
			await auc.ready();
			const captures = await Promise.all(
				(["user", "server"] as const).map((host) =>
					startCapture(lab.host(host), "eth0"),
				),
			);
			const scene = new Scene(
				lab,
				auc,
				fleet,
				await Attacker.open(lab),
				new Refused(fleet, "out"),
				new Map(outward.map((one) => [one.policy, one])),
				captures,
				await Datagrams.open(lab.host("server"), at.server, SERVER_PORT),
				eth({
					src: await macAt(lab.host("user"), "eth0"),
					dst: await macAt(lab.host("in"), "acc"),
				}),
			);
			await scene.#begin();
			return scene;
		} catch (error) {
			await fleet?.destroy();
			await lab.destroy();
			throw error;
		}
	}

	async #begin(): Promise<void> {
		for (const policy of POLICIES) await this.arrives(this.say(policy));
		await until(
			"all is counted",
			() =>
				this.fleet.node("out").counters().ef?.in.packets === SEALED &&
				this.fleet.node("out").status().ef?.silent?.length === 0,
		);
		await this.refused.start();
	}

	async close(): Promise<void> {
		for (const socket of this.#sockets) socket.close();
		await this.attacker.close();
		await this.fleet.destroy();
		await this.lab.destroy();
	}

	/** Sends frames by an interface; closed with the scene. */
	socket(name: string, netns: string): RawSocket {
		const socket = new RawSocket(name, netns);
		this.#sockets.push(socket);
		return socket;
	}

	spi(policy: Policy): number {
		return this.#path(policy).spi;
	}

	/** Of the way back. */
	back(policy: Policy): number {
		return this.#path(policy).reverseSpi;
	}

	fromUser(policy: Policy, text: string): Buffer {
		return packet(
			ipv4({ src: at.user, dst: at.server }),
			udp({ sport: SPORT[policy], dport: SERVER_PORT }),
			text,
		);
	}

	/** The user sends a packet whose words no other has. */
	say(policy: Policy): string {
		const text = `${policy} ${this.sent.length} ${"x".repeat(80)}`;
		this.sent.push(text);
		const user =
			this.#sockets[0] ?? this.socket("eth0", this.lab.netns("user"));
		user.send(packet(this.toNode, ip(this.fromUser(policy, text))));
		return text;
	}

	/** At the server, as the next packet. */
	async arrives(text: string): Promise<void> {
		assert.equal((await this.server.next()).data.toString(), text);
	}

	/** A packet of the user's on its way to `out`, which has not arrived there. */
	async held(policy: Policy): Promise<[Buffer, string]> {
		this.attacker.skip();
		await this.attacker.holdBack();
		const text = this.say(policy);
		const frame = await this.attacker.next();
		await this.attacker.letGo();
		return [frame, text];
	}

	/** `out` counts these frames of the attacker just so. */
	async counts(want: Counts, frames: readonly Uint8Array[]): Promise<void> {
		await this.refused.counts(want, () => this.attacker.send(...frames));
	}

	/** The first of them that comes is taken, the others are the same packet. */
	async takenOnce(text: string, frames: readonly Uint8Array[]): Promise<void> {
		const rest = frames.length - 1;
		const want = { "ef opened": 1, ...(rest && { "ef replayed": rest }) };
		await this.counts(want, frames);
		await this.arrives(text);
	}

	/** Ends it: what came to the server was sent, and came once; to the user nothing. */
	async nothingForged(): Promise<void> {
		for (const policy of POLICIES) await this.arrives(this.say(policy));
		const [user = [], server = []] = await Promise.all(
			this.captures.map((capture) => capture.stop()),
		);
		const texts = server
			.filter((one) => layerOf(one, "udp")?.dport === SERVER_PORT)
			.map(({ payload }) => payload.toString());
		assert.ok(texts.length > 0);
		assert.deepEqual(
			texts.filter((text) => !this.sent.includes(text)),
			[],
		);
		assert.equal(new Set(texts).size, texts.length, "one came twice");
		const answers = user.filter(
			(one) => layerOf(one, "udp")?.sport === SERVER_PORT,
		);
		assert.deepEqual(answers, []);
	}

	#path(policy: Policy): PathSummary {
		const path = this.paths.get(policy);
		assert.ok(path, policy);
		return path;
	}
}
