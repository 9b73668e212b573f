/**
 * What a core encrypts: users' packets of 1,400 bytes from veth to veth through
 * the user-space engine, against wireguard-go. Processor time is counted, not
 * time that passed: others' programs take their share of a core.
 */
import { type Figure, measurePairs } from "./lib/figure.js";
import type { Measurement } from "./lib/report.js";
import { espTunnel, type Tunnel, wireguardTunnel } from "./systems/tunnels.js";

const PAIRS = 9;
const UNIT = "Gbit/s a core";

export async function esp(): Promise<Measurement> {
	return {
		figures: [
			...(await compare("ESP out, against wireguard-go", "out")),
			...(await compare("ESP in, against wireguard-go encrypting", "in")),
		],
	};
}

async function compare(figure: string, end: "out" | "in"): Promise<Figure[]> {
	const open: Tunnel[] = [];
	const opened = async (tunnel: Promise<Tunnel>): Promise<Tunnel> => {
		open.push(await tunnel);
		return tunnel;
	};
	try {
		const ours = await opened(espTunnel(end));
		const wireguard = await opened(wireguardTunnel());
		/* Compilers and caches get to know it. */
		await ours.gbitPerCore();
		const ratio = await measurePairs(
			{ figure, unit: UNIT, pairs: PAIRS, reach: ">= 2.5" },
			() => ours.gbitPerCore(),
			() => wireguard.gbitPerCore(),
		);
		const { value, runs } = ratio;
		const alone = `ESP ${end}, a core`;
		return [ratio, { figure: alone, value, unit: UNIT, reach: ">= 4", runs }];
	} finally {
		for (const tunnel of open) await tunnel.close();
	}
}
