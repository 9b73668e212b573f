/** Owner of a lab with programs in it, to be killed by a test. Prints its run. */
import { buildLab } from "../../lab/lab.js";
import { pair } from "../../lab/topologies/pair.js";
import { startCapture } from "../../lab/traffic/capture.js";

const lab = await buildLab(pair);
const client = lab.host("client");
const log = `/tmp/chainmail-${lab.run}.log`;
lab.removeWithLab(log);
await startCapture(client, "lo");
await client.startDetached(["sleep", "1000"], log, /(?:)/);
console.log(lab.run);
setInterval(() => {}, 1000);
