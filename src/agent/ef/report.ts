/** What the agent tells of its EF, of what the EF's process tells. */

import type { EfTraffic } from "../../functions/ef/engine.js";
import type { EfReport } from "../../functions/ef-process/report.js";
import type { Health } from "../../functions/runtime.js";
import type { EfCounters, EfStatus, EfTrafficCounters } from "../../plan/ef.js";

export function statusOf(
	health: Health,
	report: EfReport | undefined,
): EfStatus {
	const { restarts } = health;
	if (health.state === "down" || !report)
		return {
			state: health.state === "down" ? "down" : "starting",
			reason: health.state === "down" ? health.reason : "it says nothing yet",
			restarts,
			enrolled: false,
			connected: false,
			sas: 0,
			active: 0,
		};
	const silent = report.peers.filter(({ alive }) => !alive);
	return {
		state: "up",
		reason: report.connected ? "" : report.problem || "it greets the centre",
		restarts,
		engine: report.engine,
		enrolled: report.enrolled,
		connected: report.connected,
		sas: report.sas.length,
		active: report.sas.filter(({ active }) => active).length,
		...(report.peers.length > 0 && {
			silent: silent.map(({ nodeId }) => nodeId),
		}),
	};
}

export function countersOf(
	report: EfReport | undefined,
): EfCounters | undefined {
	return report && { out: traffic(report.out), in: traffic(report.in) };
}

function traffic({ packets, bytes, refused }: EfTraffic): EfTrafficCounters {
	return {
		packets,
		bytes,
		refused: Object.fromEntries(
			Object.entries(refused).filter(([, count]) => count > 0),
		),
	};
}
