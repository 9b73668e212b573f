/** Sealed hops through a controller: real EFs beside agents without a data plane. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { EventView, KeyLink, KeyList } from "../api/schemas.js";
import {
	linkFrom,
	Site,
	sharedKey,
	until,
} from "../controller/auc/testing/site.js";
import type { TestEf } from "../controller/auc/testing/test-ef.js";
import type { IntentDocument } from "../model/intent.js";
import type { NodeState } from "../plan/state.js";
import type { FakeAgent } from "./testing/fake-agent.js";
import { documents, type TestController } from "./testing/network.js";
import { chosenLength, network, reconnect } from "./testing/rollout.js";

const RULE = "match(proto=udp) >> firewall -> ids";

function sealed(encrypt: object): IntentDocument {
	const spec = { tenant: "blue", rule: RULE, encrypt };
	return { kind: "Policy", name: "blue-all", spec } as IntentDocument;
}

const SEALED = sealed({ when: "between-nodes" });
const without = documents.filter(({ name }) => name !== "blue-all");

/** The agent's EF, which enrols through it. */
function efOf(site: Site, agent: FakeAgent): TestEf {
	const at = () => ({ host: "127.0.0.1", port: agent.auc?.port ?? 0 });
	const ef = site.ef(agent.node, at);
	const key = ef.start() ?? Buffer.alloc(0);
	agent.say({ type: "ef-enrol", key: key.toString("base64") });
	return ef;
}

async function sealedNetwork(
	body: (
		controller: TestController,
		edge1: FakeAgent,
		edge2: FakeAgent,
		site: Site,
	) => Promise<void>,
): Promise<void> {
	const site = new Site();
	try {
		await network(async (controller, edge1, edge2) => {
			for (const edge of [edge1, edge2]) {
				await edge.until(() => edge.auc !== undefined);
			}
			await body(controller, edge1, edge2, site);
		});
	} finally {
		await site.close();
	}
}

async function links({ admin }: TestController): Promise<KeyLink[]> {
	const { status, body } = await admin.get("/v1/keys");
	assert.equal(status, 200, JSON.stringify(body));
	return (body as KeyList).items;
}

/** Whether both EFs have the same key of each of these. */
function areShared(all: readonly KeyLink[], efs: readonly TestEf[]): boolean {
	const named = new Map(efs.map((ef) => [ef.name, ef]));
	return all.every(({ path, index: eSi, sender, receiver }) => {
		const [from, to] = [named.get(sender), named.get(receiver)];
		const link = { ...linkFrom(sender, receiver, path), eSi };
		return from && to && sharedKey(link, from, to) !== undefined;
	});
}

const hasLinks = ({ links: held = [] }: NodeState) => held.length > 0;

test("keys: nodes switch to a sealed path once its hops have keys", () =>
	sealedNetwork(async (controller, edge1, edge2, site) => {
		const efs = [efOf(site, edge1), efOf(site, edge2)];
		await until("enrolled", () => efs.every((ef) => ef.status.enrolled));
		await controller.admin.apply(without);
		const early: boolean[] = [];
		edge1.react = (state) => {
			if (chosenLength(state, "blue-all") !== undefined) {
				early.push(efs.every(({ active }) => active.size === 0));
			}
			return "ack";
		};
		const { status, body } = await controller.admin.apply([SEALED]);
		assert.equal(status, 200, JSON.stringify(body));
		assert.equal(early[0], false, "it switched before there was a key");
		const all = await links(controller);
		assert.ok(all.length >= 2, "one link each way");
		assert.ok(all.every(({ state }) => state === "ready"));
		assert.ok(all.every(({ flowClass }) => flowClass === "blue-all"));
		assert.ok(areShared(all, efs));

		/* Another lifetime: other keys, the same paths. */
		const before = efs.map((ef) => ef.keys.length);
		const often = sealed({ when: "between-nodes", rekey: { seconds: 600 } });
		const changed = await controller.admin.apply([often]);
		assert.equal(changed.status, 200, JSON.stringify(changed.body));
		await until("other keys", () =>
			efs.every((ef, i) => ef.keys.length > (before[i] ?? 0)),
		);
		const paths = (list: KeyLink[]) => list.map(({ path }) => path);
		assert.deepEqual(paths(await links(controller)), paths(all));

		/* When the paths are gone, so are their keys. */
		edge1.idleMs = edge2.idleMs = 1_000_000;
		const gone = await controller.admin.call("DELETE", "/v1/policies/blue-all");
		assert.equal(gone.status, 200, JSON.stringify(gone.body));
		await until("keys are gone", () =>
			efs.every(({ loaded }) => loaded.size === 0),
		);
		assert.deepEqual(await links(controller), []);
	}));

