/** No chain: the node only routes. What is left is the cost of user and server. */
import { buildLab } from "../../lab/lab.js";
import { line } from "../../lab/topologies/line.js";
import { System } from "./system.js";

export class PlainRouting extends System {
	static async open(): Promise<PlainRouting> {
		return new PlainRouting(
			await buildLab(line(["node"], { forwarding: true })),
		).ready();
	}
}
