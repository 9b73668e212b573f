/** Names of what a function has said of a flow, and of the sides of its ports. */

/** In the order of enum verdict in bpf/maps.h. */
export const STATE_VERDICTS = [
	"pending",
	"allow",
	"rewrite",
	"deny",
	"closing",
] as const;
export type StateVerdict = (typeof STATE_VERDICTS)[number];

/** In the order of enum port_side. */
export const PORT_SIDES = ["inside", "outside"] as const;
export type PortSide = (typeof PORT_SIDES)[number];
