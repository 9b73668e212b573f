/** Which tenants use which functions, and which of them must not. */
import type { FunctionDocument, Intent } from "../model/intent.js";
import { overlapping, type Places } from "./places.js";
import type { Ports } from "./ports.js";
import type { PlanProblem } from "./problem.js";

export class Usage {
	/** Tenants by function, in order of names. */
	readonly tenants: ReadonlyMap<string, readonly string[]>;
	readonly problems: PlanProblem[] = [];
	/** For the memory: how each function in use is attached. */
	readonly attached: Readonly<Record<string, string>>;
	readonly #refused = new Set<string>();

	constructor(
		intent: Intent,
		places: ReadonlyMap<string, Places>,
		uses: ReadonlyMap<string, ReadonlySet<string>>,
		before: Readonly<Record<string, string>>,
	) {
		this.tenants = new Map(
			[...uses].map(([name, tenants]) => [name, [...tenants].sort()]),
		);
		this.attached = Object.fromEntries(
			[...uses.keys()].flatMap((name) => {
				const attach = before[name] ?? intent.functions.get(name)?.spec.attach;
				return attach === undefined ? [] : [[name, attach]];
			}),
		);
		const pairs = overlapping(places.values());
		for (const [name, tenants] of this.tenants) {
			const spec = intent.functions.get(name)?.spec;
			const was = before[name];
			if (spec && was !== undefined && was !== spec.attach) {
				this.#refuse(
					name,
					tenants,
					`attach cannot change from ${was} to ${spec.attach} while policies use it (declare a new function, and let the policies name it)`,
				);
			}
			for (const tenant of tenants) {
				if (spec?.tenants && !spec.tenants.includes(tenant)) {
					this.#refuse(
						name,
						[tenant],
						`tenant ${tenant} may not use it (add it to spec.tenants, or give the policy a tenant)`,
					);
				}
			}
			for (const [a, b] of pairs) {
				const both = [a.tenant.name, b.tenant.name];
				if (both.every((tenant) => tenants.includes(tenant))) {
					this.#refuse(
						name,
						both,
						`tenants ${both.join(" and ")} have overlapping subnets and cannot share it (declare a function for each)`,
					);
				}
			}
			if (spec?.runtime === "external" && tenants.length > 1) {
				this.#refuse(
					name,
					tenants,
					`external instances have one pair of interfaces, but tenants ${tenants.join(", ")} use it (declare a function for each)`,
				);
			}
		}
	}

	/** Ports stay while a policy names the function, also while it is down. */
	openPorts(intent: Intent, ports: Ports): void {
		for (const [name, tenants] of this.tenants) {
			const instances = intent.functions.get(name)?.spec.instances ?? [];
			for (const { name: instance, node } of instances) {
				for (const tenant of intent.nodes.has(node) ? tenants : []) {
					ports.forTenant({ function: name, instance, node }, tenant);
				}
			}
		}
	}

	/** The tenant's packets must not go through the function. */
	isRefused(tenant: string, { name }: FunctionDocument): boolean {
		return this.#refused.has(`${tenant} ${name}`);
	}

	#refuse(name: string, tenants: readonly string[], cause: string): void {
		for (const tenant of tenants) {
			this.#refused.add(`${tenant} ${name}`);
		}
		this.problems.push({
			severity: "error",
			function: name,
			message: `function ${name}: ${cause}`,
		});
	}
}
