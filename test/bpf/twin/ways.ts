/** The way of a packet, in words that kernel and twin share. */
import type { TraceStep } from "../../../src/plan/twin/steps.js";

export type Way = readonly string[];

type Number = number | undefined;

export const flowIs = (node: string, spi: number | string) =>
	`${node} chooses ${spi}`;
export const given = (
	node: string,
	port: number,
	spi: Number,
	si: Number,
	ttl: Number,
) => `${node} gives to port ${port} at ${spi}/${si}${ttlOf(ttl)}`;
export const wired = (
	node: string,
	to: string,
	spi: Number,
	si: Number,
	ttl: Number,
) => `${node} sends to ${to} at ${spi}/${si}${ttlOf(ttl)}`;
const ttlOf = (ttl: Number) => (ttl === undefined ? "" : ` ttl ${ttl}`);
export const exits = (node: string, name: string) => `${node} exits by ${name}`;
export const passed = (node: string) => `${node} passes`;
export const dropped = (node: string, reason: string) =>
	`${node} drops: ${reason}`;

/** What the twin's steps come to. */
export function wayOf(steps: readonly TraceStep[]): Way {
	/* A packet with another tuple is not known to be older: its TTL starts anew. */
	let translated = false;
	return steps.flatMap((step): string[] => {
		const ttl = "ttl" in step && !translated ? step.ttl : undefined;
		switch (step.kind) {
			case "port":
				translated ||= step.function === "nat";
				return [given(step.node, step.port, step.spi, step.si, ttl)];
			case "encapsulate":
				return [wired(step.node, step.to, step.spi, step.si, ttl)];
			case "exit":
			case "pass":
				return [exits(step.node, step.interface)];
			case "drop":
				return [dropped(step.node, step.reason)];
			default:
				return [];
		}
	});
}

/** What the flow table must say afterwards; undefined where nothing is entered. */
export function choiceOf(steps: readonly TraceStep[]): string | undefined {
	for (const step of steps) {
		if (step.kind === "flow" || step.kind === "path")
			return flowIs(step.node, step.spi);
		if (step.kind === "rule" && step.action !== "chain")
			return flowIs(step.node, step.action);
		if (step.kind === "default" && step.action === "forward")
			return flowIs(step.node, "pass");
	}
	return undefined;
}
