/** The example of three providers plans as it is told: mail sealed past B, video seen there. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { applyDocuments, emptyIntent } from "../model/change.js";
import { loadDocuments } from "../model/load.js";
import { NO_MEMORY } from "./allocate.js";
import { declaredBy } from "./declared.js";
import { checkInvariants } from "./invariants.js";
import { linksOf } from "./links.js";
import { plan } from "./plan.js";
import { type TraceStep, trace } from "./twin/trace.js";

const text = readFileSync("examples/isp.yaml", "utf8");
const { documents } = loadDocuments([{ name: "isp.yaml", text }]);
const { intent } = applyDocuments(emptyIntent, documents);
const { plan: made } = plan(intent, NO_MEMORY);

/** Functions met and nodes gone to, `*` where it is sealed. */
function way(proto: number, dport: number): string[] {
	const steps: TraceStep[] = trace(made.states, {
		node: "isp-a",
		interface: "users",
		packet: {
			tenant: "subscribers",
			family: 4,
			src: "10.0.1.10",
			dst: "203.0.113.10",
			proto,
			sport: 40_000,
			dport,
			dscp: 0,
			icmpType: 0,
		},
	});
	return steps.flatMap((step) => {
		if (step.kind === "port") return [step.function];
		if (step.kind === "encapsulate")
			return [`${step.to}${step.sealed === "esp" ? "*" : ""}`];
		return step.kind === "exit" || step.kind === "drop" ? [step.kind] : [];
	});
}

test("mail is sealed past B, video is inspected there in the clear", () => {
	assert.deepEqual(made.problems, []);
	assert.deepEqual(checkInvariants(made.states, declaredBy(intent)), []);
	assert.deepEqual(way(6, 25), ["firewall", "isp-c*", "virus-scanner", "exit"]);
	assert.deepEqual(way(17, 5004), [
		"firewall",
		"isp-b",
		"inspector",
		"isp-c",
		"exit",
	]);
	assert.deepEqual(way(17, 5060), [
		"firewall",
		"isp-b*",
		"inspector",
		"isp-c*",
		"exit",
	]);
	assert.deepEqual(way(6, 80), ["drop"]);
});

test("B has keys for no mail", () => {
	const links = linksOf(made.states.values());
	const classes = (node: string) => [
		...new Set(
			links
				.filter((one) => [one.sender, one.receiver].includes(node))
				.map((one) => one.flowClass),
		),
	];
	assert.deepEqual(classes("isp-a").sort(), ["mail", "media"]);
	assert.deepEqual(classes("isp-b"), ["media"]);
	assert.ok(
		made.paths.every((path) => path.mtu >= 1500),
		"packets of 1,500 bytes fit",
	);
});
