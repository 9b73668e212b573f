/** The centre's door and its disk: strangers, floods, old certificates, damage. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
	chmodSync,
	existsSync,
	readFileSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { newRequest } from "../../functions/certificate.js";
import type { AuditRecord } from "../../keys/audit.js";
import { decodeAucMessage, encodeEnrolment } from "../../keys/codec.js";
import { AUC_NAME } from "../../keys/enrol-messages.js";
import { Deframer, framed } from "../../keys/framing.js";
import { Secret } from "../../keys/secret.js";
import { openAuthority } from "../ca.js";
import { localAuthority } from "./local.js";
import { AucService } from "./service.js";
import { linkFrom, Site, sharedKey, until } from "./testing/site.js";
import { FAST } from "./testing/test-ef.js";

const DAY_MS = 86_400_000;
const LINK = linkFrom("a", "b");

async function withService(
	work: (site: Site, service: AucService) => Promise<void>,
): Promise<void> {
	const site = new Site();
	try {
		await work(site, await start(site));
	} finally {
		await site.close();
	}
}

async function start(
	site: Site,
	more: { kekFile?: string } = {},
): Promise<AucService> {
	const service = await AucService.start({
		directory: join(site.directory, "auc"),
		port: 0,
		tuning: FAST,
		log: () => {},
		...more,
	});
	site.onClose(() => service.close());
	return service;
}

/** Connects with that certificate; with none as a stranger. */
function tlsTo(
	service: AucService,
	identity: { key?: string; cert?: string; rejectUnauthorized?: boolean } = {},
): TLSSocket {
	const { port, authority } = service;
	const socket = connect({
		host: "127.0.0.1",
		port,
		servername: AUC_NAME,
		ca: authority.certificate,
		...identity,
	});
	socket.on("error", () => socket.destroy());
	return socket;
}

/** The first message that comes, or undefined once the connection ends. */
function firstMessage(socket: TLSSocket): Promise<Buffer | undefined> {
	const deframer = new Deframer();
	return new Promise((resolve) => {
		socket.on("data", (piece) => {
			const [message] = deframer.push(piece);
			if (message) resolve(message);
		});
		socket.on("close", () => resolve(undefined));
	});
}

const closed = (socket: TLSSocket) =>
	new Promise<void>((done) => {
		if (socket.destroyed) done();
		socket.once("close", () => done());
	});

test("a wrong key enrols nobody, and the right one still does", () =>
	withService(async (site, service) => {
		const authority = localAuthority(service);
		const records: AuditRecord[] = [];
		authority.follow((record) => records.push(record));
		const at = () => ({ host: "127.0.0.1", port: service.port });
		const ef = site.ef("a", at);
		const right = randomBytes(32);
		await authority.configure("a", new Secret(Buffer.from(right)));
		ef.start(randomBytes(32));
		/* It finds that it is no centre that knows its key, and says nothing more. */
		await until("it has greeted", () => ef.status.problem !== "");
		assert.ok(!ef.status.enrolled);
		ef.close();
		const other = site.ef("a", at);
		other.start(right);
		await until("enrolled", () => other.status.enrolled);
		assert.ok(records.some((one) => one.what === "enrolled"));
		const stored = readFileSync(join(site.directory, "auc", "state.sealed"));
		assert.ok(!stored.includes(right));
	}));

test("a proof by another key is refused, and told", () =>
	withService(async (_, service) => {
		const authority = localAuthority(service);
		const records: AuditRecord[] = [];
		authority.follow((record) => records.push(record));
		await authority.configure("a", new Secret(randomBytes(32)));
		const socket = tlsTo(service);
		const { csr: request } = await newRequest("a");
		const [nonce, proof] = ["1".repeat(64), "2".repeat(64)];
		const forged = {
			type: "enrol-sign",
			ef: "a",
			nonce,
			request,
			proof,
		} as const;
		socket.write(framed(encodeEnrolment(forged)));
		await until("refused", () =>
			records.some((one) => one.what === "enrol-refused"),
		);
		socket.destroy();
	}));

