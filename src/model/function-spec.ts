/** Schema of a function: how it is attached and run, judged and left out. */
import { Type } from "typebox";
import { closed, described, InterfaceName, Name, Prefix } from "./terms.js";

export const Ruleset = Type.Union(
	[
		Type.Object(
			{
				text: Type.String({
					maxLength: 1_000_000,
					description: "the rules themselves, as `nft -f` takes them",
				}),
			},
			closed,
		),
		Type.Object(
			{
				file: Type.String({
					minLength: 1,
					maxLength: 4096,
					description: "or a file on the node; it is followed as it changes",
				}),
			},
			closed,
		),
	],
	{
		description:
			"nftables ruleset of the function's namespace; in place before a packet comes",
	},
);

export const Probe = Type.Object(
	{
		proto: Type.Union([Type.Literal("udp"), Type.Literal("icmp")], {
			description: "what the probe is; the function has to let it pass",
		}),
		dport: Type.Optional(
			Type.Integer({
				minimum: 1,
				maximum: 65535,
				description: "destination port of a udp probe (default: 7)",
			}),
		),
		intervalMs: Type.Optional(
			Type.Integer({
				minimum: 10,
				maximum: 60_000,
				description: "milliseconds from probe to probe (default: 1000)",
			}),
		),
		misses: Type.Optional(
			Type.Integer({
				minimum: 1,
				maximum: 100,
				description:
					"probes missed in a row until the instance counts as down (default: 3)",
			}),
		),
	},
	closed,
);

const Mac = Type.String({
	pattern: "^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$",
});

export const Instance = Type.Object(
	{
		name: described(Name, "its name, of its own within the function"),
		node: described(Name, "node where it runs"),
		weight: Type.Optional(
			Type.Integer({
				minimum: 1,
				maximum: 100,
				description: "its share of the flows beside the others' (default: 1)",
			}),
		),
		standby: Type.Optional(
			Type.Boolean({
				description:
					"it gets flows only while no other instance of the function is up",
			}),
		),
		inside: Type.Optional(
			described(
				InterfaceName,
				"runtime external: interface of the node towards the function's side of users",
			),
		),
		outside: Type.Optional(
			described(
				InterfaceName,
				"runtime external: interface towards its other side; a tap has none",
			),
		),
		insideMac: Type.Optional(
			described(
				Mac,
				"runtime external, routed: the function's own MAC inside, 02:00:00:00:00:01",
			),
		),
		outsideMac: Type.Optional(
			described(
				Mac,
				"runtime external, routed: the function's own MAC outside, 02:00:00:00:00:02",
			),
		),
	},
	closed,
);

const Milliseconds = (description: string, minimum: number, maximum: number) =>
	Type.Integer({ minimum, maximum, description });

/** How a verdict is learned and how long it holds; only of use with `offload`. */
export const Learn = Type.Object(
	{
		after: Type.Optional(
			Type.Union(
				[
					Type.Literal("established"),
					Type.Integer({ minimum: 1, maximum: 1000 }),
				],
				{
					description:
						"packets that must have come back, or `established`: TCP after its handshake, anything else after one (default)",
				},
			),
		),
		deadlineMs: Type.Optional(
			Milliseconds(
				"a flow of which nothing comes back for so long is denied (default 200)",
				10,
				60_000,
			),
		),
		denyMs: Type.Optional(
			Milliseconds("how long a deny holds (default 1000)", 10, 3_600_000),
		),
		revalidateMs: Type.Optional(
			Milliseconds(
				"how often a sample of the flow passes the function again (default 10000)",
				100,
				86_400_000,
			),
		),
		idleMs: Type.Optional(
			Type.Object(
				{
					tcp: Type.Optional(Milliseconds("default 300000", 100, 432_000_000)),
					udp: Type.Optional(Milliseconds("default 25000", 100, 432_000_000)),
				},
				{
					...closed,
					description:
						"a flow of which the function has seen nothing for so long is judged anew; keep it below the function's own time",
				},
			),
		),
	},
	closed,
);

export const FunctionSpec = Type.Object(
	{
		attach: Type.Union(
			[Type.Literal("routed"), Type.Literal("bridged"), Type.Literal("tap")],
			{
				description:
					"routed: an L3 box; bridged: a bump in the wire; tap: gets a copy",
			},
		),
		runtime: Type.Union([Type.Literal("process"), Type.Literal("external")], {
			description:
				"process: Chainmail runs it in a network namespace of its own; external: somebody else runs it behind interfaces of the node",
		}),
		command: Type.Optional(
			Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), {
				minItems: 1,
				maxItems: 100,
				description:
					"argv of a program that runs in the function's namespace; its ports are `inside` and `outside` (tap: `tap`)",
			}),
		),
		ruleset: Type.Optional(Ruleset),
		addresses: Type.Optional(
			Type.Array(Prefix, {
				maxItems: 64,
				description:
					"addresses the function owns outside, for example a NAT's public ones",
			}),
		),
		rewrites: Type.Optional(
			Type.Boolean({
				description:
					"it changes addresses or ports (NAT): it gets a pair of interfaces for each path: `inside` and `outside`, `inside2` and `outside2` …",
			}),
		),
		offload: Type.Optional(
			Type.Union(
				[
					Type.Literal("none"),
					Type.Literal("verdict"),
					Type.Literal("rewrite"),
				],
				{
					description:
						"what may be learned so that a flow's later packets skip the function: nothing, that it lets the flow pass, or also how it changes its header (default: what its ruleset allows; none with a `command`)",
				},
			),
		),
		learn: Type.Optional(
			described(Learn, "how a verdict is learned, and how long it holds"),
		),
		tenants: Type.Optional(
			Type.Array(Name, {
				minItems: 1,
				description:
					"tenants that may use it (default: all whose subnets do not overlap)",
			}),
		),
		probe: Type.Optional(
			described(Probe, "packets sent through it to see that it works"),
		),
		onFailure: Type.Optional(
			Type.Union(
				[Type.Literal("closed"), Type.Literal("open"), Type.Literal("reset")],
				{
					description:
						"what becomes of its packets while an instance is down and no other one takes over. closed: they drop (default); open: they pass it by; reset: they drop, and both ends of a TCP connection are reset",
				},
			),
		),
		instances: Type.Array(Instance, {
			minItems: 1,
			maxItems: 64,
			description: "its running copies; flows are spread over them",
		}),
	},
	closed,
);