test("keys: a change whose sealed hop gets no keys is taken back, and says which", () =>
	sealedNetwork(async (controller, edge1, edge2, site) => {
		efOf(site, edge1);
		await controller.admin.apply(without);
		const { status, body } = await controller.admin.apply([SEALED], {
			timeoutMs: 1500,
		});
		assert.equal(status, 504, JSON.stringify(body));
		assert.equal(body.error.code, "keys_missing");
		assert.match(body.error.message, /from edge[12] to edge[12] \(path \d+/);
		assert.equal(body.error.problems.length >= 2, true);
		await until("links go", async () => (await links(controller)).length === 0);
		for (const { states, running } of [edge1, edge2]) {
			assert.ok(states.some(hasLinks), "it was made");
			assert.ok(running && !hasLinks(running), "and taken back");
			assert.ok(
				states.every((one) => chosenLength(one, "blue-all") === undefined),
				"nothing was led onto it",
			);
		}
		/* What is not sealed is not held up. */
		const plain = await controller.admin.apply(documents);
		assert.equal(plain.status, 200, JSON.stringify(plain.body));
	}));

test("keys: a controller that starts again goes on with the keys there are", () =>
	sealedNetwork(async (controller, edge1, edge2, site) => {
		const efs = [efOf(site, edge1), efOf(site, edge2)];
		const applied = await controller.admin.apply([...without, SEALED]);
		assert.equal(applied.status, 200, JSON.stringify(applied.body));
		const before = await links(controller);
		await controller.restart();
		await reconnect(controller.admin, edge1, edge2);
		assert.ok(areShared(before, efs), "nothing is lost meanwhile");
		await until("told where the centre is now", async () => {
			for (const [i, ef] of efs.entries()) {
				const { auc } = [edge1, edge2][i] as FakeAgent;
				if (auc) ef.start(null);
			}
			const body = (await controller.admin.get("/v1/keys")).body as KeyList;
			return body.present.length === 2;
		});
		const spis = (all: readonly KeyLink[]) =>
			all.map(({ sas }) => sas.at(-1)?.espSpi);
		assert.deepEqual(spis(await links(controller)), spis(before));
		assert.deepEqual(
			efs.map(({ keys }) => keys.length),
			[before.length, before.length],
			"no key was changed",
		);
	}));

test("keys: staff rekeys, revokes and reads the audit; nobody else does", () =>
	sealedNetwork(async (controller, edge1, edge2, site) => {
		const { admin } = controller;
		const efs = [efOf(site, edge1), efOf(site, edge2)] as const;
		await admin.apply([...without, SEALED]);
		const [first] = await links(controller);
		assert.ok(first);
		const token = await admin.newToken({
			name: "blue",
			role: "tenant",
			tenant: "blue",
		});
		const tenant = admin.as(token);
		for (const path of ["/v1/keys", "/v1/keys/audit"]) {
			assert.equal((await tenant.get(path)).status, 403);
		}
		const target = { path: first.path };
		for (const verb of ["rekey", "revoke"]) {
			const refused = await tenant.call("POST", `/v1/keys/${verb}`, target);
			assert.equal(refused.status, 403);
			const nothing = { sa: 4242 };
			const absent = await admin.call("POST", `/v1/keys/${verb}`, nothing);
			assert.equal(absent.status, 404);
			const spi = (await links(controller))[0]?.sas.at(-1)?.espSpi;
			const done = await admin.call("POST", `/v1/keys/${verb}`, target);
			assert.equal(done.status, 204, JSON.stringify(done.body));
			await until(`${verb} took effect`, async () => {
				const [now] = await links(controller);
				/* One that is on its way would take the next request over. */
				const isDone = now?.sas.every(({ phase }) => phase === "current");
				const isOther = now?.sas.at(-1)?.espSpi !== spi;
				return now?.state === "ready" && isDone === true && isOther;
			});
		}
		const bad = await admin.call("POST", "/v1/keys/revoke", { path: 0 });
		assert.equal(bad.status, 400);

		const revoked = await admin.call("POST", "/v1/nodes/edge2/revoke");
		assert.equal(revoked.status, 204, JSON.stringify(revoked.body));
		await until("its peer has no keys", () => efs[0].loaded.size === 0);
		const list = (await admin.get("/v1/keys")).body as KeyList;
		assert.deepEqual(list.revoked, ["edge2"]);
		assert.ok(list.items.every(({ state }) => state === "revoked"));
		const admitted = await admin.call("POST", "/v1/keys/admit", {
			node: "edge2",
		});
		assert.equal(admitted.status, 204);

		const audit = await admin.get("/v1/keys/audit");
		const events = (audit.body as { items: EventView[] }).items;
		for (const [pattern, who] of [
			[/enrolled/, undefined],
			[/in use/, undefined],
			[/new keys asked for: path/, "admin"],
			[/ revoked$/, "admin"],
			[/node edge2: keys revoked/, "admin"],
			[/node edge2: may have keys again/, "admin"],
		] as const) {
			const found = events.find(({ message }) => pattern.test(message));
			assert.ok(found, `${pattern} in the audit`);
			assert.equal(found.who, who);
		}
		const metrics = String((await admin.get("/metrics")).body);
		assert.match(metrics, /chainmail_key_events_total\{what="in-use"\} [1-9]/);
		assert.match(metrics, /^chainmail_key_links\{state="\w+"\} [1-9]/m);
		assert.match(metrics, /^chainmail_key_sas\{phase="[\w-]+"\} [1-9]/m);
	}));

test("keys: no key lies in a file or is told by the API", () =>
	sealedNetwork(async (controller, edge1, edge2, site) => {
		const { admin, dataDir } = controller;
		const secrets: Buffer[] = [];
		for (const edge of [edge1, edge2]) {
			const at = () => ({ host: "127.0.0.1", port: edge.auc?.port ?? 0 });
			const ef = site.ef(edge.node, at);
			ef.onMessage = (message) => {
				if (message.type !== "install") return;
				secrets.push(Buffer.from(message.entry.key.reveal()));
			};
			const key = ef.start() ?? Buffer.alloc(0);
			secrets.push(Buffer.from(key));
			edge.say({ type: "ef-enrol", key: key.toString("base64") });
			await until("enrolled", () => ef.status.enrolled);
		}
		const applied = await admin.apply([...without, SEALED]);
		assert.equal(applied.status, 200, JSON.stringify(applied.body));
		const [first] = await links(controller);
		await admin.call("POST", "/v1/keys/rekey", { path: first?.path });
		assert.ok(secrets.length > 4, "the test has keys to look for");
		const answers = ["keys", "keys/audit", "events", "status", "nodes"];
		const told = await Promise.all(
			answers.map(async (path) => ({
				name: path,
				bytes: Buffer.from(
					JSON.stringify((await admin.get(`/v1/${path}`)).body),
				),
			})),
		);
		const stored = readdirSync(dataDir, {
			recursive: true,
			withFileTypes: true,
		})
			.filter((one) => one.isFile())
			.map((one) => join(one.path, one.name));
		assert.ok(stored.some((name) => name.endsWith("state.sealed")));
		for (const name of stored) {
			assert.equal(statSync(name).mode & 0o077, 0, `others may read ${name}`);
			told.push({ name, bytes: readFileSync(name) });
		}
		for (const { name, bytes } of told) {
			for (const secret of secrets) {
				for (const form of [
					secret,
					secret.toString("hex"),
					secret.toString("base64").replace(/=+$/, ""),
				]) {
					assert.ok(!bytes.includes(form), `key material in ${name}`);
				}
			}
		}
	}));
