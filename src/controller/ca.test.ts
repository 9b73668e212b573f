/** The authority: what it issues, what it refuses, what it keeps. */
import "reflect-metadata";
import assert from "node:assert/strict";
import { webcrypto, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, statSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import * as x509 from "@peculiar/x509";
import { openAuthority } from "./ca.js";

const base = mkdtempSync(join(tmpdir(), "chainmail-ca-"));
after(() => rmSync(base, { recursive: true, force: true }));
const fresh = () => mkdtempSync(join(base, "d"));
const DAY_MS = 86_400_000;

async function request(
	name: string,
	algorithm: object = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
): Promise<x509.Pkcs10CertificateRequest> {
	const keys = (await webcrypto.subtle.generateKey(
		algorithm as webcrypto.EcKeyGenParams,
		true,
		["sign", "verify"],
	)) as webcrypto.CryptoKeyPair;
	return x509.Pkcs10CertificateRequestGenerator.create({
		name,
		keys,
		signingAlgorithm: algorithm as x509.HashedAlgorithm,
	});
}

test("ca: the subject is the node's name, whatever the request asks for", async () => {
	const authority = await openAuthority(fresh());
	const csr = await request("CN=admin, O=evil");
	const issued = await authority.issue(csr.toString("pem"), "edge1");
	const certificate = new X509Certificate(issued.certificate);
	const root = new X509Certificate(authority.certificate);
	assert.equal(certificate.subject, "CN=edge1");
	assert.ok(certificate.checkIssued(root));
	assert.ok(certificate.verify(root.publicKey));
	assert.equal(certificate.ca, false);
	assert.equal(certificate.serialNumber, issued.serial);
	assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.2"], "client only");
	const pin = root.fingerprint256.replaceAll(":", "").toLowerCase();
	assert.equal(authority.pin, pin);
});

test("ca: keys and root survive a restart, key files are the owner's only", async () => {
	const directory = fresh();
	const first = await openAuthority(directory);
	const server = await first.server(["localhost", "127.0.0.1", "::1"]);
	const second = await openAuthority(directory);
	assert.equal(second.pin, first.pin);
	assert.deepEqual(await second.server(["127.0.0.1"]), server, "kept");
	for (const file of ["ca.key", "server.key"]) {
		assert.equal(statSync(join(directory, file)).mode & 0o777, 0o600, file);
	}
	const certificate = new X509Certificate(server.certificate);
	assert.equal(certificate.checkIP("127.0.0.1"), "127.0.0.1");
	assert.equal(certificate.checkHost("localhost"), "localhost");
});

test("ca: the server's certificate is replaced for new names and before it expires", async () => {
	const directory = fresh();
	let now = Date.now();
	const authority = await openAuthority(directory, () => now);
	const first = await authority.server(["localhost"]);
	const wider = await authority.server(["localhost", "ctrl.example"]);
	assert.notEqual(wider.certificate, first.certificate);
	now += 59 * DAY_MS;
	assert.equal(
		(await authority.server(["localhost"])).certificate,
		wider.certificate,
	);
	now += 2 * DAY_MS;
	assert.notEqual(
		(await authority.server(["localhost"])).certificate,
		wider.certificate,
	);
});

test("ca: a client is told to renew while its certificate is still valid", async () => {
	const authority = await openAuthority(fresh());
	const { certificate, renewAfterMs } = await authority.issue(
		(await request("CN=x")).toString("pem"),
		"n",
	);
	const end = Date.parse(new X509Certificate(certificate).validTo);
	assert.ok(renewAfterMs < end - 5 * DAY_MS && renewAfterMs > Date.now());
});

const rsa = {
	name: "RSASSA-PKCS1-v1_5",
	modulusLength: 2048,
	publicExponent: new Uint8Array([1, 0, 1]),
	hash: "SHA-256",
};
const wrong: [string, () => Promise<string>][] = [
	["empty", async () => ""],
	["no PEM", async () => "hello"],
	["a certificate", async () => (await openAuthority(fresh())).certificate],
	[
		"a broken signature",
		async () => {
			const raw = Buffer.from((await request("CN=x")).rawData);
			raw[raw.length - 1] = (raw[raw.length - 1] ?? 0) ^ 1;
			return x509.PemConverter.encode(raw, "CERTIFICATE REQUEST");
		},
	],
	["an RSA key", async () => (await request("CN=x", rsa)).toString("pem")],
];
for (const [what, csr] of wrong) {
	test(`ca: refuses as a request: ${what}`, async () => {
		const authority = await openAuthority(fresh());
		await assert.rejects(authority.issue(await csr(), "n"), {
			code: "certificate_request_invalid",
			message: /^certificate request: .+ \(send PKCS/,
		});
	});
}

test("ca: a root without its key is refused, not replaced", async () => {
	const directory = fresh();
	await openAuthority(directory);
	unlinkSync(join(directory, "ca.key"));
	await assert.rejects(openAuthority(directory), /ca\.crt without ca\.key/);
});
