/** A key made here, and the request to certify it: the key never leaves the node. */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

x509.cryptoProvider.set(webcrypto);

/** A new key (PKCS #8), and the request (PKCS #10) to certify it for a name; both PEM. */
export async function newRequest(
	name: string,
): Promise<{ key: string; csr: string }> {
	const keys = (await webcrypto.subtle.generateKey(ALGORITHM, true, [
		"sign",
		"verify",
	])) as webcrypto.CryptoKeyPair;
	const csr = await x509.Pkcs10CertificateRequestGenerator.create({
		name: [{ CN: [name] }],
		keys,
		signingAlgorithm: ALGORITHM,
	});
	const der = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
	return {
		key: x509.PemConverter.encode(der, "PRIVATE KEY"),
		csr: csr.toString("pem"),
	};
}
