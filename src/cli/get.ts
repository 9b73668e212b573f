/** chainmail get: lists of everything, once or again and again. */
import { type Command, Option } from "commander";
import type { Missing } from "../api/schemas/parts.js";
import type {
	CountersList,
	EventView,
	FlowClassView,
	FlowList,
	FunctionView,
	NodeView,
	PolicyView,
	StateList,
	TenantView,
} from "../api/schemas.js";
import { STATE_VERDICTS } from "../plan/verdicts.js";
import type { Client, Query } from "./client.js";
import {
	checkFilters,
	flowQuery,
	type GetOptions,
	ROWS_LIMIT,
} from "./filters.js";
import { absent, declared, listable, type Noun, nounOf } from "./kinds.js";
import { integer, milliseconds, port, protocolNumber } from "./numbers.js";
import { show } from "./output.js";
import { formatOf, look, type Services, withClient } from "./session.js";
import { type Column, table } from "./table.js";

const ERASE_SCREEN = "\u001b[H\u001b[2J\u001b[3J";

export function registerGet(program: Command, services: Services): void {
	program
		.command("get")
		.summary(
			"list tenants, nodes, functions, flow classes, policies, paths, flows …",
		)
		.description("Lists what is declared and what runs.")
		.argument("<kind>", listable.join(", "))
		.argument("[name]", "only the one with this name, or path with this SPI")
		.option("-w, --watch", "show it again whenever it changes, until Ctrl-C")
		.addOption(
			new Option(
				"--interval <time>",
				"with --watch: how often to ask for paths, flows, states, counters; the rest comes by itself",
			)
				.argParser(milliseconds)
				.default(1000, "1s"),
		)
		.option("--tenant <name>", "flows, states, policies, paths of this tenant")
		.option("--src <address>", "flows, states from this address, or prefix")
		.option("--dst <address>", "flows, states to this address, or prefix")
		.addOption(
			new Option(
				"--proto <protocol>",
				"flows, states of tcp, udp, icmp, icmpv6, sctp or a number",
			).argParser(protocolNumber),
		)
		.option("--sport <port>", "flows, states from this port", port)
		.option("--dport <port>", "flows, states to this port", port)
		.option("--function <name>", "states of this function")
		.option("--instance <name>", "states of instances of this name")
		.option("--node <name>", "states on this node")
		.addOption(
			new Option("--verdict <verdict>", "states with this verdict").choices(
				STATE_VERDICTS,
			),
		)
		.option(
			"--limit <count>",
			"flows, states, events: at most (default: 1000)",
			integer(1, 10_000),
		)
		.option(
			"--after <id>",
			"events newer than this one",
			integer(0, Number.MAX_SAFE_INTEGER),
		)
		.option("--all", "counters: also those that are zero")
		.addHelpText(
			"after",
			`
Examples:
  chainmail get nodes
  chainmail get flows --tenant acme --proto tcp --dport 443
  chainmail get states --function firewall --verdict deny
  chainmail get states --tenant acme --limit 10000 --output csv > states.csv
  chainmail get paths --output yaml
  chainmail get events --watch`,
		)
		.action(
			async (
				word: string,
				name: string | undefined,
				options: GetOptions,
				command: Command,
			) => {
				const noun = nounOf(word, listable);
				checkFilters(noun, name, options, command);
				await withClient(command, async (client) => {
					await checkTenant(client, options);
					const show = options.watch === true ? watch : once;
					await show(services, command, client, noun, name, options);
				});
			},
		);
}

/** An unknown tenant has nothing of anything: more likely a slip of the pen. */
async function checkTenant(
	client: Client,
	{ tenant }: GetOptions,
): Promise<void> {
	if (tenant === undefined) return;
	const { items } = await client.get<{ items: TenantView[] }>("/v1/tenants");
	const known = items.map(({ name }) => name);
	if (!known.includes(tenant)) throw absent("tenants", tenant, known);
}

async function once(
	services: Services,
	command: Command,
	client: Client,
	noun: Noun,
	name: string | undefined,
	options: GetOptions,
): Promise<void> {
	const { value, text, records, warnings } = await list(
		services,
		client,
		noun,
		name,
		options,
	);
	await show(services.terminal, formatOf(command), value, () => text, records);
	for (const warning of warnings) services.terminal.err(warning);
}

async function watch(
	services: Services,
	command: Command,
	client: Client,
	noun: Noun,
	name: string | undefined,
	options: GetOptions,
): Promise<void> {
	if (noun === "events") return follow(services, command, client, options);
	const { terminal } = services;
	let last = "";
	for await (const lists of changes(client, noun, options.interval)) {
		const listed = await list(services, lists, noun, name, options);
		const { value, text, warnings } = listed;
		const now = JSON.stringify([value, warnings]);
		if (now === last) continue;
		if (terminal.isTty) terminal.out(`${ERASE_SCREEN}${text}`);
		else await show(terminal, formatOf(command), value, () => `${text}\n`);
		for (const warning of warnings) terminal.err(warning);
		last = now;
	}
}

/** What the controller tells the changes of; the rest counts all the time. */
const FOLLOWED: readonly Noun[] = declared;

