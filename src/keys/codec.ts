/**
 * Messages as bytes: `JSON bytes 32 | JSON | key`. The key is not part of the
 * JSON, so that it never becomes a string, which nobody could wipe. Whoever sends
 * a frame wipes it afterwards; decoding wipes the key in the frame it was given.
 */
import { type Static, Type } from "typebox";
import { Compile } from "typebox/compile";
import type { EnrolReply, EnrolRequest } from "./enrol-messages.js";
import type { AucMessage, EfMessage } from "./messages.js";
import { ALGORITHMS, type Algorithm } from "./sa.js";
import { Secret } from "./secret.js";
import { MAX_E_SPI } from "./spi.js";

/** What arrived is no message: `keys: reason`. */
export class MessageError extends Error {
	override readonly name = "MessageError";
	constructor(reason: string) {
		super(`keys: ${reason}`);
	}
}

const MAX_SAS = 100_000;
const closed = { additionalProperties: false } as const;

const words = <T extends string>(...list: readonly T[]) =>
	Type.Unsafe<T>(Type.Union(list.map((word) => Type.Literal(word))));
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Id = Type.String({ minLength: 1, maxLength: 64 });
const Name = Type.String({ minLength: 1, maxLength: 255 });
const Text = Type.String({ maxLength: 255 });
const Session = { session: Id };
const Step = words("install", "switch", "remove");
const RoleWord = words("sender", "receiver");
const Reason = words("time", "bytes", "packets", "seq-overflow");

const ref = {
	eSpi: Type.Integer({ minimum: 1, maximum: MAX_E_SPI }),
	eSi: Type.Integer({ minimum: 0, maximum: 255 }),
	generation: Count,
};
const Ref = Type.Object(ref, closed);
const Held = Type.Object(
	{ ...ref, role: RoleWord, ageMs: Count, active: Type.Boolean() },
	closed,
);
const Used = Type.Object({ sa: Ref, bytes: Count, packets: Count }, closed);
const Life = Type.Object(
	{ timeMs: Count, bytes: Count, packets: Count },
	closed,
);
const Entry = Type.Object(
	{
		...ref,
		role: RoleWord,
		peer: Text,
		flowClass: Text,
		algorithm: words(...(Object.keys(ALGORITHMS) as Algorithm[])),
		extSeqNum: Type.Boolean(),
		antiReplayWindowSize: Count,
		soft: Life,
		hard: Life,
		ageMs: Count,
	},
	closed,
);

function message<T extends string, P extends Record<string, Type.TSchema>>(
	type: T,
	properties: P,
) {
	return Type.Object({ type: Type.Literal(type), ...properties }, closed);
}

const FromEf = Type.Union([
	message("hello", { boot: Id }),
	message("report", {
		...Session,
		held: Type.Array(Held, { maxItems: MAX_SAS }),
	}),
	message("done", { ...Session, step: Step, sa: Ref }),
	message("refuse", {
		...Session,
		step: Step,
		sa: Ref,
		reason: Text,
		floor: Count,
	}),
	message("expire", { ...Session, sa: Ref, soft: Type.Boolean(), by: Reason }),
	message("usage", {
		...Session,
		uses: Type.Array(Used, { maxItems: MAX_SAS }),
	}),
]);
const FromAuc = Type.Union([
	message("challenge", { boot: Id, ...Session }),
	message("accepted", {
		...Session,
		keep: Type.Array(Ref, { maxItems: MAX_SAS }),
	}),
	message("install", { ...Session, entry: Entry }),
	message("switch", { ...Session, sa: Ref }),
	message("remove", { ...Session, sa: Ref }),
	message("noted", { ...Session, sa: Ref, soft: Type.Boolean() }),
	message("stale", { ...Session }),
	message("unknown", {}),
]);
const Hex = Type.String({ pattern: "^[0-9a-f]{64}$" });
const Pem = Type.String({ minLength: 1, maxLength: 16_384 });
const FromStranger = Type.Union([
	message("enrol", { ef: Name, nonce: Hex }),
	message("enrol-sign", { ef: Name, nonce: Hex, request: Pem, proof: Hex }),
]);
const ToStranger = Type.Union([
	message("enrol-proof", { nonce: Hex, aucNonce: Hex, proof: Hex }),
	message("enrolled", { nonce: Hex, certificate: Pem, proof: Hex }),
]);
const isFromStranger = Compile(FromStranger);
const isToStranger = Compile(ToStranger);
const isFromEf = Compile(FromEf);
const isFromAuc = Compile(FromAuc);

