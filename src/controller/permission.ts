/** What a caller may declare: staff all, a tenant policies of its own below the operators'. */
import type {
	FunctionDocument,
	Intent,
	IntentDocument,
	Kind,
} from "../model/intent.js";
import { Fault } from "./fault.js";
import type { Identity } from "./tokens.js";

/**
 * Largest priority of a tenant's policies. Those above are the operators', so
 * that what they declare for all tenants can stand before any tenant's own.
 */
export const TENANT_PRIORITY_MAX = 29_999;

/** Throws Fault forbidden where the caller may not put this document in. */
export function mayDeclare(
	caller: Identity,
	document: IntentDocument,
	intent: Intent,
): void {
	if (caller.tenant === undefined) return;
	const { kind, name } = document;
	if (kind !== "Policy") throw policiesOnly(kind, name);
	const { tenant, priority = 0 } = document.spec;
	if (tenant !== caller.tenant) {
		throw refused(
			kind,
			name,
			`the policy must say \`tenant: ${caller.tenant}\` (add it to its spec)`,
		);
	}
	if (priority > TENANT_PRIORITY_MAX) {
		throw refused(
			kind,
			name,
			`priority ${priority} is for operators (a tenant's policies have 0 to ${TENANT_PRIORITY_MAX})`,
		);
	}
	const known = intent.policies.get(name);
	if (known && known.spec.tenant !== caller.tenant) {
		throw refused(kind, name, "the name is taken (choose another)");
	}
	mayTouch(caller, kind, name, intent);
}

/** Throws Fault forbidden where the caller may not change or delete what has that name. */
export function mayTouch(
	caller: Identity,
	kind: Kind,
	name: string,
	intent: Intent,
): void {
	if (caller.tenant === undefined) return;
	if (kind !== "Policy") throw policiesOnly(kind, name);
	const { priority = 0 } = intent.policies.get(name)?.spec ?? {};
	if (priority > TENANT_PRIORITY_MAX) {
		throw refused(
			kind,
			name,
			`it is an operator's, by its priority ${priority} (ask one)`,
		);
	}
}

/** Whether the caller may act on a function's instances: staff, or its only tenant. */
export function owns(caller: Identity, { spec }: FunctionDocument): boolean {
	if (caller.tenant === undefined) return true;
	return spec.tenants?.length === 1 && spec.tenants[0] === caller.tenant;
}

function policiesOnly(kind: Kind, name: string): Fault {
	return refused(
		kind,
		name,
		"a tenant may change policies only (ask an operator)",
	);
}

function refused(kind: Kind, name: string, cause: string): Fault {
	return new Fault("forbidden", `change ${kind} ${name}: ${cause}`);
}
