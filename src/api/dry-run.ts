/** What a change would meet on the nodes: each is asked, none is changed. */
import { isDeepStrictEqual } from "node:util";
import { Fault, type Problem } from "../controller/fault.js";
import type { Fleet } from "../controller/fleet.js";
import { instanceTitle } from "../functions/names.js";
import type { FunctionDocument } from "../model/intent.js";
import type { NodeState } from "../plan/state.js";
import type { States } from "../plan/transition.js";

/**
 * Asks the nodes whose functions would change whether these can work there.
 * Throws Fault node_refused as the change itself would; returns what could not
 * be asked, as warnings.
 */
export async function tryOnNodes(
	fleet: Fleet,
	sent: States,
	planned: States,
): Promise<Problem[]> {
	const refusals: Problem[] = [];
	const unasked: Problem[] = [];
	await Promise.all(
		[...planned.values()].map(async ({ node, instances }) => {
			const changed = changedOf(instances, sent.get(node)?.instances ?? []);
			if (changed.length === 0) return;
			try {
				const question = { what: "check", instances: changed } as const;
				for (const reason of await fleet.request(node, question))
					refusals.push({ message: `node ${node}: ${reason}` });
			} catch (error) {
				if (!(error instanceof Fault)) throw error;
				unasked.push({
					message: `${error.message} (whether rulesets and programs of functions work there was not checked)`,
				});
			}
		}),
	);
	refusals.sort((a, b) => (a.message < b.message ? -1 : 1));
	const [first] = refusals;
	if (first)
		throw new Fault("node_refused", `dry run: ${first.message}`, refusals);
	return unasked;
}

function changedOf(
	planned: NodeState["instances"],
	sent: NodeState["instances"],
): NodeState["instances"] {
	return planned.filter(
		(one) => !sent.some((other) => isDeepStrictEqual(one, other)),
	);
}

/** Finds the documents of the request that nodes' refusals are about. */
export function locateRefusals(
	problems: readonly Problem[],
	documents: readonly unknown[],
): Problem[] {
	return problems.map((problem) => {
		const document = documents.findIndex(
			(one) => isFunction(one) && namesOne(problem.message, one),
		);
		if (document < 0) return problem;
		const { ruleset } = (documents[document] as FunctionDocument).spec;
		const line = /: ruleset text: line (\d+):/.exec(problem.message)?.[1];
		if (!ruleset || !("text" in ruleset) || line === undefined) {
			const isCommand = problem.message.includes("): command ");
			const pointer = isCommand ? "/spec/command/0" : "/name";
			return { ...problem, document, pointer };
		}
		const lines = ruleset.text.split("\n");
		const before = lines.slice(0, Number(line) - 1);
		const [wrong = ""] = lines.slice(Number(line) - 1);
		const indent = wrong.length - wrong.trimStart().length;
		return {
			...problem,
			document,
			pointer: "/spec/ruleset/text",
			offset: before.reduce((sum, { length }) => sum + length + 1, indent),
			length: Math.max(1, wrong.trim().length),
		};
	});
}

/** The request's documents passed their schemas before any node was asked. */
function isFunction(document: unknown): document is FunctionDocument {
	return (document as { kind?: unknown } | null)?.kind === "Function";
}

function namesOne(message: string, { name, spec }: FunctionDocument): boolean {
	return spec.instances.some((one) =>
		message.includes(
			`: ${instanceTitle({ function: name, instance: one.name })}: `,
		),
	);
}
