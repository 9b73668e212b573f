/**
 * An encryption function from the command line, inside a lab host: told what to
 * do by one line on its input, it encrypts until a signal ends it.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { UserspaceEngine } from "../src/functions/ef/userspace.js";
import { parseMac } from "../src/wire/address.js";
import type { EfProgramOptions, EfProgramSide, LabSa } from "./ef.js";

const TUNNEL = { src: "192.0.2.1", dst: "192.0.2.2" };

const [line] = (await once(createInterface(process.stdin), "line")) as string[];
const { inside, outside, sas } = JSON.parse(line ?? "") as EfProgramOptions;
const engine = await UserspaceEngine.open({
	inside: side(inside),
	outside: side(outside),
	onEvent: (event) => console.error(JSON.stringify(event)),
	onFailure: (error) => {
		console.error(error);
		process.exit(1);
	},
});
for (const sa of sas) await engine.install(spec(sa));
console.log("ready");
await Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
await engine.close();
process.exit();

function side({ src, dst, ...rest }: EfProgramSide) {
	return { ...rest, src: parseMac(src), dst: parseMac(dst) };
}

function spec({ direction, spi, key, salt }: LabSa) {
	return {
		direction,
		transform: "esp" as const,
		spi,
		key: new Uint8Array(Buffer.from(key, "hex")),
		salt: new Uint8Array(Buffer.from(salt, "hex")),
		tunnel: TUNNEL,
		extended: true,
		path: 0,
	};
}
