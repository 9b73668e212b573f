/** chainmail keys: which sealed hops have keys, and whose are taken away. */
import { Argument, type Command } from "commander";
import type { EventView, KeyLink, KeyList, KeyTarget } from "../api/schemas.js";
import { events } from "./columns.js";
import { CliFailure, ExitCode } from "./failure.js";
import { integer } from "./numbers.js";
import {
	formatOf,
	look,
	type Services,
	showRows,
	withClient,
} from "./session.js";
import { bytes, type Column, duration, table } from "./table.js";
import type { Colour } from "./terminal.js";

const columns: readonly Column<KeyLink>[] = [
	{ title: "PATH", value: (row) => row.path, align: "right" },
	{ title: "INDEX", value: (row) => row.index, align: "right" },
	{ title: "CLASS", value: (row) => row.flowClass },
	{ title: "FROM", value: (row) => row.sender },
	{ title: "TO", value: (row) => row.receiver },
	{ title: "TRANSFORM", value: (row) => row.transform },
	{
		title: "STATE",
		value: (row) => row.state,
		colour: (row) => STATE_COLOURS[row.state],
	},
	{ title: "SPI", value: (row) => spiOf(inUse(row)), align: "right" },
	{
		title: "GENERATION",
		value: (row) => inUse(row)?.generation,
		align: "right",
	},
	{ title: "AGE", value: (row) => timeOf(inUse(row)?.ageMs), align: "right" },
	{ title: "PACKETS", value: (row) => inUse(row)?.packets, align: "right" },
	{ title: "BYTES", value: (row) => bytesOf(row), align: "right" },
	{ title: "REKEY IN", value: (row) => rekeyOf(row), align: "right" },
];

const STATE_COLOURS: Readonly<Record<KeyLink["state"], Colour>> = {
	ready: "green",
	waiting: "yellow",
	revoked: "red",
};

type Kind = "node" | "path" | "sa";

export function registerKeys(program: Command, services: Services): void {
	const keys = program
		.command("keys")
		.summary("keys of sealed hops: list, rekey, revoke")
		.description(
			"Shows which hops between nodes have keys, and takes keys out of use.",
		);
	keys
		.command("list")
		.summary("list sealed hops and their keys")
		.description(
			"Lists each hop that is sealed, one way, with the key in use: its age, what it was used for, and when the next one comes. Never shows a key.",
		)
		.action(async (_: unknown, command: Command) => {
			await withClient(command, async (client) => {
				const list = await client.get<KeyList>("/v1/keys");
				await showRows(services, command, columns, list.items, list);
				if (list.revoked.length > 0)
					services.terminal.err(
						`revoked: ${list.revoked.join(", ")} (let one in again: chainmail keys admit NODE)`,
					);
			});
		});
	registerAct(keys, services, "rekey", {
		summary: "give a node, a path or an SA new keys",
		description:
			"Asks for new keys without a gap in the traffic. An SA is meant by its SPI, as `keys list` shows it; of a path one direction.",
		done: (name) => `${name}: new keys are on their way`,
	});
	registerAct(keys, services, "revoke", {
		summary: "take keys out of use at once",
		description:
			"Takes keys out of use at both ends at once. A node gets no others until `keys admit`, and its certificate for keys is void; a path and an SA's hop get new ones, their traffic stops until then.",
		done: (name) => `${name}: keys revoked`,
	});
	registerAdmit(keys, services);
	registerAudit(keys, services);
}

function registerAct(
	keys: Command,
	services: Services,
	verb: "rekey" | "revoke",
	words: {
		readonly summary: string;
		readonly description: string;
		readonly done: (name: string) => string;
	},
): void {
	keys
		.command(verb)
		.summary(words.summary)
		.description(words.description)
		.addArgument(
			new Argument("<kind>", "what is meant").choices(["node", "path", "sa"]),
		)
		.argument("<name>", "the node's name, the path's SPI, or the SA's SPI")
		.addHelpText(
			"after",
			`
Examples:
  chainmail keys ${verb} node edge1
  chainmail keys ${verb} path 5
  chainmail keys ${verb} sa 0x00005fe1`,
		)
		.action(async (kind: Kind, name: string, _: unknown, command: Command) => {
			const target = targetOf(verb, kind, name);
			await withClient(command, (client) =>
				client.post(`/v1/keys/${verb}`, target),
			);
			services.terminal.err(words.done(`${kind} ${name}`));
		});
}

function registerAdmit(keys: Command, services: Services): void {
	keys
		.command("admit")
		.summary("let a node whose keys were revoked have keys again")
		.description(
			"Takes the revocation of a node's keys back. Its encryption function enrols anew, through its agent.",
		)
		.argument("<node>", "the node's name")
		.addHelpText(
			"after",
			`
Example:
  chainmail keys admit edge1`,
		)
		.action(async (node: string, _: unknown, command: Command) => {
			await withClient(command, (client) =>
				client.post("/v1/keys/admit", { node }),
			);
			services.terminal.err(`node ${node}: may have keys again`);
		});
}

function registerAudit(keys: Command, services: Services): void {
	const { terminal } = services;
	keys
		.command("audit")
		.summary("what was done with keys, when, and why")
		.description(
			"Lists every key issued, used, replaced, refused, lost and revoked, and who enrolled; never a key itself.",
		)
		.option("--follow", "go on as it happens")
		.option("--limit <number>", "the newest so many", integer(1, 10_000))
		.action(
			async (
				{ follow, limit }: { follow?: boolean; limit?: number },
				command: Command,
			) => {
				await withClient(command, async (client) => {
					const path = "/v1/keys/audit";
					const { items } = await client.get<{ items: EventView[] }>(path, {
						limit,
					});
					if (follow !== true) {
						await showRows(services, command, events, items);
						return;
					}
					const isTable = formatOf(command) === "table";
					const print = (event: EventView) => {
						const [, line = ""] = table(events, [event], look(terminal)).split(
							"\n",
						);
						terminal.out(isTable ? line : JSON.stringify(event));
					};
					for (const event of items) print(event);
					const after = items.at(-1)?.id ?? 0;
					for await (const event of client.follow<EventView>(path, { after }))
						print(event);
				});
			},
		);
}

function targetOf(verb: string, kind: Kind, name: string): KeyTarget {
	if (kind === "node") return { node: name };
	const number = /^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(name)
		? Number(name)
		: Number.NaN;
	if (Number.isNaN(number))
		throw new CliFailure(
			`keys ${verb}: ${name} is no SPI (see: chainmail keys list)`,
			ExitCode.usage,
		);
	return kind === "path" ? { path: number } : { sa: number };
}

function inUse({ sas }: KeyLink): KeyLink["sas"][number] | undefined {
	return sas.findLast(({ phase }) => phase === "current");
}

function spiOf(sa: { readonly espSpi: number } | undefined) {
	return sa && `0x${sa.espSpi.toString(16).padStart(8, "0")}`;
}

function timeOf(ms: number | undefined): string | undefined {
	return ms === undefined ? undefined : duration(ms);
}

function bytesOf(row: KeyLink): string | undefined {
	const count = inUse(row)?.bytes;
	return count === undefined ? undefined : bytes(count);
}

function rekeyOf(row: KeyLink): string | undefined {
	return row.sas.some(({ phase }) => phase !== "current" && phase !== "retired")
		? "now"
		: timeOf(row.nextRekeyMs);
}
