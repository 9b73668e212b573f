/**
 * Writes src/kernel/layout.gen.ts from the BTF of dist/bpf/layout.bpf.o and the
 * comments and constants of bpf/maps.h, and so for each of LAYOUTS. `--check`:
 * fails where one is stale.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
	type Enum,
	type FieldType,
	type MapDeclaration,
	readLayout,
	type Struct,
} from "./btf.js";
import { isMain, root } from "./root.js";

/** A header that C and TypeScript share, and the object that names all of it. */
export interface LayoutSource {
	readonly header: string;
	readonly object: string;
	readonly target: string;
}

export const LAYOUTS = {
	dataPlane: {
		header: "bpf/maps.h",
		object: "dist/bpf/layout.bpf.o",
		target: "src/kernel/layout.gen.ts",
	},
	xfrm: {
		header: "bpf/xfrm.h",
		object: "dist/bpf/xfrm-layout.bpf.o",
		target: "src/kernel/xfrm-layout.gen.ts",
	},
} as const satisfies Record<string, LayoutSource>;

const MAP_TYPES: Record<number, string> = {
	1: "hash",
	2: "array",
	5: "percpu_hash",
	6: "percpu_array",
	9: "lru_hash",
	10: "lru_percpu_hash",
	11: "lpm_trie",
	27: "ringbuf",
};

const pascal = (name: string) =>
	name.replace(/(?:^|_)(\w)/g, (_, c: string) => c.toUpperCase());
const camel = (name: string) =>
	name.replace(/_(\w)/g, (_, c: string) => c.toUpperCase());
const codecOf = (struct: string) => camel(struct);
const isPad = (name: string) => /^pad\d*$/.test(name);
const isBytes = (type: FieldType) =>
	type.kind === "array" && type.of.size === 1;

function tsType(type: FieldType): string {
	if (type.kind === "struct") return pascal(type.name);
	if (type.kind === "scalar") return "number";
	return isBytes(type) ? "Uint8Array" : `readonly ${tsType(type.of)}[]`;
}

function accessor(type: FieldType & { kind: "scalar" }): string {
	return type.size === 1 ? "UInt8" : `UInt${type.size * 8}${type.order}`;
}

function at(offset: number | string): string {
	return offset === 0 ? "offset" : `offset + ${offset}`;
}

function readOf(type: FieldType, offset: number): string {
	if (type.kind === "struct")
		return `${codecOf(type.name)}.decode(buffer, ${at(offset)})`;
	if (type.kind === "scalar")
		return type.size === 8
			? `readU64(buffer, ${at(offset)})`
			: `buffer.read${accessor(type)}(${at(offset)})`;
	if (isBytes(type)) return `bytes(buffer, ${at(offset)}, ${type.length})`;
	if (type.length > 8)
		return `Array.from({ length: ${type.length} }, (_, i) => ${readOf(type.of, 0).replace(/offset/, `${at(offset)} + i * ${type.of.size}`)})`;
	return `[${Array.from({ length: type.length }, (_, i) => readOf(type.of, offset + i * type.of.size)).join(", ")}]`;
}

function writeOf(type: FieldType, value: string, offset: number): string {
	if (type.kind === "struct")
		return `${codecOf(type.name)}.write(${value}, buffer, ${at(offset)});`;
	if (type.kind === "scalar")
		return type.size === 8
			? `writeU64(${value}, buffer, ${at(offset)});`
			: `buffer.write${accessor(type)}(${value}, ${at(offset)});`;
	if (isBytes(type))
		return `putBytes(${value}, buffer, ${at(offset)}, ${type.length});`;
	const one = writeOf(type.of, `${value}[i] ?? 0`, 0).replace(
		/offset/,
		`${at(offset)} + i * ${type.of.size}`,
	);
	return `for (let i = 0; i < ${type.length}; i++) ${one}`;
}

/** Bytes that no named field covers, padding included. */
function holes(struct: Struct): number {
	const covered = struct.fields
		.filter((f) => !isPad(f.name))
		.reduce((sum, f) => sum + f.type.size, 0);
	return struct.size - covered;
}