test("certificates that are expired, of no enrolment, or foreign do not count", () =>
	withService(async (site, service) => {
		const directory = join(site.directory, "auc");
		const past = await openAuthority(directory, () => Date.now() - 60 * DAY_MS);
		const foreign = await openAuthority(join(site.directory, "foreign"));
		const local = localAuthority(service);
		await local.declare([LINK]);
		const ef = await site.enrolled("a", local);
		await until("in a session", () => ef.ready);
		const state = service.auc.state;
		for (const [what, authority] of [
			["expired", past],
			["of no enrolment", service.authority],
			["foreign", foreign],
		] as const) {
			const { key, csr } = await newRequest("a");
			const { certificate: cert, serial } = await authority.issue(csr, "a");
			/* Its number alone is not what it fails by. */
			if (what !== "of no enrolment") {
				const counting = state.certificates.get("a") ?? [];
				state.certificates.set("a", [...counting, serial]);
			}
			const answer = await firstMessage(tlsTo(service, { key, cert }));
			assert.ok(answer, what);
			assert.deepEqual(decodeAucMessage(answer), { type: "unknown" }, what);
		}
		assert.deepEqual(service.present, ["a"], "the one that counts is there");
	}));

test("what is no message, or too long, ends a stranger's connection", () =>
	withService(async (_, service) => {
		const long = Buffer.alloc(4);
		long.writeUInt32BE(64 * 1024);
		const hello = framed(Buffer.from(JSON.stringify({ type: "hello" })));
		for (const bytes of [long, hello, Buffer.from("GET / HTTP/1.1\r\n\r\n")]) {
			const socket = tlsTo(service);
			socket.write(bytes);
			await closed(socket);
		}
	}));

test("a flood of strangers is cut off; who is known is served all the same", () =>
	withService(async (site, service) => {
		const authority = localAuthority(service);
		const a = await site.enrolled("a", authority);
		const b = await site.enrolled("b", authority);
		/* They say nothing, and never end by themselves. */
		const silent = Array.from({ length: 200 }, () => {
			const socket = connectTcp({ host: "127.0.0.1", port: service.port });
			socket.on("error", () => socket.destroy());
			return socket;
		});
		site.onClose(() => {
			for (const socket of silent) socket.destroy();
		});
		await until(
			"most are cut off",
			() => silent.filter(({ destroyed }) => destroyed).length > 150,
		);
		await authority.declare([LINK]);
		assert.deepEqual(await authority.ready([LINK], 10_000), []);
		assert.ok(sharedKey(LINK, a, b));
	}));

test("a stranger that asks too often is cut off", () =>
	withService(async (_, service) => {
		const authority = localAuthority(service);
		await authority.configure("a", new Secret(randomBytes(32)));
		const socket = tlsTo(service);
		const greeting = { type: "enrol", ef: "a", nonce: "1".repeat(64) } as const;
		const flood = Array.from({ length: 200 }, () =>
			framed(encodeEnrolment(greeting)),
		);
		socket.write(Buffer.concat(flood));
		socket.resume();
		await closed(socket);
	}));

test("the state lies sealed on the disk, for its owner alone", () =>
	withService(async (site, service) => {
		const secret = randomBytes(32);
		await localAuthority(service).configure(
			"a",
			new Secret(Buffer.from(secret)),
		);
		const directory = join(site.directory, "auc");
		for (const name of ["kek", "state.sealed", "ca.key", "server.key"]) {
			assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
		}
		assert.equal(statSync(directory).mode & 0o777, 0o700);
		const stored = readFileSync(join(directory, "state.sealed"));
		assert.ok(!stored.includes(secret));
		assert.ok(!stored.includes(secret.toString("hex")));
		assert.ok(!stored.includes(secret.toString("base64")));
	}));

test("without its key, or with another, the state is not read", () =>
	withService(async (site, service) => {
		const directory = join(site.directory, "auc");
		await localAuthority(service).declare([LINK]);
		await service.close();
		const kek = join(directory, "kek");
		const other = join(site.directory, "other");
		writeFileSync(other, randomBytes(32), { mode: 0o600 });
		await assert.rejects(start(site, { kekFile: other }), /another one/);
		chmodSync(other, 0o644);
		await assert.rejects(start(site, { kekFile: other }), /chmod 600/);
		writeFileSync(other, "short");
		chmodSync(other, 0o600);
		await assert.rejects(start(site, { kekFile: other }), /5 bytes/);
		const moved = join(site.directory, "moved");
		writeFileSync(moved, readFileSync(kek), { mode: 0o600 });
		rmSync(kek);
		await assert.rejects(start(site), /restore the key/);
		assert.ok(!existsSync(kek), "no new one is made for an old state");
		const again = await start(site, { kekFile: moved });
		assert.deepEqual([...again.auc.state.desired.values()], [LINK]);
		await again.close();
		const path = join(directory, "state.sealed");
		const damaged = readFileSync(path);
		damaged[60] = (damaged[60] ?? 0) ^ 1;
		writeFileSync(path, damaged);
		await assert.rejects(start(site, { kekFile: moved }), /damaged/);
	}));
