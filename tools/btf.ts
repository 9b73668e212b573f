/** Reads the BTF of a compiled object through bpftool into a plain model of it. */
import { execFileSync } from "node:child_process";

export interface BtfMember {
	readonly name: string;
	readonly type_id: number;
	readonly bits_offset: number;
}

interface BtfType {
	readonly id: number;
	readonly kind: string;
	readonly name: string;
	readonly size?: number;
	readonly type_id?: number;
	readonly nr_elems?: number;
	readonly members?: readonly BtfMember[];
	readonly values?: readonly { readonly name: string; readonly val: number }[];
	readonly vars?: readonly { readonly type_id: number }[];
}

/** A field's type: scalars by bytes and order, arrays, structs by name. */
export type FieldType =
	| {
			readonly kind: "scalar";
			readonly size: number;
			readonly order: "LE" | "BE";
	  }
	| {
			readonly kind: "array";
			readonly of: FieldType;
			readonly length: number;
			readonly size: number;
	  }
	| { readonly kind: "struct"; readonly name: string; readonly size: number };

export interface Struct {
	readonly name: string;
	readonly size: number;
	readonly fields: readonly {
		readonly name: string;
		readonly offset: number;
		readonly type: FieldType;
	}[];
}

export interface Enum {
	readonly name: string;
	readonly values: readonly { readonly name: string; readonly val: number }[];
}

export interface MapDeclaration {
	readonly name: string;
	/** Number of BPF_MAP_TYPE_…. */
	readonly type: number;
	readonly maxEntries: number;
	readonly key?: FieldType;
	readonly value?: FieldType;
}

export interface Layout {
	readonly structs: readonly Struct[];
	readonly enums: readonly Enum[];
	readonly maps: readonly MapDeclaration[];
}

/** Layout of every named struct, enum and map in the BTF of `object`. */
export function readLayout(object: string): Layout {
	const dump: { types: BtfType[] } = JSON.parse(
		execFileSync("bpftool", ["-j", "btf", "dump", "file", object], {
			encoding: "utf8",
		}),
	);
	const byId = new Map(dump.types.map((type) => [type.id, type]));
	const get = (id: number | undefined): BtfType => {
		const type = byId.get(id ?? 0);
		if (!type) throw new Error(`btf: type ${id} is missing in ${object}`);
		return type;
	};

	const field = (id: number): FieldType => {
		const type = get(id);
		if (type.kind === "TYPEDEF") {
			const inner = field(type.type_id ?? 0);
			return inner.kind === "scalar" && type.name.startsWith("__be")
				? { ...inner, order: "BE" }
				: inner;
		}
		if (type.kind === "INT" || type.kind === "ENUM")
			return { kind: "scalar", size: type.size ?? 4, order: "LE" };
		if (type.kind === "STRUCT" && type.name !== "(anon)")
			return { kind: "struct", name: type.name, size: type.size ?? 0 };
		if (type.kind === "ARRAY") {
			const of = field(type.type_id ?? 0);
			const length = type.nr_elems ?? 0;
			return { kind: "array", of, length, size: of.size * length };
		}
		throw new Error(
			`btf: ${type.kind} ${type.name} cannot cross into TypeScript (use a named struct or an integer)`,
		);
	};

	/** __uint(name, n) is a pointer to int[n]; __type(name, t) a pointer to t. */
	const declaration = (id: number): MapDeclaration => {
		const variable = get(id);
		const members = get(variable.type_id).members ?? [];
		const target = (name: string) => {
			const member = members.find((one) => one.name === name);
			return member && get(member.type_id).type_id;
		};
		const uint = (name: string) => get(target(name)).nr_elems ?? 0;
		const key = target("key");
		const value = target("value");
		return {
			name: variable.name,
			type: uint("type"),
			maxEntries: uint("max_entries"),
			...(key === undefined ? {} : { key: field(key) }),
			...(value === undefined ? {} : { value: field(value) }),
		};
	};

	const named = dump.types.filter((type) => type.name !== "(anon)");
	return {
		structs: named
			.filter((type) => type.kind === "STRUCT")
			.map((type) => ({
				name: type.name,
				size: type.size ?? 0,
				fields: (type.members ?? []).map((member) => ({
					name: member.name,
					offset: member.bits_offset / 8,
					type: field(member.type_id),
				})),
			})),
		enums: named
			.filter((type) => type.kind === "ENUM")
			.map((type) => ({ name: type.name, values: type.values ?? [] })),
		maps: named
			.filter((type) => type.kind === "DATASEC" && type.name === ".maps")
			.flatMap((type) => type.vars ?? [])
			.map((variable) => declaration(variable.type_id)),
	};
}