function structText(struct: Struct): string {
	const fields = struct.fields.filter((field) => !isPad(field.name));
	return `
/** struct ${struct.name}, ${struct.size} bytes. */
export interface ${pascal(struct.name)} {
${fields.map((f) => `\treadonly ${camel(f.name)}: ${tsType(f.type)};`).join("\n")}
}

export const ${codecOf(struct.name)}: Codec<${pascal(struct.name)}> = {
	size: ${struct.size},
	write(value, buffer, offset) {
${holes(struct) > 0 ? `\t\tbuffer.fill(0, offset, offset + ${struct.size});\n` : ""}${fields
	.map((f) => `\t\t${writeOf(f.type, `value.${camel(f.name)}`, f.offset)}`)
	.join("\n")}
	},
	decode(buffer, offset = 0) {
		return {
${fields.map((f) => `\t\t\t${camel(f.name)}: ${readOf(f.type, f.offset)},`).join("\n")}
		};
	},
};

export const encode${pascal(struct.name)} = (value: ${pascal(struct.name)}): Buffer => encode(${codecOf(struct.name)}, value);
export const decode${pascal(struct.name)} = ${codecOf(struct.name)}.decode;
`;
}

/** What all names of an enum begin with, up to an underscore: `DROP_`. */
function prefixOf(names: readonly string[]): string {
	const first = names[0] ?? "";
	let end = names.length === 1 ? first.indexOf("_") + 1 : first.length;
	while (
		end > 0 &&
		!(
			first[end - 1] === "_" &&
			names.every((name) => name.startsWith(first.slice(0, end)))
		)
	)
		end--;
	return first.slice(0, end);
}

/** Enums whose values the documentation explains. */
const DOCUMENTED = ["drop_reason", "verdict_counter"];

function enumText(one: Enum, header: string): string {
	const prefix = prefixOf(one.values.map((value) => value.name));
	const short = (name: string) => name.slice(prefix.length);
	const doc = (name: string) => commentOf(name, header);
	const values = one.values
		.map(
			(v) =>
				`${doc(v.name) ? `\t/** ${doc(v.name)} */\n` : ""}\t${short(v.name)}: ${v.val},`,
		)
		.join("\n");
	const constant = pascal(one.name);
	const listed = one.values.filter(({ name }) => !/_(COUNT|KINDS)$/.test(name));
	const contiguous = listed.every(
		(value, i) => value.val === i + (listed[0]?.val ?? 0),
	);
	const upper = one.name.toUpperCase();
	let text = `\n/** enum ${one.name}. */\nexport const ${constant} = {\n${values}\n} as const;\nexport type ${constant} = (typeof ${constant})[keyof typeof ${constant}];\n`;
	if (!contiguous || one.values.length === 1 || (listed[0]?.val ?? 9) > 1)
		return text;
	const names = [
		...Array<string>(listed[0]?.val ?? 0).fill(""),
		...listed.map((v) => short(v.name).toLowerCase()),
	];
	text += `\n/** Names of enum ${one.name} by value. */\nexport const ${upper}_NAMES: readonly string[] = ${JSON.stringify(names)};\n`;
	if (DOCUMENTED.includes(one.name))
		text += `\n/** What each means, by value. */\nexport const ${upper}_DOCS: readonly string[] = ${JSON.stringify(listed.map((v) => doc(v.name) ?? ""))};\n`;
	return text;
}

/** Comment behind an enumerator's line in the header. */
function commentOf(name: string, header: string): string | undefined {
	const found = new RegExp(
		`\\b${name}\\b[^,\\n]*,[ \\t]*/\\*\\s*([^]*?)\\s*\\*/`,
	).exec(header);
	return found?.[1]?.replace(/\s*\n\s*\*?\s*/g, " ");
}

/** `#define`s of numbers and of functions over numbers. */
function defineText(header: string): string {
	const js = (expression: string) =>
		expression
			.replace(/\(__u\d+\)/g, "")
			.replace(/\b(0x[\da-f]+|\d+)u\b/gi, "$1");
	let text = "\n";
	for (const [, name = "", value = ""] of header.matchAll(
		/^#define (\w+) (\d+u?|0x[\da-f]+u?)$/gim,
	))
		text += `export const ${name} = ${js(value)};\n`;
	for (const [, name = "", args = "", body = ""] of header.matchAll(
		/^#define (\w+)\(([\w, ]+)\) (.+)$/gm,
	))
		text += `export const ${camel(name.toLowerCase())} = (${args
			.split(",")
			.map((arg) => `${arg.trim()}: number`)
			.join(", ")}): number => ${js(body)} >>> 0;\n`;
	return text;
}

