/**
 * What a node is believed. Messages have their form already (messages.ts); a
 * node that was taken over may still claim what is not its own to say.
 */
import type { Intent } from "../model/intent.js";
import type { AgentMessage } from "../plan/protocol.js";
import type { States } from "../plan/transition.js";
import { KEY_EVENTS } from "./auc/ledger.js";

/**
 * Revisions a node may be ahead of all that was sent: so many changes may have
 * been lost with a store that was restored from a copy.
 */
export const MOST_AHEAD = 10_000;

/** Kinds of events that the controller alone may tell: who changed what. */
const AUDITED: ReadonlySet<string> = new Set([
	"abort",
	"change",
	"connected",
	"disconnected",
	"error",
	"invalidate",
	"join",
	...KEY_EVENTS,
	"protocol",
	"refused",
	"revoke",
	"token",
]);

/** What was sent, as delivery.ts keeps it. */
interface Sent {
	readonly desired: States;
	readonly revision: number;
}

/**
 * The message without what concerns other nodes' instances, or tenants this
 * node does not serve. Throws where the node claims a revision it cannot have.
 */
export function believe(
	node: string,
	message: AgentMessage,
	sent: Sent,
	intent: Intent,
): AgentMessage {
	switch (message.type) {
		case "hello":
			if (message.revision > sent.revision + MOST_AHEAD) {
				throw new Error(
					`node ${node} says that it runs revision ${message.revision}, the newest is ${sent.revision} (was it another controller's? end its agent, run \`chainmail agent --purge\`, and join it again)`,
				);
			}
			return message;
		case "ack":
		case "refuse": {
			const newest = sent.desired.get(node)?.revision ?? sent.revision;
			if (message.revision > newest) {
				throw new Error(
					`node ${node} answers to revision ${message.revision}, the newest it was sent is ${newest}`,
				);
			}
			return message;
		}
		case "status":
			return {
				...message,
				instances: message.instances.filter((one) =>
					intent.functions
						.get(one.function)
						?.spec.instances.some(
							({ name, node: at }) => name === one.instance && at === node,
						),
				),
			};
		case "event": {
			const { tenant, ...rest } = message;
			const kind = AUDITED.has(message.kind) ? "event" : message.kind;
			const serves = sent.desired
				.get(node)
				?.tenants.some(({ name }) => name === tenant);
			return serves && tenant !== undefined
				? { ...rest, kind, tenant }
				: { ...rest, kind };
		}
		default:
			return message;
	}
}
