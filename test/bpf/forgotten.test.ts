/** What flows and states remember must not outlive what they were judged by. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { NodeState } from "../../src/plan/state.js";
import * as f from "../golden/frames.js";
import { BLUE, GREEN, locals, network, node, SPI } from "../golden/node.js";
import { access, delivered, exit, passed, type Step } from "../golden/row.js";
import { World } from "./world.js";

const isLocal = (spi: number) => spi === SPI.local || spi === SPI.local + 1;

const withoutLocal: NodeState = {
	...node,
	paths: node.paths.filter((path) => !isLocal(path.spi)),
};
/** The same number, another tenant's path. */
const reused: NodeState = {
	...node,
	paths: node.paths.map((path) =>
		isLocal(path.spi) ? { ...path, tenantId: GREEN } : path,
	),
};

function blueRules(
	state: NodeState,
	change: (
		rules: NodeState["ruleSets"][number]["rules"],
	) => NodeState["ruleSets"][number]["rules"],
): NodeState {
	return {
		...state,
		ruleSets: state.ruleSets.map((set) =>
			set.tenantId === BLUE && set.side === "access"
				? { ...set, generation: set.generation + 1, rules: change(set.rules) }
				: set,
		),
	};
}

const run = (world: World, step: Step) =>
	world.run(step.program, step.on, step.frame);

test("an SPI given anew carries no flow, learned or judged, of the path before", () => {
	const world = World.open(node, { network, locals });
	const answer = exit(f.fromServer(f.down4, f.answer(80)));
	for (const step of [delivered, passed, answer])
		assert.equal(run(world, step).verdict, "redirect");
	world.apply(withoutLocal);
	world.apply(reused);
	assert.deepEqual(run(world, answer).drops, ["unowned"], "a learned flow");
	assert.deepEqual(run(world, passed).drops, ["no_path"], "inside a function");
	world.close();
});

test("answers to what passes unchained pass no longer than the rules let it", () => {
	const dropping: NodeState = {
		...node,
		tenants: node.tenants.map((one) => ({ ...one, default: "drop" })),
	};
	const world = World.open(dropping, { network, locals });
	const out = access(f.fromUser(f.up4, f.syn(9)));
	const answer = exit(f.fromServer(f.down4, f.answer(9)));
	assert.equal(run(world, out).verdict, "redirect");
	assert.equal(run(world, answer).verdict, "redirect");
	world.apply(blueRules(dropping, (rules) => [...rules]));
	assert.equal(
		run(world, answer).verdict,
		"redirect",
		"rules that still let it pass, before the user says anything more",
	);
	world.apply(
		blueRules(
			blueRules(dropping, (rules) => [...rules]),
			(rules) => rules.filter(({ action }) => action.kind !== "pass"),
		),
	);
	assert.equal(run(world, answer).verdict, "drop");
	world.close();
});
