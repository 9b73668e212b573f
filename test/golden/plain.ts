/** Golden rows of IP on the underlay without a tunnel: unchained, between nodes. */
import { type BuildLayer, eth, packet } from "../../src/wire/build.js";
import * as f from "./frames.js";
import { NEIGHBOUR } from "./node.js";
import { type Row, ttl63, ttl63down, underlay } from "./row.js";

const fromRouter = (vlan: number | undefined, ...parts: BuildLayer[]) =>
	underlay(
		packet(
			eth({
				src: NEIGHBOUR.router,
				dst: f.MAC.up,
				...(vlan !== undefined && { vlan }),
			}),
			...parts,
		),
	);

export const plain: readonly Row[] = [
	{
		title: "from the underlay to a user: what answers what a rule lets pass",
		...fromRouter(undefined, f.down4, f.answer(9)),
		verdict: "redirect",
		out: f.toUser(ttl63down, f.answer(9)),
	},
	{
		title: "not what answers a packet of a chain",
		...fromRouter(undefined, f.down4, f.answer(80)),
		verdict: "drop",
		drop: "unowned",
	},
	{
		title: "from the underlay out by a shared exit",
		...fromRouter(undefined, f.up4, f.syn(80)),
		verdict: "redirect",
		out: f.toServer(ttl63, f.syn(80)),
	},
	{
		title: "without its tag of priority",
		...fromRouter(0, f.up4, f.syn(80)),
		verdict: "redirect",
		out: f.toServer(ttl63, f.syn(80)),
	},
];
