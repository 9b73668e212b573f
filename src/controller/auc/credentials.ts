/**
 * What a controller needs to command a centre in a process of its own: the file
 * controller.json, which the centre writes and its operator brings to the
 * controller. Whoever has it commands the centre.
 */
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { type Static, Type } from "typebox";
import { Compile } from "typebox/compile";
import { newRequest } from "../../functions/certificate.js";
import {
	isOpenToOthers,
	readIfThere,
	writePrivate,
} from "../../kernel/files.js";
import type { Authority } from "../ca.js";

/** No node's name: it has a space. */
export const CONTROLLER_NAME = "chainmail controller";
/** As long as the authority itself. */
const LIFE_MS = 3650 * 86_400_000;

const text = Type.String({ minLength: 1 });
const Credentials = Type.Object({
	/** Where the centre takes commands. */
	url: text,
	/** Where EFs reach it. */
	efs: Type.Object({
		host: text,
		port: Type.Integer({ minimum: 1, maximum: 65_535 }),
	}),
	/** PKCS #8, PEM; certificates in PEM. */
	key: text,
	certificate: text,
	ca: text,
});
export type Credentials = Static<typeof Credentials>;
const isCredentials = Compile(Credentials);

/** Throws `auc: cause (likely fix)`. */
export function readCredentials(path: string): Credentials {
	const raw = readIfThere(path);
	if (raw !== undefined && isOpenToOthers(path)) {
		throw new Error(
			`auc: others may read ${path}, and command the centre with it (chmod 600 ${path})`,
		);
	}
	try {
		const value: unknown = JSON.parse(raw ?? "");
		if (isCredentials.Check(value)) return value;
	} catch {
		/* The reason might quote the key. */
	}
	throw new Error(
		`auc: ${path} ${raw === undefined ? "is not there" : "says nothing of a centre"} (copy controller.json of \`chainmail auc\` to it)`,
	);
}

/**
 * The credentials of the one controller, kept over restarts: removing the file
 * puts them out of use and makes others at the next start.
 */
export async function ownCredentials(
	directory: string,
	authority: Authority,
	at: Pick<Credentials, "url" | "efs">,
): Promise<Credentials> {
	const path = join(directory, "controller.json");
	const { ca, ...pair } =
		readIfThere(path) === undefined
			? await issue(authority)
			: readCredentials(path);
	const credentials = {
		...at,
		key: pair.key,
		certificate: pair.certificate,
		ca,
	};
	writePrivate(path, `${JSON.stringify(credentials, undefined, "\t")}\n`);
	return credentials;
}

/** As a TLS connection tells it. */
export function serialOf({ certificate }: Credentials): string {
	return new X509Certificate(certificate).serialNumber;
}

async function issue(authority: Authority) {
	const { key, csr } = await newRequest(CONTROLLER_NAME);
	const { certificate } = await authority.issue(csr, CONTROLLER_NAME, LIFE_MS);
	return { key, certificate, ca: authority.certificate };
}
