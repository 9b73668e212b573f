/**
 * An authentication centre inside a lab host: told what to do a line of JSON at a
 * time, it says so when it is done.
 */
import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import { localAuthority } from "../src/controller/auc/local.js";
import { AucService } from "../src/controller/auc/service.js";
import { ALGORITHMS } from "../src/keys/sa.js";
import { Secret } from "../src/keys/secret.js";
import { TUNING } from "../src/keys/tuning.js";
import type { AucOrder, AucProgramOptions } from "./auc.js";

const lines = createInterface(process.stdin)[Symbol.asyncIterator]();
const next = async (): Promise<string | undefined> =>
	(await lines.next()).value as string | undefined;

const { directory, host } = JSON.parse(
	(await next()) ?? "",
) as AucProgramOptions;
/** Keys in the order in which they were drawn, and what SAs were issued. */
const drawn: string[] = [];
const issued: number[] = [];
/** Of keys that encrypt; nothing else that is drawn is as long. */
const KEY_BYTES = Object.values(ALGORITHMS)
	.filter(({ salt }) => salt > 0)
	.map(({ key, salt }) => key + salt);
const service = await AucService.start({
	directory,
	host,
	tuning: TUNING,
	random: (size) => {
		const bytes = randomBytes(size);
		if (KEY_BYTES.includes(size)) drawn.push(bytes.toString("hex"));
		return bytes;
	},
	log: (line) => console.error(line),
});
const centre = localAuthority(service, host);
centre.follow((record) => {
	if (record.what === "issue") issued.push(record.spi);
});
console.log("ready");

for (let line = await next(); line !== undefined; line = await next()) {
	const { id, ...order } = JSON.parse(line) as AucOrder & { id: number };
	void perform(order as AucOrder).then((answer) =>
		console.log(`${JSON.stringify({ id, answer })}`),
	);
}

async function perform(order: AucOrder): Promise<unknown> {
	switch (order.do) {
		case "enrol":
			return centre.configure(
				order.node,
				new Secret(Buffer.from(order.key, "base64")),
			);
		case "declare":
			return centre.declare(order.links);
		case "ready":
			return (await centre.ready(order.links, order.timeoutMs)).length;
		case "rekey":
			return centre.rekey({ node: order.node });
		case "revoke":
			return centre.revoke({ node: order.node }, "lab");
		case "keys":
			return issued.map((spi, i) => ({ spi, key: drawn[i] ?? "" }));
		case "status":
			return centre.status();
	}
}
