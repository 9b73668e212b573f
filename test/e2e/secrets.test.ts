/**
 * Controller, agents and encryption functions as a user installs them, while keys
 * are issued, renewed and revoked. All that a program of them drew as a secret is
 * looked for in whatever one of them wrote, said or was started with. What they
 * have in memory is theirs: whoever may read it is root on that node.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Installation } from "../../lab/installation.js";
import { buildLab, type Lab } from "../../lab/lab.js";
import type { LabProcess } from "../../lab/process.js";
import { ISP_NODES, isp, ispAddresses } from "../../lab/topologies/isp.js";
import { Datagrams } from "../../lab/traffic/datagrams.js";
import { lastJson } from "../../lab/traffic/program.js";
import type { KeyList, NodeView } from "../../src/api/schemas.js";
import type { Answer } from "./secrets/listener.js";
import {
	drawnIn,
	holds,
	type Kind,
	type Material,
	privateKeysIn,
} from "./secrets/material.js";
import {
	filesIn,
	type Place,
	processesOf,
	said,
	socketsIn,
} from "./secrets/places.js";
import { RECORD_TO } from "./secrets/recorder.js";

const EXAMPLE = fileURLToPath(
	new URL("../../../examples/isp.yaml", import.meta.url),
);
const program = (name: string) =>
	fileURLToPath(new URL(`secrets/${name}.js`, import.meta.url));
/** Other media than video: sealed from A to B, and from B to C. */
const MEDIA_PORT = 5500;
const ANSWER_MS = 30_000;
/** All keys are drawn anew, by nodes that may have to enrol again. */
const KEYS_MS = 60_000;

/** Whether a secret may be in a private file. */
const KEPT: Readonly<Record<Kind, boolean>> = {
	sa: false,
	enrolment: false,
	vault: true,
	token: true,
	"private key": true,
};

