/** Turns whatever goes wrong in a request into the one error body. */
import type {
	FastifyBaseLogger,
	FastifyError,
	FastifySchemaValidationError,
} from "fastify";

import { Fault, type FaultCode, type Problem } from "../controller/fault.js";
import { NAME, NAME_RULE } from "../model/terms.js";
import { errors } from "./errors.js";
import type { ErrorBody } from "./schemas.js";

export interface Failure {
	readonly status: number;
	readonly body: ErrorBody;
}

export function failureOf(
	error: unknown,
	logger: Pick<FastifyBaseLogger, "error">,
): Failure {
	if (error instanceof Fault) {
		return failure(error.code, error.message, error.problems);
	}
	const { code, statusCode, validation, validationContext, message } =
		error as FastifyError;
	if (validation) {
		const where = validationContext ?? "request";
		return failure(
			"invalid_request",
			`${where}: does not fit the schema (see the problems)`,
			problemsOf(validation),
		);
	}
	if (code === "FST_ERR_CTP_BODY_TOO_LARGE") {
		return failure(
			"body_too_large",
			"request: the body is too large (apply fewer documents at a time)",
		);
	}
	if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
		return failure(
			"invalid_request",
			`request: ${message} (send JSON as application/json)`,
		);
	}
	logger.error({ err: error }, "request failed");
	// The cause may hold what the caller must not see: it stays in the log.
	return failure("internal", "request: the controller failed (see its log)");
}

export function failure(
	code: FaultCode,
	message: string,
	problems: readonly Problem[] = [],
): Failure {
	const { status, hint } = errors[code];
	return {
		status,
		body: { error: { code, message, hint, problems: [...problems] } },
	};
}

/** TypeBox tells an unknown key twice: at its object, and as "schema is false". */
function problemsOf(items: readonly FastifySchemaValidationError[]): Problem[] {
	return items
		.filter((item) => item.keyword !== "additionalProperties")
		.map(({ keyword, instancePath, message, params }) => ({
			message:
				keyword === "boolean"
					? `unknown key \`${instancePath.split("/").at(-1)}\``
					: params.pattern === NAME
						? `must be ${NAME_RULE}`
						: (message ?? keyword),
			pointer: instancePath,
		}));
}
