/** chainmail function: acts on functions that run. A subcommand a file. */
import type { Command } from "commander";
import { registerDrain } from "./drain.js";
import { registerInvalidate } from "./invalidate.js";
import type { Services } from "./session.js";

const verbs = [registerInvalidate, registerDrain];

export function registerFunction(program: Command, services: Services): void {
	const group = program
		.command("function")
		.summary("make functions forget what they said, or lead flows away")
		.description("Acts on functions and their instances while they run.");
	for (const register of verbs) register(group, services);
}
