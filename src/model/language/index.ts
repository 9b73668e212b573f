/** The policy language: read, print and evaluate `match(predicate) >> action`. */
export * from "./ast.js";
export { evaluate } from "./evaluate.js";
export * from "./names.js";
export {
	type ParsedPredicate,
	type ParsedRule,
	parsePredicate,
	parseRule,
	RULE_LIMITS,
	type RulePlaces,
	type RuleProblem,
} from "./parser.js";
export { printAction, printPredicate, printRule } from "./printer.js";
