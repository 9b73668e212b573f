/** An agent without a controller as a process of its own, to be killed by a test. */
import { startAgent } from "../../src/main/agent.js";

const options = JSON.parse(process.argv[2] ?? "{}");
await startAgent({
	...options,
	version: "test",
	log: (line: string) => console.log(line),
});
console.log("ready");
