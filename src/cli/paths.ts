/** Paths together with what their hops have counted. */
import type { CountersView, PathView } from "../api/schemas.js";
import type { Client } from "./client.js";

/** All paths; hops of nodes that do not answer stay without counts. */
export async function countedPaths(
	client: Pick<Client, "get">,
): Promise<PathView[]> {
	const [paths, counters] = await Promise.all([
		client.get<{ items: PathView[] }>("/v1/paths"),
		client.get<{ items: CountersView[] }>("/v1/counters"),
	]);
	const counted = new Map(
		counters.items.flatMap(({ node, hops }) =>
			hops.map(({ spi, si, packets, bytes }) => [
				`${node} ${spi} ${si}`,
				{ packets, bytes },
			]),
		),
	);
	const answered = new Set(
		counters.items
			.filter(({ error }) => error === undefined)
			.map(({ node }) => node),
	);
	const nothing = { packets: 0, bytes: 0 };
	return paths.items.map((path) => ({
		...path,
		hops: path.hops.map((hop) => ({
			...hop,
			...(answered.has(hop.node) ? nothing : {}),
			...counted.get(`${hop.node} ${path.spi} ${hop.si}`),
		})),
	}));
}
