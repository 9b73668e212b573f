/**
 * A program that asks a controller's API for everything it gives, with the rights of
 * an administrator: all streams from its start on, and each route when it is told
 * so by the end of its input. Argument: the file admin.json.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Agent, request } from "undici";
import type { AdminFile } from "../../../src/api/schemas.js";

export interface Answer {
	readonly route: string;
	readonly status: number;
	readonly text: string;
}

interface Description {
	readonly paths: Readonly<
		Record<string, { readonly get?: { readonly description?: string } }>
	>;
}

const admin = JSON.parse(
	readFileSync(process.argv[2] ?? "", "utf8"),
) as AdminFile;
const dispatcher = new Agent({
	connect: { ca: admin.ca },
	bodyTimeout: 0,
});
const get = (route: string, accept = "application/json") =>
	request(admin.url + route, {
		headers: { authorization: `Bearer ${admin.token}`, accept },
		dispatcher,
	});

async function ask(route: string): Promise<Answer> {
	const { statusCode, body } = await get(route);
	return { route, status: statusCode, text: await body.text() };
}

/** Of objects that are there: `/v1/paths/{spi}` once for each path. */
async function instancesOf(route: string): Promise<string[]> {
	const [, list, key] = /^(.*)\/\{(\w+)\}$/.exec(route) ?? [];
	if (!list || !key) return [route];
	const { items } = JSON.parse((await ask(list)).text) as {
		readonly items: readonly Readonly<Record<string, string | number>>[];
	};
	return items.map((item) => `${list}/${item[key]}`);
}

const { paths } = JSON.parse((await ask("/openapi.json")).text) as Description;
const routes = Object.entries(paths).flatMap(([route, { get }]) =>
	get ? [{ route, isStream: get.description?.includes("event-stream") }] : [],
);
const streams = await Promise.all(
	routes
		.filter(({ isStream }) => isStream)
		.map(async ({ route }) => {
			const { statusCode, body } = await get(route, "text/event-stream");
			const stream = { route, status: statusCode, text: "" };
			body.on("error", () => {});
			body.on("data", (chunk: Buffer) => {
				stream.text += chunk.toString("latin1");
			});
			return stream;
		}),
);
console.log(JSON.stringify({ routes: routes.length, streams: streams.length }));
process.stdin.resume();
await once(process.stdin, "end");
const answers: Answer[] = [await ask("/openapi.json")];
for (const { route } of routes)
	for (const one of await instancesOf(route)) answers.push(await ask(one));
const all = [
	...answers,
	...streams.map((one) => ({ ...one, route: `${one.route} (stream)` })),
];
process.stdout.write(`${JSON.stringify(all)}\n`, () => process.exit());
