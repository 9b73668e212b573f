/**
 * What may be in the clear becomes less while answers flow that nobody asks for
 * again: from the switch on they are sealed, too.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
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
import { Datagrams } from "../../lab/traffic/datagrams.js";
import type { Intent, PolicyDocument } from "../../src/model/intent.js";
import { chain, drops, NODES } from "./sealed-line.js";
import { Recording } from "./sealed-wires.js";

const ANSWERS = 50;

type Spec = Partial<PolicyDocument["spec"]>;

/** The chain with another encryption, and `match` as the class `video`. */
function encrypted(spec: Spec, match = "proto=udp & dport=5004"): Intent {
	const intent = chain("never");
	const policies = new Map(
		[...intent.policies].map(([name, one]) => [
			name,
			{ ...one, spec: { ...one.spec, ...spec } },
		]),
	);
	const video = { kind: "FlowClass", name: "video", spec: { match } } as const;
	return { ...intent, policies, flowClasses: new Map([["video", video]]) };
}

const except: Spec["encrypt"] = { when: "between-nodes", except: ["video"] };

describe("less may be in the clear", () => {
	let lab: Lab;
	let fleet: Fleet;
	before(async () => {
		lab = await buildLab(line(NODES));
		const auc = await LabAuc.start({
			lab,
			host: "in",
			address: underlayAddress(0),
		});
		fleet = await Fleet.open(lab, encrypted({ encrypt: "never" }), auc);
	});
	after(async () => {
		await fleet?.destroy();
		await lab?.destroy();
	});

	/** Answers to one question, before and after the change; those on the wire. */
	async function shown(from: Intent, to: Intent): Promise<number> {
		await fleet.switchTo(from);
		const user = await Datagrams.open(lab.host("user"), at.user, 6000);
		const server = await Datagrams.open(lab.host("server"), at.server, 5005);
		try {
			user.send(randomBytes(20), at.server, 5005);
			await server.next();
			const answer = async () => {
				const data = Buffer.concat([marker, randomBytes(20)]);
				server.send(data, at.user, 6000);
				assert.deepEqual((await user.next()).data, data, drops(fleet));
			};
			const marker = randomBytes(32);
			await answer();
			await fleet.switchTo(to);
			const wire = await Recording.start(lab.host("in"), "right");
			for (let i = 0; i < ANSWERS; i++) await answer();
			await wire.stop();
			const bytes = readFileSync(wire.file);
			wire.remove();
			assert.ok(bytes.length > ANSWERS * 100, "nothing was recorded");
			return (
				bytes.toString("latin1").split(marker.toString("latin1")).length - 1
			);
		} finally {
			await user.close();
			await server.close();
		}
	}

	it("by a policy that seals from now on", async () => {
		const clear = encrypted({ encrypt: "never" });
		assert.equal(await shown(clear, clear), ANSWERS, "the marker is not found");
		const sealed = encrypted({ encrypt: "between-nodes" });
		assert.equal(await shown(clear, sealed), 0);
	});

	it("by a class that has become narrower", async () => {
		const wide = encrypted({ encrypt: except }, "proto=udp & dport=5004-5005");
		const narrow = encrypted({ encrypt: except });
		assert.equal(await shown(wide, narrow), 0);
	});

	it("and the running flows of a policy that keeps them", async () => {
		const clear = encrypted({ encrypt: "never", onChange: "keep" });
		const sealed = encrypted({ encrypt: "between-nodes", onChange: "keep" });
		assert.equal(await shown(clear, sealed), 0);
	});
});
