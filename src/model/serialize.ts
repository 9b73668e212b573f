/**
 * Documents as canonical YAML: keys in the order of their schema, documents by
 * kind and name, so that equal intents give equal text.
 */
import { Type } from "typebox";
import { Document, type DocumentOptions, type ToStringOptions } from "yaml";
import { type IntentDocument, documents as schemas } from "./intent.js";

const OPTIONS: DocumentOptions & ToStringOptions = { lineWidth: 0, indent: 2 };

/** What `chainmail get -o yaml` prints; loadDocuments() reads it back. */
export function toYaml(documents: readonly IntentDocument[]): string {
	return documents
		.map((document) => {
			const yaml = new Document(canonical(document), OPTIONS);
			return yaml.toString(OPTIONS);
		})
		.join("---\n");
}

/** The document with its keys in the order of its schema. */
export function canonical(document: IntentDocument): unknown {
	return ordered(document, schemas[document.kind]);
}

function ordered(value: unknown, schema: Type.TSchema | undefined): unknown {
	if (Array.isArray(value)) {
		const items = Type.IsArray(schema) ? schema.items : undefined;
		return value.map((item) => ordered(item, items));
	}
	if (typeof value !== "object" || value === null) return value;
	const properties = propertiesOf(schema);
	const order = Object.keys(properties);
	const entries = Object.entries(value);
	entries.sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
	return Object.fromEntries(
		entries.map(([key, inner]) => [key, ordered(inner, properties[key])]),
	);
}

/** Of a mapping, also where other forms may stand in its place. */
function propertiesOf(
	schema: Type.TSchema | undefined,
): Record<string, Type.TSchema> {
	if (Type.IsObject(schema)) return schema.properties;
	const forms = Type.IsUnion(schema) ? schema.anyOf : [];
	return Object.assign({}, ...forms.map(propertiesOf));
}
