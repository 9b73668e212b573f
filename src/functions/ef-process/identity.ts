/**
 * Who the EF is to the authentication centre: a key made here and a certificate
 * for it, which the EF gets by the pre-configured key it has from the agent.
 */
import { randomBytes, X509Certificate } from "node:crypto";
import {
	closeSync,
	openSync,
	readFileSync,
	renameSync,
	rmSync,
	writeSync,
} from "node:fs";
import { readIfThere, writePrivate } from "../../kernel/files.js";
import { decodeEnrolReply, encodeEnrolment } from "../../keys/codec.js";
import { EnrolEf } from "../../keys/enrol-ef.js";
import { Secret } from "../../keys/secret.js";
import { TUNING } from "../../keys/tuning.js";
import type { AucAddress } from "../../plan/protocol.js";
import { efFiles } from "./config.js";
import { AucStream } from "./stream.js";

/** A certificate is replaced when this part of its life is over. */
const RENEW_AT = 2 / 3;
/** Then it is tried from the beginning: another key may be there. */
const ATTEMPT_MS = 15_000;
const CERTIFICATE =
	/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

export interface EfIdentity {
	/** PKCS #8, PEM. */
	readonly key: string;
	/** PEM, and what follows it up to the authority. */
	readonly certificate: string;
	/** What the centre is known by, PEM. */
	readonly ca: string;
	/** Ask for the next one from this moment on (ms since 1970). */
	readonly renewAfterMs: number;
}

/** Undefined where it has none yet. */
export function readIdentity(directory: string): EfIdentity | undefined {
	const text = readIfThere(efFiles(directory).identity);
	return text === undefined ? undefined : (JSON.parse(text) as EfIdentity);
}

/** Leaves the key for the EF, who removes it once it has served. */
export function writeEnrolKey(directory: string, key: Buffer): void {
	const { enrolKey } = efFiles(directory);
	const next = `${enrolKey}.new`;
	rmSync(next, { force: true });
	const file = openSync(next, "wx", 0o600);
	try {
		writeSync(file, key);
	} finally {
		closeSync(file);
	}
	renameSync(next, enrolKey);
}

/** Undefined where there is none, or it has served. */
export function readEnrolKey(directory: string): Secret | undefined {
	try {
		return new Secret(readFileSync(efFiles(directory).enrolKey));
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw error;
	}
}

/** Gets a certificate and keeps it; the key is gone afterwards. Rejects when aborted. */
export async function enrol(options: {
	readonly ef: string;
	readonly key: Secret;
	readonly address: Required<AucAddress>;
	readonly directory: string;
	readonly signal: AbortSignal;
}): Promise<EfIdentity> {
	const { ef, key, address, directory, signal } = options;
	try {
		/* Loaded where it is needed: once in a month. */
		const { newRequest } = await import("../certificate.js");
		const { key: privateKey, csr } = await newRequest(ef);
		const chain = await ask(ef, key, csr, address, signal);
		const certificates = chain.match(CERTIFICATE) ?? [];
		const identity: EfIdentity = {
			key: privateKey,
			certificate: chain,
			ca: certificates.at(-1) ?? "",
			renewAfterMs: renewAfter(chain),
		};
		const files = efFiles(directory);
		writePrivate(files.identity, JSON.stringify(identity));
		rmSync(files.enrolKey, { force: true });
		return identity;
	} finally {
		key.wipe();
	}
}

/**
 * The centre's certificate is not known yet: both prove that they know the key,
 * and the centre proves what it issues. Whoever stands between learns nothing.
 */
function ask(
	ef: string,
	key: Secret,
	request: string,
	address: Required<AucAddress>,
	signal: AbortSignal,
): Promise<string> {
	return new Promise((resolve, reject) => {
		const random = randomBytes;
		const machine = new EnrolEf({ ef, key, request, tuning: TUNING, random });
		let timer: NodeJS.Timeout | undefined;
		const ending = AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_MS)]);
		const settle = (act: () => void): void => {
			clearTimeout(timer);
			ending.removeEventListener("abort", abort);
			stream.close();
			act();
		};
		const abort = (): void =>
			settle(() =>
				reject(
					new Error(
						`enrol ${ef}: no proof of the authentication centre ${address.host}:${address.port} (does it know this node?)`,
					),
				),
			);
		const carryOut = (commands: ReturnType<EnrolEf["time"]>): void => {
			for (const command of commands) {
				if (command.type === "enrolled") {
					settle(() => resolve(command.certificate));
					return;
				}
				stream.send(encodeEnrolment(command.message));
			}
			clearTimeout(timer);
			timer = setTimeout(
				() => carryOut(machine.time(performance.now())),
				Math.max(0, machine.nextMs - performance.now()),
			);
		};
		const stream = new AucStream(
			address,
			{ rejectUnauthorized: false },
			{
				onOpen: () => carryOut(machine.time(performance.now())),
				onMessage: (bytes) =>
					carryOut(machine.message(decodeEnrolReply(bytes), performance.now())),
				onEnd: (reason) => settle(() => reject(reason)),
			},
		);
		ending.addEventListener("abort", abort);
	});
}

function renewAfter(chain: string): number {
	const { validFrom, validTo } = new X509Certificate(chain);
	const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
	return from + (to - from) * RENEW_AT;
}
