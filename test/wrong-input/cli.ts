/** Wrong command lines and wrong files behind them. Runner: cli.test.ts. */
import type { WrongInput } from "./row.js";

/** `%` in an argument stands for the test's directory. */
export interface CommandLine {
	readonly argv: readonly string[];
	/** Files to write first, by name in the test's directory. */
	readonly files?: Readonly<Record<string, string>>;
	readonly status: number;
}

const tokenFile = "abc";

export const commandLines: readonly WrongInput<CommandLine>[] = [
	{
		title: "an unknown command",
		input: { argv: ["gte", "nodes"], status: 2 },
		expect: {
			place: "chainmail",
			message: "unknown command 'gte'",
			hint: "Did you mean get?",
		},
	},
	{
		title: "an unknown option",
		input: { argv: ["apply", "-f", "x", "--dryrun"], status: 2 },
		expect: {
			place: "chainmail apply",
			message: "unknown option '--dryrun'",
			hint: "Did you mean --dry-run?",
		},
	},
	{
		title: "a kind that is none",
		input: { argv: ["get", "chains"], status: 2 },
		expect: {
			place: "kind `chains`",
			message: "not one of tenants",
			hint: "flows, states, counters, events",
		},
	},
	{
		title: "a kind that cannot be deleted",
		input: { argv: ["delete", "path", "1"], status: 2 },
		expect: {
			place: "kind `path`",
			message: "not one of",
			hint: "tenants, nodes, functions, flow-classes, policies",
		},
	},
	{
		title: "an output form that is none",
		input: { argv: ["get", "nodes", "-o", "xml"], status: 2 },
		expect: {
			place: "--output",
			message: "argument 'xml' is invalid",
			hint: "table, json, yaml",
		},
	},
	{
		title: "apply without a file",
		input: { argv: ["apply"], status: 2 },
		expect: {
			place: "chainmail apply",
			message: "required option '-f, --file <file>' not specified",
			hint: "see: chainmail apply --help",
		},
	},
	{
		title: "apply of a file that is not there",
		input: { argv: ["apply", "-f", "%/absent.yaml"], status: 1 },
		expect: {
			place: "absent.yaml",
			message: "no such file",
			hint: "check the path after -f",
		},
	},
	{
		title: "apply of a directory without YAML",
		input: {
			argv: ["apply", "-f", "%"],
			files: { "notes.txt": "nothing" },
			status: 1,
		},
		expect: {
			place: "read ",
			message: "no .yaml file",
			hint: "in this directory",
		},
	},
	{
		title: "a wrong file is told before a controller is asked",
		input: {
			argv: ["apply", "-f", "%/policy.yaml"],
			files: {
				"policy.yaml":
					"kind: Policy\nname: web\nspec:\n  tenant: blue\n  rule: match(dport=80) > firewall\n",
			},
			status: 1,
		},
		expect: {
			place: "policy.yaml:5:",
			message: "error:",
			hint: "nothing has changed",
		},
	},
	{
		title: "a port beyond the largest",
		input: { argv: ["get", "flows", "--dport", "65536"], status: 2 },
		expect: {
			place: "--dport",
			message: "argument '65536' is invalid",
			hint: "a whole number from 0 to 65535",
		},
	},
	{
		title: "a protocol that is none",
		input: { argv: ["get", "flows", "--proto", "tpc"], status: 2 },
		expect: {
			place: "--proto",
			message: "argument 'tpc' is invalid",
			hint: "a number or one of icmp, tcp",
		},
	},
	{
		title: "a protocol beyond the last",
		input: { argv: ["get", "flows", "--proto", "256"], status: 2 },
		expect: {
			place: "--proto",
			message: "argument '256' is invalid",
			hint: "a whole number from 0 to 255",
		},
	},
	{
		title: "a filter that a list does not have",
		input: { argv: ["get", "nodes", "--src", "10.0.0.1"], status: 2 },
		expect: {
			place: "get nodes",
			message: "--src does not apply",
			hint: "goes with flows",
		},
	},
	{
		title: "a name where there are none",
		input: { argv: ["get", "flows", "web"], status: 2 },
		expect: {
			place: "get flows",
			message: "`web` picks none",
			hint: "--tenant, --src",
		},
	},
	{
		title: "an interval of what is shown once",
		input: { argv: ["get", "nodes", "--interval", "5s"], status: 2 },
		expect: {
			place: "get nodes",
			message: "--interval",
			hint: "goes with --watch",
		},
	},
	{
		title: "a count of what is shown once",
		input: {
			argv: "trace --tenant t --src 10.0.0.1 --dst 10.0.0.2 --proto tcp --count 3".split(
				" ",
			),
			status: 2,
		},
		expect: {
			place: "trace",
			message: "--count goes with --live only",
			hint: "add --live",
		},
	},
	{
		title: "a DSCP that is none",
		input: {
			argv: "trace --tenant t --src 10.0.0.1 --dst 10.0.0.2 --proto tcp --dscp gold".split(
				" ",
			),
			status: 2,
		},
		expect: {
			place: "chainmail trace: option '--dscp",
			message: "argument 'gold' is invalid",
			hint: "or one of cs0",
		},
	},
	{
		title: "a token without a role",
		input: { argv: ["token", "create", "ci"], status: 2 },
		expect: {
			place: "chainmail token create",
			message: "'--role <role>' not specified",
			hint: "one of admin, operator, tenant",
		},
	},
	{
		title: "a data directory that is a file",
		input: {
			argv: ["controller", "--data-dir", "%/file"],
			files: { file: "" },
			status: 1,
		},
		expect: {
			place: "file",
			message: "something else is there",
			hint: "name another place",
		},
	},
	{
		title: "a node's state that is not there",
		input: {
			argv: "agent --node n --prefix cmwrong --state-dir %/s --state %/none.json".split(
				" ",
			),
			status: 1,
		},
		expect: {
			place: "none.json",
			message: "no such file",
			hint: "desired state as JSON",
		},
	},
	{
		title: "a time without its unit",
		input: { argv: ["token", "join", "edge1", "--ttl", "60"], status: 2 },
		expect: {
			place: "--ttl",
			message: "argument '60' is invalid",
			hint: "such as 500ms, 90s, 10m",
		},
	},
	{
		title: "a role that is none",
		input: { argv: ["token", "create", "ci", "--role", "root"], status: 2 },
		expect: {
			place: "--role",
			message: "argument 'root' is invalid",
			hint: "admin, operator, tenant",
		},
	},
	{
		title: "a trace without its tenant",
		input: {
			argv: ["trace", "--src", "::1", "--dst", "::2", "--proto", "tcp"],
			status: 2,
		},
		expect: {
			place: "chainmail trace",
			message: "required option '--tenant <name>' not specified",
			hint: "see: chainmail trace --help",
		},
	},
	{
		title: "a config that is not there",
		input: { argv: ["get", "nodes", "--config", "%/none.json"], status: 3 },
		expect: {
			place: "none.json",
			message: "no such file",
			hint: "name it by --config or CHAINMAIL_CONFIG",
		},
	},
	{
		title: "a config that is no JSON",
		input: {
			argv: ["get", "nodes", "--config", "%/admin.json"],
			files: { "admin.json": "url: https://localhost" },
			status: 3,
		},
		expect: {
			place: "admin.json",
			message: "not a JSON object",
			hint: "copy the controller's admin.json again",
		},
	},
	{
		title: "a config without encryption",
		input: {
			argv: ["get", "nodes", "--config", "%/admin.json"],
			files: {
				"admin.json": '{"url":"http://localhost","token":"t","ca":"c"}',
			},
			status: 3,
		},
		expect: {
			place: "admin.json",
			message: "`url` is not an https:// address",
			hint: "copy the controller's admin.json again",
		},
	},
	{
		title: "no controller at the address",
		input: {
			argv: ["get", "nodes", "--config", "%/admin.json"],
			files: {
				"admin.json":
					'{"url":"https://127.0.0.1:1","token":"t","ca":"-----BEGIN CERTIFICATE-----"}',
			},
			status: 3,
		},
		expect: {
			place: "controller https://127.0.0.1:1",
			message: "connection refused",
			hint: "start it with `chainmail controller`",
		},
	},
	{
		title: "room for no flow",
		input: {
			argv: ["agent", "--node", "edge1", "--max-flows", "0"],
			status: 2,
		},
		expect: {
			place: "--max-flows",
			message: "argument '0' is invalid",
			hint: "a number from 1024",
		},
	},
	{
		title: "a listening address without a port",
		input: { argv: ["controller", "--listen", "0.0.0.0"], status: 2 },
		expect: {
			place: "--listen",
			message: "argument '0.0.0.0' is invalid",
			hint: "for example 0.0.0.0:8443",
		},
	},
	{
		title: "an agent that does not know where to",
		input: { argv: ["agent", "--node", "edge1"], status: 2 },
		expect: {
			place: "agent",
			message: "needs either --controller or --state",
			hint: "--join-token-file FILE",
		},
	},
	{
		title: "an agent with a controller without encryption",
		input: {
			argv: ["agent", "--node", "edge1", "--controller", "http://10.0.0.1"],
			status: 2,
		},
		expect: {
			place: "--controller",
			message: "argument 'http://10.0.0.1' is invalid",
			hint: "such as https://",
		},
	},
	{
		title: "a join token that is not there",
		input: {
			argv: [
				..."agent --node e --controller https://127.0.0.1:1 --join-token-file".split(
					" ",
				),
				"%/none.token",
			],
			status: 1,
		},
		expect: {
			place: "none.token",
			message: "ENOENT",
			hint: "make one: chainmail token join NODE",
		},
	},
	{
		title: "a join token that was cut",
		input: {
			argv: [
				..."agent --node e --controller https://127.0.0.1:1 --join-token-file".split(
					" ",
				),
				"%/cut.token",
				"--state-dir",
				"%/state",
			],
			files: { "cut.token": tokenFile },
			status: 1,
		},
		expect: {
			place: "join token",
			message: "not of the form <secret>.<sha256>",
			hint: "copy it whole",
		},
	},
	{
		title: "a shell without completion",
		input: { argv: ["completion", "tcsh"], status: 2 },
		expect: {
			place: "completion",
			message: "no shell `tcsh`",
			hint: "one of bash, zsh, fish",
		},
	},
];
