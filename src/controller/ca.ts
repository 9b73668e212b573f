/**
 * The controller's certificate authority: one root, the server's certificate,
 * and client certificates of nodes whose common name is the node's name.
 */
import "reflect-metadata";
import { createHash, randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import { readIfThere, writePrivate } from "../kernel/files.js";
import { Fault } from "./fault.js";

const DAY_MS = 86_400_000;
const CA_LIFE_MS = 3650 * DAY_MS;
const SERVER_LIFE_MS = 90 * DAY_MS;
const CLIENT_LIFE_MS = 30 * DAY_MS;
/** A certificate is replaced when this part of its life is over. */
const RENEW_AT = 2 / 3;
/** Clocks of nodes may be behind ours by this much. */
const CLOCK_SKEW_MS = 3_600_000;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

export interface KeyPair {
	/** PKCS #8, PEM. */
	readonly key: string;
	readonly certificate: string;
}

export interface IssuedCertificate {
	readonly certificate: string;
	/** Hex, as Node's TLS reports it: upper case, no leading zeros cut. */
	readonly serial: string;
	/** From this moment (ms since 1970) its holder should ask for the next. */
	readonly renewAfterMs: number;
}

export interface Authority {
	/** Root certificate, PEM. */
	readonly certificate: string;
	/** SHA-256 of the root certificate's DER in hex; join tokens carry it. */
	readonly pin: string;
	/**
	 * The server's certificate for these names and addresses: the stored one
	 * while it covers them and is young enough, else a new one.
	 */
	server(names: readonly string[]): Promise<KeyPair & { renewAfterMs: number }>;
	/**
	 * A client certificate for the key of the request. The subject is the node's
	 * name whatever the request says; it lasts 30 days unless another life is
	 * given. Throws Fault certificate_request_invalid.
	 */
	issue(csr: string, node: string, lifeMs?: number): Promise<IssuedCertificate>;
}

/** What a server proves itself with, and what it accepts: for now, or a renewal. */
export interface TlsIdentity {
	readonly key: string;
	/** The server's certificate and the root: who joins pins the root. */
	readonly cert: string;
	readonly ca: string;
	/** Part of it, as Node's setSecureContext otherwise goes back to its default. */
	readonly minVersion: "TLSv1.3";
}

x509.cryptoProvider.set(webcrypto);

/** As `authority.server`, the way TLS wants it. */
export async function serverIdentity(
	authority: Authority,
	names: readonly string[],
): Promise<TlsIdentity> {
	const { key, certificate } = await authority.server(names);
	const { certificate: ca } = authority;
	return { key, cert: `${certificate}\n${ca}`, ca, minVersion: "TLSv1.3" };
}

/** Opens the authority in the directory; creates its root at first start. */
export async function openAuthority(
	directory: string,
	now: () => number = Date.now,
): Promise<Authority> {
	const root = await openRoot(directory, now);
	const sign = (options: {
		subject: string;
		publicKey: webcrypto.CryptoKey;
		lifeMs: number;
		usage: string;
		names: readonly string[];
	}) =>
		x509.X509CertificateGenerator.create({
			serialNumber: newSerial(),
			subject: [{ CN: [options.subject] }],
			issuer: root.certificate.subject,
			notBefore: new Date(now() - CLOCK_SKEW_MS),
			notAfter: new Date(now() + options.lifeMs),
			publicKey: options.publicKey,
			signingKey: root.key,
			signingAlgorithm: ALGORITHM,
			extensions: [
				new x509.BasicConstraintsExtension(false, undefined, true),
				new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
				new x509.ExtendedKeyUsageExtension([options.usage]),
				...(options.names.length > 0
					? [
							new x509.SubjectAlternativeNameExtension(
								options.names.map(altName),
							),
						]
					: []),
			],
		});

	return {
		certificate: root.certificate.toString("pem"),
		pin: createHash("sha256")
			.update(Buffer.from(root.certificate.rawData))
			.digest("hex"),

		async server(names) {
			const keyFile = join(directory, "server.key");
			const certificateFile = join(directory, "server.crt");
			const key = readIfThere(keyFile);
			const stored = readIfThere(certificateFile);
			if (key && stored) {
				const certificate = new x509.X509Certificate(stored);
				const renewAfterMs = renewAfter(certificate);
				if (renewAfterMs > now() && covers(certificate, names)) {
					return { key, certificate: stored, renewAfterMs };
				}
			}
			const keys = await generateKeys();
			const certificate = await sign({
				subject: "chainmail-controller",
				publicKey: keys.publicKey,
				lifeMs: SERVER_LIFE_MS,
				usage: x509.ExtendedKeyUsage.serverAuth,
				names,
			});
			const pair = {
				key: await exportKey(keys.privateKey),
				certificate: certificate.toString("pem"),
			};
			// A crash between the two leaves a pair that does not match: the
			// certificate goes last, and without one a new pair is made.
			writePrivate(certificateFile, "");
			writePrivate(keyFile, pair.key);
			writePrivate(certificateFile, pair.certificate);
			return { ...pair, renewAfterMs: renewAfter(certificate) };
		},

		async issue(csr, node, lifeMs = CLIENT_LIFE_MS) {
			const publicKey = await requestKey(csr);
			const certificate = await sign({
				subject: node,
				publicKey,
				lifeMs,
				usage: x509.ExtendedKeyUsage.clientAuth,
				names: [],
			});
			return {
				certificate: certificate.toString("pem"),
				serial: certificate.serialNumber.toUpperCase(),
				renewAfterMs: renewAfter(certificate),
			};
		},
	};
}

interface Root {
	readonly key: webcrypto.CryptoKey;
	readonly certificate: x509.X509Certificate;
}

async function openRoot(directory: string, now: () => number): Promise<Root> {
	const keyFile = join(directory, "ca.key");
	const certificateFile = join(directory, "ca.crt");
	const key = readIfThere(keyFile);
	const stored = readIfThere(certificateFile);
	if (key && stored) {
		return {
			key: (await webcrypto.subtle.importKey(
				"pkcs8",
				x509.PemConverter.decodeFirst(key),
				ALGORITHM,
				false,
				["sign"],
			)) as webcrypto.CryptoKey,
			certificate: new x509.X509Certificate(stored),
		};
	}
	if (stored) {
		throw new Error(
			`ca ${directory}: ca.crt without ca.key (restore the key from a backup, or empty the directory and let all nodes join again)`,
		);
	}
	const keys = await generateKeys();
	const certificate = await x509.X509CertificateGenerator.createSelfSigned({
		serialNumber: newSerial(),
		name: [{ CN: [`chainmail-ca-${randomBytes(4).toString("hex")}`] }],
		notBefore: new Date(now() - CLOCK_SKEW_MS),
		notAfter: new Date(now() + CA_LIFE_MS),
		keys,
		signingAlgorithm: ALGORITHM,
		extensions: [
			new x509.BasicConstraintsExtension(true, 0, true),
			new x509.KeyUsagesExtension(
				x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
				true,
			),
			await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
		],
	});
	writePrivate(keyFile, await exportKey(keys.privateKey));
	writePrivate(certificateFile, certificate.toString("pem"));
	return { key: keys.privateKey, certificate };
}

/** 16 random octets with the top bit clear and the next set (RFC 5280 §4.1.2.2: positive). */
function newSerial(): string {
	const bytes = randomBytes(16);
	bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
	return bytes.toString("hex");
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
	return (await webcrypto.subtle.generateKey(ALGORITHM, true, [
		"sign",
		"verify",
	])) as webcrypto.CryptoKeyPair;
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
	const der = await webcrypto.subtle.exportKey("pkcs8", key);
	return x509.PemConverter.encode(der, "PRIVATE KEY");
}

/** The public key of a request whose signature proves that its sender has the private one. */
async function requestKey(csr: string): Promise<webcrypto.CryptoKey> {
	try {
		const request = new x509.Pkcs10CertificateRequest(csr);
		if (!(await request.verify())) throw new Error("signature is wrong");
		const key = await request.publicKey.export();
		const { name, namedCurve } = key.algorithm as webcrypto.EcKeyAlgorithm;
		if (name !== "ECDSA" || !["P-256", "P-384"].includes(namedCurve)) {
			throw new Error(`key is ${name} ${namedCurve ?? ""}, not EC P-256`);
		}
		return key;
	} catch (error) {
		throw new Fault(
			"certificate_request_invalid",
			`certificate request: ${error instanceof Error ? error.message : error} (send PKCS #10 in PEM with an EC P-256 key)`,
		);
	}
}

function renewAfter(certificate: x509.X509Certificate): number {
	const from = certificate.notBefore.getTime();
	return from + (certificate.notAfter.getTime() - from) * RENEW_AT;
}

function altName(name: string): x509.JsonGeneralName {
	return { type: isIP(name) ? "ip" : "dns", value: name };
}

function covers(
	certificate: x509.X509Certificate,
	names: readonly string[],
): boolean {
	const extension = certificate.getExtension(
		x509.SubjectAlternativeNameExtension,
	);
	const have = new Set(extension?.names.items.map((item) => item.value));
	return names.every((name) => have.has(name));
}
