import assert from "node:assert/strict";
import { test } from "node:test";
import { addrOf, hexOf, lpmOf } from "./encode.js";
import { MemoryTable } from "./memory.fixture.js";
import {
	configValue,
	ifaceEntries,
	nodeEntries,
	ownerEntries,
} from "./network.js";
import { sync } from "./sync.js";

const tenant = (id: number, ...subnets: string[]) =>
	({ id, name: `t${id}`, default: "forward", subnets }) as const;

test("prefixes count the scope and, for IPv4, the mapped part", () => {
	assert.equal(lpmOf(7, "10.1.0.0/16").prefixlen, 32 + 96 + 16);
	assert.deepEqual(lpmOf(7, "10.1.2.3/16").addr.w, [0, 0, 0xffff, 0x0a010000]);
	assert.equal(lpmOf(7, "2001:db8::/32").prefixlen, 64);
	assert.equal(
		hexOf(addrOf("2001:db8::1")),
		"20010db8000000000000000000000001",
	);
});

test("only tenants with rules for what arrives own prefixes, a disputed one is nobody's", () => {
	const judged = (tenantId: number) =>
		({ tenantId, side: "exit", generation: 1, rules: [] }) as const;
	const state = {
		tenants: [
			tenant(1, "10.0.0.0/8", "10.1.0.0/16"),
			tenant(2, "10.0.0.0/8"),
			tenant(3, "10.3.0.0/16"),
		],
		ruleSets: [judged(1), judged(2), { ...judged(3), side: "access" as const }],
	};
	assert.deepEqual(
		ownerEntries(state).map(([, owner]) => owner),
		[0, 1],
	);
});

test("interfaces: missing ones are left out, an access interface has its tenant's scope", () => {
	const interfaces = [
		{ name: "a", vlan: 5, role: "access", tenantId: 2 },
		{ name: "gone", vlan: 0, role: "exit", tenantId: 0 },
		{ name: "u", vlan: 0, role: "underlay", tenantId: 0 },
	] as const;
	const indexes: Record<string, number> = { a: 3, u: 4 };
	assert.deepEqual(
		ifaceEntries({ interfaces }, (name) => indexes[name]),
		[
			[
				{ ifindex: 3, vlan: 5 },
				{ tenant: 2, role: 1, scope: 2 },
			],
			[
				{ ifindex: 4, vlan: 0 },
				{ tenant: 0, role: 3, scope: 0 },
			],
		],
	);
});

test("underlay addresses are IPv4", () => {
	assert.equal(
		configValue({ nodeId: 1, underlay: "192.0.2.1" }).underlay,
		0xc0000201,
	);
	assert.throws(
		() =>
			nodeEntries({
				peers: [{ nodeId: 2, name: "b", underlay: "2001:db8::1" }],
			}),
		/2001:db8::1: is no IPv4 address/,
	);
});

test("a sync adds before it removes and leaves alone what is right", () => {
	const table = new MemoryTable<number, number>("t");
	table.setBatch([
		[1, 1],
		[2, 2],
	]);
	table.log.length = 0;
	sync(table, [
		[2, 2],
		[3, 3],
	]);
	assert.deepEqual(table.log, ["set t", "delete t"]);
	assert.deepEqual(table.entries(), [
		[2, 2],
		[3, 3],
	]);
});