/** Where lists come from, each time one may have changed. */
async function* changes(
	client: Client,
	noun: Noun,
	intervalMs: number,
): AsyncGenerator<Lists> {
	if (FOLLOWED.includes(noun))
		for await (const list of client.follow(`/v1/${noun}`))
			yield { get: async <T>() => list as T };
	for (;;) {
		yield client;
		await new Promise((resolve) => setTimeout(resolve, intervalMs));
	}
}

/** Events one by one, each on its line. */
async function follow(
	{ terminal }: Services,
	command: Command,
	client: Client,
	options: GetOptions,
): Promise<void> {
	const isText = formatOf(command) === "table";
	for await (const event of client.events(options.after)) {
		const { timeMs, kind, node, message } = event;
		const time = new Date(timeMs).toISOString();
		const { printable } = await import("./terminal.js");
		terminal.out(
			isText
				? printable(
						[time, kind, node ?? "-", message].join("  ").replaceAll("\n", " "),
					)
				: JSON.stringify(event),
		);
	}
}

/** The API's lists, or one that has just come. */
type Lists = Pick<Client, "get">;

interface Listed {
	readonly value: unknown;
	readonly text: string;
	/** Its lines as CSV. */
	readonly records: readonly object[];
	/** What the list lacks. */
	readonly warnings: readonly string[];
}

async function list(
	services: Services,
	client: Lists,
	noun: Noun,
	name: string | undefined,
	options: GetOptions,
): Promise<Listed> {
	const columns = await import("./columns.js");
	const items = async <T>(query: Query = {}) =>
		(await client.get<{ items: T[] }>(`/v1/${noun}`, query)).items;
	const listed = <T extends object, Row>(
		value: readonly T[],
		of: readonly Column<Row>[],
		rows: readonly Row[],
		missing: readonly Missing[] = [],
		records: readonly object[] = value,
	): Listed => ({
		records,
		value: name === undefined ? value : (value[0] ?? null),
		text:
			rows.length === 0
				? `no ${noun}${name === undefined ? "" : ` ${name}`}`
				: table(of, rows, look(services.terminal)),
		warnings: missing.map(
			({ reason }) => `warning: ${reason}: its ${noun} are not shown`,
		),
	});
	const known = <T extends { name: string }>(all: readonly T[]) =>
		only(all, noun, name, (item) => item.name);
	const ofTenant = <T>(
		all: readonly T[],
		of: (item: T) => string | undefined,
	) =>
		options.tenant === undefined
			? all
			: all.filter((item) => of(item) === options.tenant);
	switch (noun) {
		case "tenants": {
			const found = known(await items<TenantView>());
			return listed(found, columns.tenants, found);
		}
		case "nodes": {
			const found = known(await items<NodeView>());
			return listed(found, columns.nodes, found);
		}
		case "functions": {
			const found = known(await items<FunctionView>());
			return listed(found, columns.functions, columns.functionRows(found));
		}
		case "flow-classes": {
			const found = known(await items<FlowClassView>());
			return listed(found, columns.flowClasses, found);
		}
		case "policies": {
			const all = ofTenant(await items<PolicyView>(), (row) => row.spec.tenant);
			const found = known(all);
			return listed(found, columns.policies, found);
		}
		case "paths": {
			const { countedPaths } = await import("./paths.js");
			const all = ofTenant(await countedPaths(client), (path) => path.tenant);
			const found = only(all, noun, name, ({ spi }) => String(spi));
			return listed(found, columns.paths, found);
		}
		case "flows": {
			const list = await client.get<FlowList>("/v1/flows", flowQuery(options));
			return whole(
				listed(list.items, columns.flows, list.items, list.missing),
				options,
			);
		}
		case "states": {
			const { function: of, instance, node, verdict } = options;
			const list = await client.get<StateList>("/v1/states", {
				...flowQuery(options),
				function: of,
				instance,
				node,
				verdict,
			});
			return whole(
				listed(list.items, columns.states, list.items, list.missing),
				options,
			);
		}
		case "counters": {
			const list = await client.get<CountersList>("/v1/counters");
			const missing = list.missing.filter(
				({ node }) => (name ?? node) === node,
			);
			const found =
				missing.length > 0 && name !== undefined
					? []
					: only(list.items, noun, name, ({ node }) => node);
			const rows = columns
				.counterRows(found)
				.filter(({ count }) => options.all === true || count > 0);
			return listed(found, columns.counters, rows, missing, rows);
		}
		case "events": {
			const { after, limit } = options;
			const found = await items<EventView>({ after, limit });
			return listed(found, columns.events, found);
		}
	}
}

/** With a warning where the list may go on: what is not shown must not be taken for absent. */
function whole(listed: Listed, { limit = ROWS_LIMIT }: GetOptions): Listed {
	if (listed.records.length < limit) return listed;
	const warning = `warning: there may be more than these ${limit} (raise --limit, or pick by other options)`;
	return { ...listed, warnings: [...listed.warnings, warning] };
}

function only<T>(
	all: readonly T[],
	noun: Noun,
	name: string | undefined,
	nameOf: (item: T) => string,
): readonly T[] {
	if (name === undefined) return all;
	const found = all.filter((item) => nameOf(item) === name);
	if (found.length > 0) return found;
	throw absent(noun, name, all.map(nameOf));
}
