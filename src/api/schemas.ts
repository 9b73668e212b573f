/**
 * Every request and response of the HTTP API. The same schemas validate
 * requests, type the code on both sides and make the OpenAPI document.
 */
export * from "./schemas/changes.js";
export * from "./schemas/counters.js";
export * from "./schemas/documents.js";
export * from "./schemas/drain.js";
export * from "./schemas/errors.js";
export * from "./schemas/events.js";
export * from "./schemas/flows.js";
export * from "./schemas/invalidate.js";
export * from "./schemas/join.js";
export * from "./schemas/keys.js";
export * from "./schemas/nodes.js";
export * from "./schemas/paths.js";
export * from "./schemas/states.js";
export * from "./schemas/status.js";
export * from "./schemas/tokens.js";
export * from "./schemas/trace.js";
