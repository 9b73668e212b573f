/** YAML and schema: wrong documents by themselves. Runner: model.test.ts. */
import { fn, node, policy, TENANT, type WrongInput } from "./row.js";

export const documents: readonly WrongInput[] = [
	{
		title: "an empty file",
		input: "",
		expect: {
			place: "1:1",
			message: "there is no document in it",
			hint: "begin with `kind:`, `name:` and `spec:`",
		},
	},
	{
		title: "only comments",
		input: "# nothing yet\n",
		expect: {
			place: "1:1",
			message: "there is no document in it",
			hint: "begin with `kind:`, `name:` and `spec:`",
		},
	},
	{
		title: "a list instead of a document",
		input: "- kind: Tenant\n",
		expect: {
			place: "1:1",
			message: "a document is a mapping, not a list",
			hint: "begin with `kind:`, `name:` and `spec:`",
		},
	},
	{
		title: "no kind",
		input: "kin: Tenant\nname: blue\n",
		expect: {
			place: "1:1",
			message: "`kind` is missing",
			hint: "did you write `kin` for it?",
		},
	},
	{
		title: "an unknown kind",
		input: "kind: Polciy\nname: web\nspec: {}\n",
		expect: {
			place: "1:7",
			message: "unknown kind `Polciy`",
			hint: "did you mean `Policy`?",
		},
	},
	{
		title: "a kind in lower case",
		input: "kind: tenant\nname: blue\nspec: {}\n",
		expect: {
			place: "1:7",
			message: "unknown kind `tenant`",
			hint: "did you mean `Tenant`?",
		},
	},
	{
		title: "no spec",
		input: "kind: Tenant\nname: blue\n",
		expect: {
			place: "1:1",
			message: "`spec` is missing",
			hint: "what is declared stands under `spec:`",
		},
	},
	{
		title: "a misspelt key",
		input:
			"kind: Policy\nname: web\nspec:\n  rule: match(*) >> pass\n  prioriti: 5\n",
		expect: {
			place: "5:3",
			message: "unknown key `prioriti`",
			hint: "did you mean `priority`?",
		},
	},
	{
		title: "a misspelt required key",
		input: "kind: Tenant\nname: blue\nspec:\n  subnet: [10.0.1.0/24]\n",
		expect: {
			place: "4:3",
			message: "unknown key `subnet`",
			hint: "did you mean `subnets`?",
		},
	},
	{
		title: "a name in capitals",
		input: "kind: Tenant\nname: Blue Team\nspec:\n  subnets: [10.0.1.0/24]\n",
		expect: {
			place: "2:7",
			message: "`name` cannot be `Blue Team`",
			hint: "did you mean `blue-team`? (lower-case letters, digits and dashes)",
		},
	},
	{
		title: "a number as a name",
		input: "kind: Tenant\nname: 7\nspec:\n  subnets: [10.0.1.0/24]\n",
		expect: {
			place: "2:7",
			message: "`name` must be text, not `7`",
			hint: 'did you mean `"7"`? it needs quotes',
		},
	},
	{
		title: "text where a list belongs",
		input: "kind: Tenant\nname: blue\nspec:\n  subnets: 10.0.1.0/24\n",
		expect: {
			place: "4:12",
			message: "`subnets` must be a list, not text `10.0.1.0/24`",
			hint: "did you mean `[10.0.1.0/24]`?",
		},
	},
	{
		title: "an empty list",
		input: "kind: Tenant\nname: blue\nspec:\n  subnets: []\n",
		expect: {
			place: "4:3",
			message: "`subnets` needs at least 1 entry",
			hint: "subnets: [10.0.1.0/24]",
		},
	},
	{
		title: "a priority in quotes",
		input: policy("match(*) >> pass", '  priority: "7"\n'),
		expect: {
			place: "5:13",
			message: "`priority` must be a whole number, not text `7`",
			hint: "write it without quotes",
		},
	},
	{
		title: "a priority out of range",
		input: policy("match(*) >> pass", "  priority: 70000\n"),
		expect: {
			place: "5:13",
			message: "`priority` is 70000",
			hint: "it may be 0 to 65535",
		},
	},
	{
		title: "an unknown choice",
		input: policy("match(*) >> pass", "  onChange: restear\n"),
		expect: {
			place: "5:13",
			message: "`onChange` cannot be `restear`",
			hint: "did you mean `resteer`?",
		},
	},
	{
		title: "a misspelt role",
		input: node(
			"  interfaces:\n    - name: ap\n      role: acces\n      tenant: blue\n",
		),
		expect: {
			place: "6:13",
			message: "`role` cannot be `acces`",
			hint: "did you mean `access`?",
		},
	},
	{
		title: "an interface name too long",
		input: node(
			"  interfaces:\n    - { name: a-very-long-name0, role: exit }\n",
		),
		expect: {
			place: "5:15",
			message: "`name` cannot be `a-very-long-name0`",
			hint: "names of Linux interfaces have at most 15 characters",
		},
	},
	{
		title: "an option as an interface's name",
		input: node(`  interfaces:\n    - { name: -h, role: exit }\n`),
		expect: {
			place: "5:15",
			message: "`name` cannot be `-h`",
			hint: "1 to 15 letters, digits or any of _ . @ + -, with none of . @ + - in front",
		},
	},
	{
		title: "a pattern as an interface's name",
		input: node(`  interfaces:\n    - { name: veth%d, role: exit }\n`),
		expect: {
			place: "5:15",
			message: "`name` cannot be `veth%d`",
			hint: "1 to 15 letters, digits or any of _ . @ + -, with none of . @ + - in front",
		},
	},
	{
		title: "a path as an interface's name",
		input: node(`  interfaces:\n    - { name: ../lo, role: exit }\n`),
		expect: {
			place: "5:15",
			message: "`name` cannot be `../lo`",
			hint: "1 to 15 letters, digits or any of _ . @ + -, with none of . @ + - in front",
		},
	},
	{
		title: "a quote in an interface's name",
		input: node(`  interfaces:\n    - { name: "a'b", role: exit }\n`),
		expect: {
			place: "5:15",
			message: "`name` cannot be `a'b`",
			hint: "1 to 15 letters, digits or any of _ . @ + -, with none of . @ + - in front",
		},
	},
	{
		title: "a VLAN alias as an interface's name",
		input: node(`  interfaces:\n    - { name: "eth0:1", role: exit }\n`),
		expect: {
			place: "5:15",
			message: "`name` cannot be `eth0:1`",
			hint: "1 to 15 letters, digits or any of _ . @ + -, with none of . @ + - in front",
		},
	},
	{
		title: "an external function's interface that is none",
		input: fn(
			"  attach: routed\n  runtime: external\n  instances:\n    - { name: fw-1, node: edge1, inside: -in, outside: out0 }\n",
		),
		expect: {
			place: "7:42",
			message: "`inside` cannot be `-in`",
			hint: "1 to 15 letters, digits or any of _ . @ + -, with none of . @ + - in front",
		},
	},
	{
		title: "a VLAN out of range",
		input: node("  interfaces:\n    - { name: ap, role: exit, vlan: 5000 }\n"),
		expect: {
			place: "5:37",
			message: "`vlan` is 5000",
			hint: "it may be 1 to 4094",
		},
	},
	{
		title: "an MTU too small",
		input: node("  mtu: 576\n  interfaces:\n    - { name: ap, role: exit }\n"),
		expect: {
			place: "4:8",
			message: "`mtu` is 576",
			hint: "it may be 1280 to 65535",
		},
	},
	{
		title: "yes for true",
		input: fn(
			"  attach: routed\n  runtime: process\n  rewrites: yes\n  instances:\n    - { name: a, node: edge1 }\n",
		),
		expect: {
			place: "6:13",
			message: "`rewrites` must be true or false, not text `yes`",
			hint: "did you mean `true`?",
		},
	},
	{
		title: "a command as text",
		input: fn(
			"  attach: routed\n  runtime: process\n  command: nft -f x\n  instances:\n    - { name: a, node: edge1 }\n",
		),
		expect: {
			place: "6:12",
			message: "`command` must be a list, not text `nft -f x`",
			hint: "did you mean `[nft, -f, x]`?",
		},
	},
	{
		title: "a ruleset as text",
		input: fn(
			"  attach: routed\n  runtime: process\n  ruleset: rules.nft\n  instances:\n    - { name: a, node: edge1 }\n",
		),
		expect: {
			place: "6:12",
			message: "`ruleset` must be a mapping with exactly one of `text`, `file`",
			hint: "ruleset: { file: /etc/chainmail/rules.nft } or { text: … }",
		},
	},
	{
		title: "a ruleset with a misspelt key",
		input: fn(
			"  attach: routed\n  runtime: process\n  ruleset: { flie: rules.nft }\n  instances:\n    - { name: a, node: edge1 }\n",
		),
		expect: {
			place: "6:14",
			message: "unknown key `flie`",
			hint: "did you mean `file`?",
		},
	},
	{
		title: "a tab as indentation",
		input: "kind: Tenant\nname: blue\nspec:\n\tsubnets: [10.0.1.0/24]\n",
		expect: {
			place: "4:1",
			message: "YAML: Tabs are not allowed as indentation",
			hint: "indent with spaces",
		},
	},
	{
		title: "an open bracket",
		input: "kind: Tenant\nname: blue\nspec:\n  subnets: [10.0.1.0/24\n",
		expect: {
			place: "5:1",
			message:
				"YAML: Flow sequence in block collection must be sufficiently indented and end with a ]",
			hint: "close the bracket, and indent what stands inside it",
		},
	},
	{
		title: "two documents without ---",
		input: TENANT + TENANT,
		expect: {
			place: "5:1",
			message: "key `kind` is given twice",
			hint: "put a line `---` between two documents",
		},
	},
	{
		title: "a key given twice",
		input:
			"kind: Tenant\nname: blue\nname: red\nspec:\n  subnets: [10.0.1.0/24]\n",
		expect: {
			place: "3:1",
			message: "key `name` is given twice",
			hint: "the first is in line 2; keep one of them",
		},
	},
	{
		title: "a document declared twice",
		input: `${TENANT}---\n${TENANT}`,
		expect: {
			place: "7:7",
			message: "Tenant `blue` is declared twice",
			hint: "the first is at wrong.yaml:2; give this one another name",
		},
	},
	{
		title: "a tag",
		input:
			"kind: Tenant\nname: !secret blue\nspec:\n  subnets: [10.0.1.0/24]\n",
		expect: {
			place: "2:7",
			message: "YAML tags (`!…`) are not allowed",
			hint: "remove the tag",
		},
	},
	{
		title: "an unknown alias",
		input: "kind: Tenant\nname: *other\nspec:\n  subnets: [10.0.1.0/24]\n",
		expect: {
			place: "2:7",
			message: "unknown alias `other`",
			hint: "mark what it stands for: `&other`; text that begins with * needs quotes",
		},
	},
];
