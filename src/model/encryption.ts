/**
 * What a policy asks for its packets between nodes: encryption, integrity, and
 * what stands in when a node fails.
 */
import { type Static, Type } from "typebox";
import { closed, Name } from "./terms.js";

const WHEN = [
	Type.Literal("always"),
	Type.Literal("between-nodes"),
	Type.Literal("between-domains"),
	Type.Literal("never"),
] as const;

/** Most flow classes that one policy excepts. */
const MAX_EXCEPTIONS = 16;
const MOST = 2 ** 50;

const EncryptSpec = Type.Object(
	{
		when: Type.Union([...WHEN], {
			description:
				"between-nodes: on every hop to another node; between-domains: to a node of another trust domain; always: as between-nodes, and nothing external may see the packets",
		}),
		except: Type.Optional(
			Type.Array(Name, {
				maxItems: MAX_EXCEPTIONS,
				description: "flow classes whose packets are not encrypted",
			}),
		),
		algorithm: Type.Optional(
			Type.Union([Type.Literal("aes-gcm-128"), Type.Literal("aes-gcm-256")], {
				description: "cipher (default: aes-gcm-256)",
			}),
		),
		rekey: Type.Optional(
			Type.Object(
				{
					seconds: Type.Optional(
						Type.Integer({
							minimum: 1,
							maximum: 604_800,
							description: "longest use of a key",
						}),
					),
					bytes: Type.Optional(
						Type.Integer({
							minimum: 65_536,
							maximum: MOST,
							description: "most that one key encrypts",
						}),
					),
					packets: Type.Optional(
						Type.Integer({
							minimum: 1000,
							maximum: MOST,
							description: "most packets of one key",
						}),
					),
				},
				{
					...closed,
					description:
						"when keys change, whichever comes first (default: as the authentication centre says)",
				},
			),
		),
		protect: Type.Optional(
			Type.Boolean({
				description:
					"keep a way through other instances, with its keys, ready for when a node fails (default: false)",
			}),
		),
	},
	closed,
);

/** A word, or all that can be said. */
export const Encrypt = Type.Union([...WHEN, EncryptSpec], {
	description:
		"encryption of hops between nodes: always, between-nodes, between-domains or never (the default), or a mapping with `when`",
});

export const Integrity = Type.Union(
	[Type.Literal("off"), Type.Literal("header"), Type.Literal("packet")],
	{
		description:
			"on hops between nodes that are not encrypted: sign the service header, or the packet with it, so that nobody injects (default: off)",
	},
);

/** With every default filled in. */
export interface Encryption {
	readonly when: Static<typeof EncryptSpec>["when"];
	/** Flow classes, in the order in which packets are tried. */
	readonly except: readonly string[];
	readonly algorithm: "aes-gcm-128" | "aes-gcm-256";
	readonly rekey?: NonNullable<Static<typeof EncryptSpec>["rekey"]>;
	readonly protect: boolean;
	readonly integrity: Static<typeof Integrity>;
}

const DEFAULTS: Encryption = {
	when: "never",
	except: [],
	algorithm: "aes-gcm-256",
	protect: false,
	integrity: "off",
};

/** The same object for all that say nothing of it: there may be thousands. */
export function encryptionOf({
	encrypt = "never",
	integrity = "off",
}: {
	readonly encrypt?: Static<typeof Encrypt>;
	readonly integrity?: Static<typeof Integrity>;
}): Encryption {
	if (encrypt === "never" && integrity === "off") return DEFAULTS;
	const spec = typeof encrypt === "string" ? { when: encrypt } : encrypt;
	return { ...DEFAULTS, ...spec, integrity };
}

/** May some hop be sealed by it? */
export function isSealing({ when, integrity }: Encryption): boolean {
	return when !== "never" || integrity !== "off";
}