describe("secrets", () => {
	let lab: Lab;
	let installation: Installation;
	let listener: LabProcess;
	let record: string;
	let places: readonly Place[] = [];
	let secrets: readonly Material[] = [];

	before(async () => {
		lab = await buildLab(isp);
		installation = new Installation({
			lab,
			controller: { host: "controller", address: ispAddresses.controller },
			nodes: ISP_NODES,
		});
		record = `${installation.directory}.drawn`;
		lab.removeWithLab(record);
		await recording(record, () => installation.start());
		await installation.expect(["apply", "-f", EXAMPLE]);
		await haveKeys();
		listener = lab
			.host("controller")
			.start([
				process.execPath,
				program("listener"),
				join(installation.directory, "controller/admin.json"),
			]);
		await listener.waitFor(/^\{"routes":.*\}$/m, ANSWER_MS);
	});
	after(async () => {
		await lab?.destroy();
	});

	const keys = () => installation.json<KeyList>(["keys", "list"]);
	/** All links have one SA of their own; of `other` SPIs than before. */
	const haveKeys = (before: readonly number[] = []) =>
		installation.until<KeyList>(
			"all links have keys",
			["keys", "list"],
			({ items }) =>
				items.length > 0 &&
				items.every(
					({ state, sas }) =>
						state === "ready" &&
						sas.length === 1 &&
						sas.every(({ espSpi }) => !before.includes(espSpi)),
				),
			KEYS_MS,
		);
	const spis = async () =>
		(await keys()).items.flatMap(({ sas }) => sas.map(({ espSpi }) => espSpi));

	it("keys are issued, used, renewed, revoked, and given again", async () => {
		const [user, server] = await Promise.all([
			Datagrams.open(lab.host("user"), ispAddresses.user, MEDIA_PORT),
			Datagrams.open(lab.host("server"), ispAddresses.server, MEDIA_PORT),
		]);
		user.send(Buffer.from("sealed"), ispAddresses.server, MEDIA_PORT);
		assert.equal((await server.next()).data.toString(), "sealed");
		for (let round = 0; round < 2; round++) {
			const before = await spis();
			for (const node of ISP_NODES)
				await installation.expect(["keys", "rekey", "node", node]);
			await haveKeys(before);
		}
		const [link] = (await keys()).items;
		assert.ok(link);
		await installation.expect(["keys", "revoke", "path", String(link.path)]);
		await haveKeys(link.sas.map(({ espSpi }) => espSpi));
		await installation.expect(["keys", "revoke", "node", "isp-b"]);
		await installation.expect(["keys", "admit", "isp-b"]);
		await haveKeys();
	});

	it("places to look at: the API, the command line, files, processes, sockets", async () => {
		const { directory } = installation;
		const sockets = socketsIn(directory);
		assert.ok(sockets.length >= ISP_NODES.length);
		const told = await Promise.all(
			sockets.map(async (path) => said(path, await toldBy(path))),
		);
		const running = processesOf(lab.run);
		for (const name of ["controller", "agent", "ef"])
			assert.ok(
				running.some(({ bytes }) => bytes.includes(name)),
				`no process of ${name}`,
			);
		listener.stdin?.end();
		await listener.exited;
		const answers = lastJson<Answer[]>(listener);
		for (const { route, status, text } of answers) {
			assert.equal(status, 200, route);
			assert.ok(text.length > 0, route);
		}
		const commands = await Promise.all(
			[
				...["nodes", "functions", "paths", "counters", "events"].map((noun) => [
					...["get", noun, "-o", "json"],
				]),
				["keys", "audit", "-o", "json"],
				["describe", "node", "isp-b"],
			].map(async (argv) =>
				said(argv.join(" "), (await installation.expect(argv)).stdout),
			),
		);
		/* What it had stored is read, and written anew. */
		await installation.program("controller").stop("SIGKILL");
		const files = filesIn(directory);
		await recording(record, () => installation.startController());
		await installation.until<NodeView[]>(
			"all are back",
			["get", "nodes"],
			(all) => all.every(({ status }) => status.connected),
		);
		await haveKeys();
		places = [
			...files,
			...filesIn(directory),
			...told,
			...running,
			...answers.map(({ route, text }) => said(`GET ${route}`, text)),
			...commands,
		];
	});

	it("secrets to look for: those that were drawn, and private keys in files", () => {
		secrets = [
			...drawnIn(record),
			...privateKeysIn(places.map(({ bytes }) => bytes)),
		];
		const least: Readonly<Record<Kind, number>> = {
			/* Two links a hop at least, each with a key in each of four rounds. */
			sa: 8,
			enrolment: ISP_NODES.length + 1,
			vault: 1,
			token: ISP_NODES.length + 1,
			"private key": 2 * ISP_NODES.length,
		};
		for (const [kind, number] of Object.entries(least)) {
			const found = secrets.filter((one) => one.kind === kind).length;
			assert.ok(found >= number, `${found} of kind ${kind}`);
		}
	});

	it("keys are nowhere, other secrets in files of one reader alone", () => {
		for (const place of places) {
			for (const secret of secrets) {
				if (!holds(place.bytes, secret)) continue;
				const isKept = place.isPrivate && !place.name.endsWith(".log");
				assert.ok(
					isKept && KEPT[secret.kind],
					`${place.name} has a secret: ${secret.kind}`,
				);
			}
		}
	});

	it("the key of the centre's state is in one file, which is not the state", () => {
		const vault = secrets.filter(({ kind }) => kind === "vault");
		const files = new Set(
			places
				.filter(({ bytes }) => vault.some((one) => holds(bytes, one)))
				.map(({ name }) => name),
		);
		assert.equal(files.size, 1, [...files].join());
		assert.ok(![...files].some((name) => name.endsWith("state.sealed")));
		assert.ok(places.some(({ name }) => name.endsWith("state.sealed")));
	});

	it("each secret is known again where it lies", () => {
		const found = (kind: Kind) =>
			places.some(({ bytes }) =>
				secrets.some((one) => one.kind === kind && holds(bytes, one)),
			);
		assert.ok(found("vault"));
		assert.ok(found("token"));
		assert.ok(found("private key"));
		const [drawn] = secrets.filter(({ kind }) => kind === "sa");
		const lines = readFileSync(record);
		assert.ok(drawn && holds(lines, drawn));
	});
});

/** Programs that `act` starts note the secrets that they draw. */
async function recording(
	file: string,
	act: () => Promise<unknown>,
): Promise<void> {
	const { NODE_OPTIONS } = process.env;
	process.env.NODE_OPTIONS = `--import ${new URL("secrets/recorder.js", import.meta.url)}`;
	process.env[RECORD_TO] = file;
	try {
		await act();
	} finally {
		delete process.env[RECORD_TO];
		if (NODE_OPTIONS === undefined) delete process.env.NODE_OPTIONS;
		else process.env.NODE_OPTIONS = NODE_OPTIONS;
	}
}

/** The first thing that a program tells whoever asks. */
async function toldBy(socket: string): Promise<Buffer> {
	const asked = connect(socket);
	const [told] = (await once(asked, "data")) as [Buffer];
	asked.destroy();
	return told;
}
