/**
 * Two users with an encryption function each between them:
 *
 *     left in|inside ef1 outside|outside ef2 inside|in right
 */
import type { Topology } from "../topology.js";

export const encryptedLineAddresses = {
	left: "10.9.0.1",
	right: "10.9.0.2",
} as const;

export const INSIDE_MTU_BYTES = 1500;
/** Room for what two NSHs and ESP add to a user's packet. */
export const OUTSIDE_MTU_BYTES = 1700;

/** Nobody says anything of its own accord. */
const QUIET = [
	"net.ipv6.conf.all.disable_ipv6=1",
	"net.ipv6.conf.default.disable_ipv6=1",
];

export const encryptedLine: Topology = {
	hosts: ["left", "ef1", "ef2", "right"],
	links: [
		{
			a: "left:in",
			b: "ef1:inside",
			addresses: { a: [`${encryptedLineAddresses.left}/24`] },
		},
		{ a: "ef1:outside", b: "ef2:outside", mtu: OUTSIDE_MTU_BYTES },
		{
			a: "ef2:inside",
			b: "right:in",
			addresses: { b: [`${encryptedLineAddresses.right}/24`] },
		},
	],
	sysctls: { left: QUIET, ef1: QUIET, ef2: QUIET, right: QUIET },
};
