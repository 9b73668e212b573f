/** Runs the rows about the API against a real controller with two nodes. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Check } from "typebox/value";
import { errors } from "../../src/api/errors.js";
import { ErrorBody } from "../../src/api/schemas.js";
import {
	type Client,
	documents,
	policy,
	startTestController,
	type TestController,
} from "../../src/main/testing/network.js";
import { bodies } from "./requests/bodies.js";
import { documents as wrongDocuments } from "./requests/documents.js";
import { names } from "./requests/names.js";
import { tenants } from "./requests/tenants.js";
import { tokens } from "./requests/tokens.js";
import { trace } from "./requests/trace.js";

const requests = [
	...bodies,
	...wrongDocuments,
	...names,
	...trace,
	...tokens,
	...tenants,
];

let controller: TestController;
let acme: Client;
before(async () => {
	controller = await startTestController();
	await controller.agent("edge1");
	await controller.agent("edge2");
	const { status } = await controller.admin.apply(documents);
	assert.equal(status, 200);
	const asAcme = { name: "acme-admin", role: "tenant", tenant: "acme" };
	acme = controller.admin.as(await controller.admin.newToken(asAcme));
});
after(async () => {
	await acme.close();
	await controller.close();
});

/** The first problem, with its place in the request; else the error itself. */
function firstOf({ error }: ErrorBody) {
	const [problem] = error.problems;
	const { message, hint = error.hint } = problem ?? error;
	const document =
		problem?.document === undefined ? "" : `/documents/${problem.document}`;
	return { place: document + (problem?.pointer ?? ""), message, hint };
}

for (const { title, input, code, expect } of requests) {
	test(`wrong request: ${title}`, async () => {
		const { admin } = controller;
		const before = (await admin.get("/v1/status")).body.revision;
		const { method, path, raw, body, tenant } = input;
		const caller = tenant === undefined ? admin : acme;
		const answer = await caller.call(method, path, raw ?? body);
		assert.ok(Check(ErrorBody, answer.body), JSON.stringify(answer.body));
		assert.equal(answer.body.error.code, code);
		assert.equal(answer.status, errors[code as keyof typeof errors].status);
		assert.deepEqual(firstOf(answer.body), expect);
		const { revision } = (await admin.get("/v1/status")).body;
		assert.equal(revision, before, "nothing has changed");
	});
}

test("wrong request: a body beyond the limit", async () => {
	const text = `{"documents": ["${"x".repeat(33 * 1024 * 1024)}"]}`;
	const { status, body } = await controller.admin.call(
		"POST",
		"/v1/apply",
		text,
	);
	assert.equal(status, 413);
	assert.equal(body.error.code, "body_too_large");
});

const wide = (i: number) =>
	policy(
		`wide-${i}`,
		"acme",
		`match(proto=tcp & sport=${1 + (i % 7)}-65534 & dport=1-65534) >> drop`,
	);
/** By what they would cost: 200 took 14 s before there were bounds. */
for (const [title, count, dryRun] of [
	["200 wide policies", 200, false],
	["200 wide policies, only looked at", 200, true],
	["1,000 wide policies", 1000, false],
] as const) {
	test(`wrong request: ${title} of a tenant's do not stop the controller`, async () => {
		const documents = Array.from({ length: count }, (_, i) => wide(i));
		const start = performance.now();
		const { status, body } = await acme.apply(documents, { dryRun });
		const ms = performance.now() - start;
		assert.equal(status, 422, JSON.stringify(body).slice(0, 300));
		assert.ok(ms < 3000, `took ${ms} ms`);
		assert.equal((await acme.get("/v1/policies/wide-0")).status, 404);
	});
}
