/** chainmail token: who may use the API, and which nodes may join. */
import { type Command, Option } from "commander";
import type {
	JoinTokenCreated,
	TokenCreated,
	TokenView,
} from "../api/schemas.js";
import { milliseconds } from "./numbers.js";
import { show } from "./output.js";
import { formatOf, type Services, showRows, withClient } from "./session.js";
import type { Column } from "./table.js";

const columns: readonly Column<TokenView>[] = [
	{ title: "ID", value: (row) => row.id },
	{ title: "NAME", value: (row) => row.name },
	{ title: "ROLE", value: (row) => row.role },
	{ title: "TENANT", value: (row) => row.tenant },
	{ title: "CREATED", value: (row) => time(row.createdMs) },
	{
		title: "EXPIRES",
		value: (row) =>
			row.expiresMs === undefined ? "never" : time(row.expiresMs),
	},
];

interface CreateOptions {
	readonly role: "admin" | "operator" | "tenant";
	readonly tenant?: string;
	readonly ttl?: number;
}

export function registerToken(program: Command, services: Services): void {
	const token = program
		.command("token")
		.summary("tokens of the API, and one-time tokens for nodes")
		.description("Makes, lists and revokes tokens; lets nodes join.");
	registerCreate(token, services);
	token
		.command("list")
		.summary("list the API's tokens")
		.description("Lists all tokens; never shows a token itself.")
		.action(async (_: unknown, command: Command) => {
			await withClient(command, async (client) => {
				const { items } = await client.get<{ items: TokenView[] }>(
					"/v1/tokens",
				);
				await showRows(services, command, columns, items);
			});
		});
	token
		.command("revoke")
		.summary("revoke a token at once")
		.description("Revokes a token; requests with it are refused from now on.")
		.argument("<id>", "its id, as `token list` shows it")
		.action(async (id: string, _: unknown, command: Command) => {
			await withClient(command, (client) =>
				client.delete(`/v1/tokens/${encodeURIComponent(id)}`),
			);
			services.terminal.err(`token ${id} revoked`);
		});
	registerJoin(token, services);
}

function registerCreate(token: Command, services: Services): void {
	token
		.command("create")
		.summary("make a token for the API")
		.description(
			"Makes a token and prints it, this once: the controller keeps only its hash.",
		)
		.argument("<name>", "whose it is; stands in the events")
		.addOption(
			new Option("--role <role>", "what it permits")
				.choices(["admin", "operator", "tenant"])
				.makeOptionMandatory(),
		)
		.option("--tenant <name>", "with role tenant: the only tenant it may see")
		.option(
			"--ttl <time>",
			"how long it is valid (default: for ever)",
			milliseconds,
		)
		.addHelpText(
			"after",
			`
Example:
  chainmail token create monitoring --role operator --ttl 30d`,
		)
		.action(async (name: string, options: CreateOptions, command: Command) => {
			const { role, tenant, ttl } = options;
			await withClient(command, async (client) => {
				const created = await client.post<TokenCreated>("/v1/tokens", {
					name,
					role,
					...(tenant === undefined ? {} : { tenant }),
					...(ttl === undefined ? {} : { ttlMs: ttl }),
				});
				await show(
					services.terminal,
					formatOf(command),
					created,
					() => created.token,
				);
			});
		});
}

function registerJoin(token: Command, services: Services): void {
	token
		.command("join")
		.summary("make a one-time token with which a node joins")
		.description(
			"Makes a token that one node can use once, and prints it. Put it into a file on the node and give that to `chainmail agent --join-token-file`.",
		)
		.argument("<node>", "name of the node")
		.addOption(
			new Option("--ttl <time>", "how long it is valid")
				.argParser(milliseconds)
				.default(3_600_000, "1h"),
		)
		.addHelpText(
			"after",
			`
Example:
  chainmail token join edge1 > edge1.token`,
		)
		.action(
			async (node: string, options: { ttl: number }, command: Command) => {
				await withClient(command, async (client) => {
					const created = await client.post<JoinTokenCreated>(
						"/v1/join-tokens",
						{ node, ttlMs: options.ttl },
					);
					await show(
						services.terminal,
						formatOf(command),
						created,
						() => created.token,
					);
				});
			},
		);
}

const time = (ms: number): string => new Date(ms).toISOString().slice(0, 19);
