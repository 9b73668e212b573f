/** Where a tenant's traffic enters and leaves, read off the nodes' interfaces. */
import type { Intent, TenantDocument } from "../model/intent.js";
import { overlaps, prefixRange, type Range } from "./prefix.js";
import type { PlanProblem } from "./problem.js";

export interface Places {
	readonly tenant: TenantDocument;
	readonly ranges: readonly Range[];
	/** Nodes with an access interface of the tenant, by name. */
	readonly access: readonly string[];
	/** Node where its connections leave; absent: see `problem`. */
	readonly exit?: string;
	/** The exit interface there is not the tenant's own. */
	readonly sharedExit: boolean;
	readonly problem?: PlanProblem;
}

export function placesOf(intent: Intent): Map<string, Places> {
	const nodes = [...intent.nodes.values()].sort((a, b) =>
		a.name < b.name ? -1 : 1,
	);
	const having = (tenant: string, role: "access" | "exit") =>
		nodes
			.filter((node) =>
				node.spec.interfaces.some(
					(port) =>
						port.role === role &&
						(port.tenant === tenant ||
							(role === "exit" && port.tenant === undefined)),
				),
			)
			.map((node) => node.name);
	const entries = [...intent.tenants.values()].map((tenant) => {
		const access = having(tenant.name, "access");
		const exits = having(tenant.name, "exit");
		const found = chooseExit(tenant, exits);
		const own = intent.nodes
			.get(found.exit ?? "")
			?.spec.interfaces.some(
				(port) => port.role === "exit" && port.tenant === tenant.name,
			);
		return {
			tenant,
			ranges: tenant.spec.subnets.map(prefixRange),
			access,
			sharedExit: !own,
			...found,
		};
	});
	return new Map(entries.map((places) => [places.tenant.name, places]));
}

function chooseExit(
	{ name, spec }: TenantDocument,
	exits: readonly string[],
): { exit?: string; problem?: PlanProblem } {
	const problem = (severity: "error" | "warning", cause: string) => ({
		problem: { severity, tenant: name, message: `tenant ${name}: ${cause}` },
	});
	if (spec.exit !== undefined) {
		return exits.includes(spec.exit)
			? { exit: spec.exit }
			: problem(
					"warning",
					`node ${spec.exit} has no exit interface that it may use, its chains drop (declare one there with role: exit, without a tenant or with tenant: ${name})`,
				);
	}
	const [only, ...more] = exits;
	if (only === undefined) {
		return problem(
			"warning",
			"no node has an exit interface that it may use, its chains drop (declare an interface with role: exit)",
		);
	}
	return more.length === 0
		? { exit: only }
		: problem(
				"error",
				`nodes ${exits.join(", ")} all have an exit interface for it (choose one with spec.exit)`,
			);
}

/** Pairs of tenants whose subnets overlap, each pair once in order of names. */
export function overlapping(
	tenants: Iterable<Places>,
): (readonly [Places, Places])[] {
	const all = [...tenants].sort((a, b) =>
		a.tenant.name < b.tenant.name ? -1 : 1,
	);
	/* Sorted by first address: only those that begin before one ends can meet. */
	const ranges = all
		.flatMap((places) => places.ranges.map((range) => ({ places, range })))
		.sort((a, b) => (a.range.first < b.range.first ? -1 : 1));
	const pairs = new Map<string, readonly [Places, Places]>();
	for (const [index, a] of ranges.entries()) {
		for (let next = index + 1; next < ranges.length; next++) {
			const b = ranges[next];
			if (!b || b.range.first > a.range.last) {
				break;
			}
			if (a.places !== b.places && overlaps([a.range], [b.range])) {
				const [x, y] =
					a.places.tenant.name < b.places.tenant.name
						? [a.places, b.places]
						: [b.places, a.places];
				pairs.set(`${x.tenant.name} ${y.tenant.name}`, [x, y]);
			}
		}
	}
	return [...pairs.values()];
}
