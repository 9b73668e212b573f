/** How fast flows are learned, how many are held, and whether any verdict is wrong. */
import { endToEnd } from "./learning/end-to-end.js";
import { held } from "./learning/held.js";
import { judged } from "./learning/judged.js";
import type { Measurement } from "./lib/report.js";

export async function learning(): Promise<Measurement> {
	const real = [...(await endToEnd()), ...(await judged())];
	/* Last: it moves this process into a namespace of its own. */
	return { figures: [...held(), ...real] };
}