const LENGTH_BYTES = 4;

export function encodeEfMessage(message: EfMessage): Buffer {
	return frame(message);
}

/** A frame of type `install` has a key in it: wipe it once it is sent. */
export function encodeAucMessage(message: AucMessage): Buffer {
	if (message.type !== "install") return frame(message);
	const { key, ...entry } = message.entry;
	return frame({ ...message, entry }, key);
}

/** Throws a MessageError for whatever is not one. */
export function decodeEfMessage(bytes: Buffer): EfMessage {
	const { value, rest } = unframe(bytes);
	if (!isFromEf.Check(value)) throw new MessageError("no message of an EF");
	if (rest.length > 0) throw new MessageError("something follows the message");
	const checked: Static<typeof FromEf> = value;
	return checked;
}

/** Throws a MessageError for whatever is not one. */
export function decodeAucMessage(bytes: Buffer): AucMessage {
	const { value, rest } = unframe(bytes);
	if (!isFromAuc.Check(value)) {
		throw new MessageError("no message of an authentication centre");
	}
	const checked: Static<typeof FromAuc> = value;
	const { key, salt } =
		checked.type === "install"
			? ALGORITHMS[checked.entry.algorithm]
			: { key: 0, salt: 0 };
	if (rest.length !== key + salt) {
		throw new MessageError(`key has ${rest.length} bytes, not ${key + salt}`);
	}
	if (checked.type !== "install") return checked;
	return { ...checked, entry: { ...checked.entry, key: new Secret(rest) } };
}

/** Of either side; there is no key in it. */
export function encodeEnrolment(message: EnrolRequest | EnrolReply): Buffer {
	return frame(message);
}

/** Throws a MessageError for whatever is not one. */
export function decodeEnrolRequest(bytes: Buffer): EnrolRequest {
	const { value, rest } = unframe(bytes);
	if (!isFromStranger.Check(value) || rest.length > 0) {
		throw new MessageError("no request to enrol");
	}
	const checked: Static<typeof FromStranger> = value;
	return checked;
}

/** Throws a MessageError for whatever is not one. */
export function decodeEnrolReply(bytes: Buffer): EnrolReply {
	const { value, rest } = unframe(bytes);
	if (!isToStranger.Check(value) || rest.length > 0) {
		throw new MessageError("no reply to a request to enrol");
	}
	const checked: Static<typeof ToStranger> = value;
	return checked;
}

function frame(value: object, key?: Secret): Buffer {
	const json = Buffer.from(JSON.stringify(value));
	const bytes = Buffer.alloc(LENGTH_BYTES + json.length + (key?.length ?? 0));
	bytes.writeUInt32BE(json.length);
	bytes.set(json, LENGTH_BYTES);
	if (key) bytes.set(key.reveal(), LENGTH_BYTES + json.length);
	return bytes;
}

/** The JSON and a view of what follows it. */
function unframe(bytes: Buffer): { value: unknown; rest: Buffer } {
	const end =
		bytes.length < LENGTH_BYTES
			? Number.POSITIVE_INFINITY
			: LENGTH_BYTES + bytes.readUInt32BE();
	if (end > bytes.length) throw new MessageError("message is cut off");
	try {
		const value: unknown = JSON.parse(
			bytes.toString("utf8", LENGTH_BYTES, end),
		);
		return { value, rest: bytes.subarray(end) };
	} catch {
		/* The reason would quote what arrived. */
		throw new MessageError("message is not JSON");
	}
}
