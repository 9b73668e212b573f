/** The routes that change intent: apply documents, delete one. */
import { Type } from "typebox";
import { type Declared, declare, withdraw } from "../../controller/declare.js";
import { Fault } from "../../controller/fault.js";
import { intentWrites } from "../../controller/intent-store.js";
import { checkLinks } from "../../controller/key-quota.js";
import type { Write } from "../../controller/store/store.js";
import type { Identity } from "../../controller/tokens.js";
import type { Intent } from "../../model/intent.js";
import type { App } from "../app.js";
import { callerOf, EVERYONE } from "../auth.js";
import type { Context } from "../context.js";
import { locateRefusals, tryOnNodes } from "../dry-run.js";
import {
	ApplyRequest,
	ApplyResponse,
	DeleteQuery,
	ErrorBody,
	type KindPath,
	kinds,
} from "../schemas.js";

const TIMEOUT_MS = 30_000;

export async function changeRoutes(
	app: App,
	{ reconciler, fleet, delivery, tokens }: Context,
): Promise<void> {
	async function carryOut(
		caller: Identity,
		next: (intent: Intent) => Declared,
		timeoutMs = TIMEOUT_MS,
	): Promise<ApplyResponse> {
		let declared: Declared | undefined;
		const applied = await reconciler.change(async (intent) => {
			declared = next(intent);
			const writes = intentWrites(intent, declared.intent);
			if (writes.length === 0) return undefined;
			return {
				intent: declared.intent,
				writes: [...writes, ...(await tokensOfDeleted(declared))],
				message: summary(declared),
				who: caller.name,
				...(caller.tenant !== undefined && { tenant: caller.tenant }),
			};
		}, timeoutMs);
		const isConfined = caller.tenant !== undefined;
		return {
			revision: applied.revision,
			changes: [...(declared?.changes ?? [])],
			warnings: [
				...(declared?.warnings ?? []),
				...(isConfined ? [] : applied.warnings),
			],
			pending: isConfined ? [] : [...applied.pending],
			disconnected: isConfined
				? []
				: [...reconciler.intent.nodes.keys()].filter(
						(node) => !fleet.isConnected(node) && !delivery.isSettled(node),
					),
		};
	}

	/** All that a change does before it changes something. */
	async function tryOut(
		caller: Identity,
		declared: Declared,
	): Promise<ApplyResponse> {
		const { states, warnings } = reconciler.check(declared.intent);
		checkLinks(caller.tenant, states, declared.intent);
		const unasked = await tryOnNodes(fleet, delivery.desired, states);
		const isConfined = caller.tenant !== undefined;
		return {
			revision: delivery.revision,
			changes: [...declared.changes],
			warnings: [
				...declared.warnings,
				...(isConfined ? [] : [...warnings, ...unasked]),
			],
			pending: [],
			disconnected: [],
		};
	}

	/** Tokens go with their tenant. */
	async function tokensOfDeleted({ changes }: Declared): Promise<Write[]> {
		const writes: Write[] = [];
		for (const { kind, name, action } of changes) {
			if (kind !== "Tenant" || action !== "deleted") continue;
			writes.push(...(await tokens.revokeTenant(name)));
		}
		return writes;
	}

	app.post(
		"/v1/apply",
		{
			config: { access: EVERYONE },
			schema: {
				description:
					"Creates and changes documents; answers when all connected nodes have switched to the new plan.",
				body: ApplyRequest,
				response: { 200: ApplyResponse, default: ErrorBody },
			},
		},
		async (request): Promise<ApplyResponse> => {
			const caller = callerOf(request);
			const { documents, dryRun, timeoutMs } = request.body;
			const next = (intent: Intent) => declare(intent, documents, caller);
			try {
				return dryRun
					? await tryOut(caller, next(reconciler.intent))
					: await carryOut(caller, next, timeoutMs);
			} catch (error) {
				if (!(error instanceof Fault) || error.code !== "node_refused")
					throw error;
				const { code, message, problems } = error;
				throw new Fault(code, message, locateRefusals(problems, documents));
			}
		},
	);

	for (const [path, kind] of Object.entries(kinds)) {
		app.delete(
			`/v1/${path as KindPath}/:name`,
			{
				config: { access: EVERYONE },
				schema: {
					params: Type.Object({ name: Type.String({ maxLength: 40 }) }),
					querystring: DeleteQuery,
					response: { 200: ApplyResponse, default: ErrorBody },
				},
			},
			async (request): Promise<ApplyResponse> => {
				const caller = callerOf(request);
				const next = (intent: Intent) =>
					withdraw(intent, kind, request.params.name, caller);
				return request.query.dryRun === true
					? tryOut(caller, next(reconciler.intent))
					: carryOut(caller, next);
			},
		);
	}
}

/** The audit log's line. */
function summary({ changes }: Declared): string {
	const done = changes.filter((change) => change.action !== "unchanged");
	const shown = done
		.slice(0, 10)
		.map(({ kind, name, action }) => `${action} ${kind} ${name}`)
		.join(", ");
	return done.length > 10 ? `${shown} and ${done.length - 10} more` : shown;
}
