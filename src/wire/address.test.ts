import assert from "node:assert/strict";
import { isIPv4, isIPv6 } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import {
	AddressError,
	addressAt,
	addressBytes,
	addressFromHex,
	addressHex,
	canonicalAddress,
	formatAddress,
	formatMac,
	formatPrefix,
	hasHostBits,
	isAddress,
	parseMac,
	parsePrefix,
	prefixContains,
	prefixesOverlap,
} from "./address.js";

const bytes = (length: number) =>
	fc.oneof(
		fc.uint8Array({ minLength: length, maxLength: length }),
		// Sparse ones, so that runs of zeros are common.
		fc.array(fc.constantFrom(0, 0, 0, 1, 0xff), {
			minLength: length,
			maxLength: length,
		}),
	);

test("IPv6 prints as RFC 5952 says", () => {
	const rows: [string, string][] = [
		["2001:0db8::0001", "2001:db8::1"],
		["2001:db8:0:0:0:0:2:1", "2001:db8::2:1"],
		["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
		["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
		["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
		["2001:DB8::A", "2001:db8::a"],
		["0:0:0:0:0:0:0:0", "::"],
		["::1", "::1"],
		["1::", "1::"],
		["::FFFF:192.0.2.1", "::ffff:192.0.2.1"],
		["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
		["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
	];
	for (const [text, canonical] of rows) {
		assert.equal(canonicalAddress(text), canonical, text);
	}
});

test("what is no address is refused with its text", () => {
	const wrong = [
		"",
		"10.0.0",
		"10.0.0.256",
		"010.0.0.1",
		"10.0.0.1.",
		"1.2.3.4.5",
		" 1.2.3.4",
		":",
		":::",
		"1::2::3",
		"1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9",
		"12345::",
		"::g",
		"fe80::1%eth0",
		"1:2:3:4:5:6:7:1.2.3.4",
		"::1.2.3",
		"1.2.3.4::",
		"1:2:3:4::5:6:7:8",
		"0x10.0.0.1",
		":1::",
	];
	for (const text of wrong) {
		assert.throws(() => addressBytes(text), AddressError, `'${text}'`);
		assert.equal(isAddress(text), false);
	}
});

test("an address survives printing and parsing", () => {
	for (const length of [4, 16]) {
		fc.assert(
			fc.property(bytes(length), (raw) => {
				const text = formatAddress(Uint8Array.from(raw));
				assert.deepEqual([...addressBytes(text)], [...raw]);
				assert.equal(canonicalAddress(text), text);
			}),
		);
	}
});

test("accepts exactly what Node's own parser accepts, zones aside", () => {
	const text = fc.oneof(
		fc.string({ unit: fc.constantFrom(..."0123456789abcf:."), maxLength: 24 }),
		fc
			.array(fc.constantFrom("0", "1", "ffff", "", "1.2.3.4", "00", "a"), {
				maxLength: 9,
			})
			.map((parts) => parts.join(":")),
	);
	fc.assert(
		fc.property(text, (candidate) => {
			assert.equal(
				isAddress(candidate),
				isIPv4(candidate) || isIPv6(candidate),
				candidate,
			);
		}),
		{ numRuns: 5000 },
	);
});

test("hex form is 16 bytes, IPv4 mapped", () => {
	assert.equal(addressHex("10.0.1.5"), "00000000000000000000ffff0a000105");
	assert.equal(addressHex("2001:db8::5"), "20010db8000000000000000000000005");
	for (const text of ["10.0.1.5", "2001:db8::5", "::"]) {
		assert.equal(addressFromHex(addressHex(text)), text);
	}
	assert.throws(() => addressFromHex("0a"), AddressError);
});

test("prefixes parse, print without host bits, and know their members", () => {
	assert.equal(formatPrefix(parsePrefix("10.1.2.3/8")), "10.0.0.0/8");
	assert.equal(
		formatPrefix(parsePrefix("2001:db8:ffff::/33")),
		"2001:db8:8000::/33",
	);
	assert.equal(formatPrefix(parsePrefix("10.0.0.1")), "10.0.0.1/32");
	assert.equal(formatPrefix(parsePrefix("1.2.3.4/0")), "0.0.0.0/0");
	assert.ok(hasHostBits(parsePrefix("10.0.0.1/8")));
	assert.ok(!hasHostBits(parsePrefix("10.0.0.0/8")));
	for (const wrong of [
		"10.0.0.0/33",
		"::/129",
		"10.0.0.0/",
		"10.0.0.0/08",
		"10.0.0.0/-1",
		"/8",
		"10.0.0.0/8/8",
	]) {
		assert.throws(() => parsePrefix(wrong), AddressError, wrong);
	}
	assert.ok(prefixContains(parsePrefix("10.0.0.0/9"), "10.127.255.255"));
	assert.ok(!prefixContains(parsePrefix("10.0.0.0/9"), "10.128.0.0"));
	assert.ok(!prefixContains(parsePrefix("0.0.0.0/0"), "::1"));
	assert.ok(
		prefixesOverlap(parsePrefix("10.0.0.0/8"), parsePrefix("10.9.0.0/16")),
	);
	assert.ok(
		!prefixesOverlap(parsePrefix("10.0.0.0/16"), parsePrefix("10.1.0.0/16")),
	);
});

test("addressAt counts from the network and stops at the last address", () => {
	assert.equal(addressAt(parsePrefix("10.0.1.7/24"), 254), "10.0.1.254");
	assert.equal(
		addressAt(parsePrefix("2001:db8::/64"), 0x10000),
		"2001:db8::1:0",
	);
	assert.throws(() => addressAt(parsePrefix("10.0.1.0/24"), 256), AddressError);
});

test("MAC addresses", () => {
	assert.equal(formatMac(parseMac("02:00:5E:10:00:01")), "02:00:5e:10:00:01");
	for (const wrong of [
		"",
		"02:00:5e:10:00",
		"02-00-5e-10-00-01",
		"02:00:5e:10:00:1",
		"02:00:5e:10:00:01:02",
	]) {
		assert.throws(() => parseMac(wrong), AddressError, wrong);
	}
});
