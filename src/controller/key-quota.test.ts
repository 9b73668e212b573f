import assert from "node:assert/strict";
import { test } from "node:test";
import type { PolicyDocument } from "../model/intent.js";
import { NO_MEMORY } from "../plan/allocate.js";
import { acrossDomains } from "../plan/fixtures.js";
import { plan } from "../plan/plan.js";
import { checkLinks, checkRekey } from "./key-quota.js";
import type { Identity } from "./tokens.js";

const TENANT: Identity = { name: "x", role: "tenant", tenant: "t" };
const STAFF: Identity = { name: "y", role: "operator" };
/** Over three nodes, there and back, with its tap, from access and from exit. */
const LINKS_OF_ONE = 12;

function sealed(index: number, rekey: { readonly [what: string]: number }) {
	return {
		kind: "Policy",
		name: `x${index}`,
		spec: {
			tenant: "t",
			priority: 200 + index,
			rule: `match(dport=${index + 1}) >> fw -> scan -> log`,
			encrypt: { when: "between-nodes", rekey },
		},
	} satisfies PolicyDocument;
}

/** What becomes of so many policies, each with keys for so long. */
function planned(count: number, seconds: number) {
	const more = Array.from({ length: count }, (_, i) => sealed(i, { seconds }));
	const intent = acrossDomains({}, ...more);
	const { states } = plan(intent, NO_MEMORY).plan;
	return { intent, states };
}

const exceeds = (cause: RegExp) => ({
	code: "quota_exceeded",
	message: cause,
});

test("a tenant has so many links at most", () => {
	const { intent, states } = planned(Math.floor(2000 / LINKS_OF_ONE), 100);
	checkLinks("t", states, intent);
	const more = planned(Math.ceil(2000 / LINKS_OF_ONE), 100);
	assert.throws(
		() => checkLinks("t", more.states, more.intent),
		exceeds(/tenant t would have 2004 links with keys, at most 2000/),
	);
	checkLinks(undefined, more.states, more.intent);
	checkLinks("other", more.states, more.intent);
});

test("a tenant has its keys changed so often at most, over all its links", () => {
	const { intent, states } = planned(41, 10);
	checkLinks("t", states, intent);
	const more = planned(42, 10);
	assert.throws(
		() => checkLinks("t", more.states, more.intent),
		exceeds(/51 keys a second over 504 links, at most 50/),
	);
	checkLinks(undefined, more.states, more.intent);
});

test("one key of a tenant's serves for a while; staff's as the policy says", () => {
	for (const [rekey, cause] of [
		[{ seconds: 9 }, /policy x1 .* after 9 seconds, a tenant's after 10/],
		[{ packets: 1000 }, /after 1000 packets/],
		[{ bytes: 65_536 }, /after 65536 bytes/],
	] as const) {
		assert.throws(() => checkRekey(TENANT, sealed(1, rekey)), exceeds(cause));
		checkRekey(STAFF, sealed(1, rekey));
	}
	checkRekey(TENANT, sealed(1, { seconds: 10 }));
	checkRekey(TENANT, sealed(1, {}));
});
