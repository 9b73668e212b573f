/** Key material as bytes, and every form in which it could turn up somewhere. */
import { readFileSync } from "node:fs";

/** What recorder.ts notes. */
export interface Drawn {
	/** Line of a stack: the call. */
	readonly by: string;
	readonly hex: string;
}

export type Kind = "sa" | "enrolment" | "vault" | "token" | "private key";

export interface Material {
	readonly kind: Kind;
	readonly forms: readonly Buffer[];
}

/** Who draws what. */
const DRAWN_BY: readonly (readonly [module: string, kind: Kind])[] = [
	["/keys/link-sa.js", "sa"],
	["/agent/ef/enrolment.js", "enrolment"],
	["/auc/snapshot.js", "vault"],
	["/controller/tokens.js", "token"],
	["/controller/enroll.js", "token"],
];
/** Shorter ones are ids, delays and salts of their own. */
const LEAST_BYTES = 16;
const PEM = /-----BEGIN (?:\w+ )?PRIVATE KEY-----([^-]+)-----END/g;
/** The last line of a PEM may be a few letters. */
const LEAST_LETTERS = 32;

/** Secrets that programs drew, by what they are for. */
export function drawnIn(file: string): Material[] {
	const lines = readFileSync(file, "utf8").trim().split("\n");
	return lines.flatMap((line) => {
		const { by, hex } = JSON.parse(line) as Drawn;
		const bytes = Buffer.from(hex, "hex");
		const found = DRAWN_BY.find(([module]) => by.includes(module));
		if (!found || bytes.length < LEAST_BYTES) return [];
		/* An SA's has its salt behind the key. */
		const saltless = bytes.subarray(0, bytes.length & ~7);
		return [{ kind: found[1], forms: formsOf(saltless) }];
	});
}

/** Private keys in PEM, in files or in strings of JSON. */
export function privateKeysIn(all: readonly Buffer[]): Material[] {
	const bodies = all.flatMap((bytes) =>
		[...bytes.toString("latin1").matchAll(PEM)].map(([, body = ""]) =>
			body.split(/\\n|\s+/).filter((line) => line.length >= LEAST_LETTERS),
		),
	);
	const different = new Map(bodies.map((lines) => [lines.join(), lines]));
	return [...different.values()].map((lines) => ({
		kind: "private key",
		forms: lines.map((line) => Buffer.from(line)),
	}));
}

export function holds(bytes: Buffer, { forms }: Material): boolean {
	return forms.some((form) => bytes.includes(form));
}

/** Raw, hexadecimal, numbers of a JSON list, and base64 wherever it begins. */
function formsOf(bytes: Buffer): Buffer[] {
	const hex = bytes.toString("hex");
	const texts = [hex, hex.toUpperCase(), [...bytes].join(",")];
	for (const skipped of [0, 1, 2]) {
		/* Whole groups of three: what is around does not show in them. */
		const whole = Math.floor((bytes.length - skipped) / 3) * 3;
		const group = bytes.subarray(skipped, skipped + whole);
		texts.push(group.toString("base64"), group.toString("base64url"));
	}
	return [bytes, ...texts.map((text) => Buffer.from(text))];
}
