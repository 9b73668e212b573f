/**
 * The EF's host ends in the kernel: each has its program before the forwarders
 * know of it, and is forgotten before it goes.
 */
import type { EfEnds } from "../../functions/ef-process/network.js";
import type { DataPlane } from "../dataplane.js";
import type { HostSettings } from "../host.js";
import { efValue, NO_EF } from "../tables/network.js";

export function guardEf(
	plane: DataPlane,
	settings: HostSettings,
	ends: EfEnds | undefined,
): void {
	if (!ends) {
		plane.maps.ef.set(0, NO_EF);
		return;
	}
	const { inside, outside } = ends;
	plane.attach(inside.ifindex, "inner");
	plane.attach(outside.ifindex, "outer");
	plane.maps.ef.set(0, efValue(inside, outside));
	/* What it gives is routed on: sealed to another node, opened to an exit. */
	settings.open(
		[inside, outside].map(({ name }) => ({ name, unfiltered: true })),
	);
}
