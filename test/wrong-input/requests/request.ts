/**
 * What a row about the API is: a request to the network in
 * src/main/testing/network.ts, and the error it is answered with. The place
 * is a JSON pointer into the body, the query or the path's parameters.
 */
import type { WrongInput } from "../row.js";

export interface Request {
	readonly method: "GET" | "POST" | "DELETE";
	readonly path: string;
	readonly body?: unknown;
	/** A body as it stands, instead of JSON of `body`. */
	readonly raw?: string;
	/** A token of role tenant, for that tenant, instead of an admin's. */
	readonly tenant?: string;
}

/** Runner: ../api.test.ts. */
export interface WrongRequest extends WrongInput<Request> {
	/** Of the error registry. */
	readonly code: string;
}

/** Hint of every request that does not fit its schema. */
export const SEE_OPENAPI = "Compare with GET /openapi.json.";

export const get = (path: string): Request => ({ method: "GET", path });
export const remove = (path: string): Request => ({ method: "DELETE", path });
export const post = (path: string, body: unknown): Request => ({
	method: "POST",
	path,
	body,
});
export const applyAs = (
	tenant: string,
	...documents: readonly unknown[]
): Request => ({ ...apply(...documents), tenant });
export const apply = (...documents: readonly unknown[]): Request =>
	post("/v1/apply", { documents });