function mapText(maps: readonly MapDeclaration[]): string {
	const codec = (type: FieldType) =>
		type.kind === "struct"
			? codecOf(type.name)
			: type.kind === "scalar"
				? `u${type.size * 8}`
				: "never";
	const lines = maps.map((map) => {
		const type = MAP_TYPES[map.type];
		if (!type)
			throw new Error(
				`gen-layout: map ${map.name} has type ${map.type} (add it to MAP_TYPES)`,
			);
		const base = `name: "${map.name}", type: "${type}", maxEntries: ${map.maxEntries}`;
		if (!map.key || !map.value)
			return `\t${camel(map.name)}: { ${base} } satisfies RingDefinition,`;
		const types = `MapDefinition<${tsType(map.key)}, ${tsType(map.value)}>`;
		return `\t${camel(map.name)}: { ${base}, key: ${codec(map.key)}, value: ${codec(map.value)} } satisfies ${types},`;
	});
	return `\n/** Every map, by its name in camel case. */\nexport const MAPS = {\n${lines.join("\n")}\n} as const;\n`;
}

/** A hole in a key would make equal keys differ: C leaves its bytes undefined. */
function refuseHolesInKeys(
	structs: readonly Struct[],
	maps: readonly MapDeclaration[],
): void {
	for (const map of maps)
		for (const struct of structs) {
			if (map.key?.kind !== "struct" || map.key.name !== struct.name) continue;
			if (
				struct.fields.reduce((sum, field) => sum + field.type.size, 0) !==
				struct.size
			)
				throw new Error(
					`gen-layout: struct ${struct.name}, key of ${map.name}, has a hole (add a pad field)`,
				);
		}
}

/** Of codec.ts. */
const IMPORTS = [
	"type Codec",
	"encode",
	"type MapDefinition",
	"type RingDefinition",
	"readU64",
	"u32",
	"writeU64",
];

/** TypeScript of a compiled object and its header's text. */
export function layoutText(
	object: string,
	header: string,
	source: LayoutSource = LAYOUTS.dataPlane,
): string {
	const { structs, enums, maps } = readLayout(object);
	refuseHolesInKeys(structs, maps);
	/* A struct's codec stands before those that use it. */
	const sorted: Struct[] = [];
	const visit = (struct: Struct): void => {
		if (sorted.includes(struct)) return;
		for (const { type } of struct.fields) {
			const inner = type.kind === "array" ? type.of : type;
			if (inner.kind === "struct")
				structs.filter((other) => other.name === inner.name).forEach(visit);
		}
		sorted.push(struct);
	};
	structs.forEach(visit);
	const body = [
		defineText(header),
		...enums.map((one) => enumText(one, header)),
		...sorted.map(structText),
		mapText(maps),
		`
function bytes(buffer: Buffer, start: number, length: number): Uint8Array {
	return new Uint8Array(buffer.subarray(start, start + length));
}

function putBytes(value: Uint8Array, buffer: Buffer, start: number, length: number): void {
	if (value.length !== length) throw new RangeError(\`layout: \${value.length} bytes where \${length} belong\`);
	buffer.set(value, start);
}
`,
	].join("");
	const used = IMPORTS.filter((name) =>
		new RegExp(`\\b${name.replace("type ", "")}\\b`).test(body),
	);
	return `/** Generated by tools/gen-layout from ${source.header}: do not edit. __u64 is a number, see readU64. */
import { ${used.join(", ")} } from "./codec.js";
${body}`;
}

/** As Biome lays it out, so that a formatter's run is no difference. */
function formatted(text: string): string {
	return execFileSync(
		join(root, "node_modules/.bin/biome"),
		["check", "--write", "--stdin-file-path=src/kernel/layout.ts"],
		{
			cwd: root,
			input: text,
			encoding: "utf8",
			stdio: ["pipe", "pipe", "inherit"],
		},
	);
}

/** What the committed file should hold. */
export function wantedLayout(source: LayoutSource = LAYOUTS.dataPlane): string {
	return formatted(
		layoutText(
			join(root, source.object),
			readFileSync(join(root, source.header), "utf8"),
			source,
		),
	);
}

function main(check: boolean): void {
	for (const source of Object.values(LAYOUTS)) {
		const target = join(root, source.target);
		const wanted = wantedLayout(source);
		if (!check) {
			writeFileSync(target, wanted);
			continue;
		}
		if (readFileSync(target, "utf8") === wanted) continue;
		console.error(
			`gen-layout: ${source.target} is stale (run node dist/tools/gen-layout.js and commit it)`,
		);
		process.exitCode = 1;
	}
}

if (isMain(import.meta.url)) {
	try {
		main(process.argv.includes("--check"));
	} catch (error) {
		console.error(error instanceof Error ? error.message : error);
		process.exitCode = 1;
	}
}
