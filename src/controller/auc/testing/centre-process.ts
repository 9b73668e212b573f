/** A centre that a test may kill: `centre-process.js DIRECTORY PORT`, by fork(). */
import { localAuthority } from "../local.js";
import { AucService } from "../service.js";
import { FAST } from "./test-ef.js";

const [directory = "", port = "0"] = process.argv.slice(2);
const service = await AucService.start({
	directory,
	port: Number(port),
	tuning: FAST,
	log: (line) => console.error(line),
});
/* Its parent is gone. */
process.on("disconnect", () => process.exit());
process.on("message", ({ rekey }: { rekey: number }) => {
	void localAuthority(service).rekey({ eSpi: rekey });
});
process.send?.("runs");
