/** Makes all nodes forget what they learned of a function, and waits until they have. */
import { Fault } from "../controller/fault.js";
import type { FunctionDocument } from "../model/intent.js";
import { ask } from "./ask.js";
import type { Context } from "./context.js";
import type { InvalidateResponse } from "./schemas.js";

/** A node ends a change that is under way first, which may start functions. */
const TIMEOUT_MS = 30_000;

/** Throws Fault not_found where the function has no such instance. */
export async function invalidate(
	{ delivery, fleet }: Context,
	{ name, spec }: FunctionDocument,
	instance?: string,
): Promise<InvalidateResponse> {
	/* Those that leave still carry flows of old paths. */
	const places = [...delivery.desired.values()].flatMap((state) =>
		state.instances
			.filter((one) => one.function === name)
			.map((one) => ({ name: one.instance, node: state.node })),
	);
	const concerned = [...places, ...spec.instances].filter(
		(one) => (instance ?? one.name) === one.name,
	);
	if (instance !== undefined && concerned.length === 0) {
		const known = spec.instances.map((one) => one.name).join(", ");
		throw new Fault(
			"not_found",
			`invalidate ${name}/${instance}: the function has no such instance (known: ${known})`,
		);
	}
	const { answers, failures } = await ask(
		fleet,
		new Set(concerned.map(({ node }) => node)),
		{
			what: "invalidate",
			function: name,
			...(instance !== undefined && { instance }),
		},
		TIMEOUT_MS,
	);
	return {
		items: [...answers].flatMap(([node, forgotten]) =>
			forgotten.map((one) => ({ node, function: name, instance: one })),
		),
		missing: [...failures].map(([node, reason]) => ({ node, reason })),
	};
}
