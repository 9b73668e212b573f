/** The mobile edge with the example applied: real controller, agents and functions. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Installation } from "../../lab/installation.js";
import { buildLab, type Lab } from "../../lab/lab.js";
import {
	mobileEdge,
	mobileEdgeAddresses,
} from "../../lab/topologies/mobile-edge.js";
import type { Topology } from "../../lab/topology.js";
import type {
	CountersView,
	FunctionView,
	NodeView,
	PathView,
} from "../../src/api/schemas.js";

export const NODES = ["edge1", "edge2"];
export const EXAMPLE = readFileSync(
	fileURLToPath(new URL("../../../examples/mobile-edge.yaml", import.meta.url)),
	"utf8",
);
/** The chain of the example's policy, as it stands in the text. */
export const CHAIN = "firewall -> monitor";

export interface Edge {
	readonly lab: Lab;
	readonly installation: Installation;
}

export async function openEdge(
	topology: Topology = mobileEdge(),
	text = EXAMPLE,
	settings: readonly string[] = [],
): Promise<Edge> {
	const lab = await buildLab(topology);
	try {
		const installation = new Installation({
			lab,
			controller: {
				host: "controller",
				address: mobileEdgeAddresses.controller,
			},
			nodes: NODES,
			settings,
		});
		await installation.start();
		const edge = { lab, installation };
		await settled(edge);
		await apply(edge, text);
		await settled(edge);
		await installation.until<FunctionView[]>(
			"all functions are up",
			["get", "functions"],
			(all) =>
				all.every(({ status }) =>
					status.instances.every(({ state }) => state === "up"),
				),
		);
		return edge;
	} catch (error) {
		await lab.destroy();
		throw error;
	}
}

/** Declares a text through the command line, which waits until it runs. */
export async function apply(
	{ installation }: Edge,
	text: string,
): Promise<void> {
	const file = join(installation.directory, "declared.yaml");
	writeFileSync(file, text);
	await installation.expect(["apply", "-f", file]);
}

/** Both nodes are connected and run what the controller wants of them. */
export function settled({ installation }: Edge): Promise<NodeView[]> {
	return installation.until<NodeView[]>(
		"both nodes are connected and run the plan",
		["get", "nodes"],
		(all) =>
			all.every(
				({ status }) => status.connected && status.revision === status.desired,
			),
	);
}

/** Paths that new flows take, in order of SPI. */
export async function activePaths({
	installation,
}: Edge): Promise<readonly PathView[]> {
	const paths = await installation.json<PathView[]>(["get", "paths"]);
	return paths
		.filter(({ state }) => state === "active")
		.sort((a, b) => a.spi - b.spi);
}

/** Counters of both nodes, as `chainmail get counters` shows them. */
export async function counters({
	installation,
}: Edge): Promise<readonly CountersView[]> {
	const all = await installation.json<CountersView[]>(["get", "counters"]);
	for (const { error } of all) assert.equal(error, undefined);
	assert.equal(all.length, NODES.length);
	return all;
}
