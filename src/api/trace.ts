import type { FlowFilter } from "../plan/protocol.js";
import type { Context } from "./context.js";
import type { TraceRequest, TraceResponse } from "./schemas.js";
export function tracePacket(
	_c: Context,
	_p: TraceRequest,
	_t: string | undefined,
): TraceResponse {
	throw new Error("soon");
}
export function flowFilterOf(p: TraceRequest, limit: number): FlowFilter {
	return { tenant: p.tenant, limit };
}
