/** Where the package lies: tools run compiled, from dist/tools. */
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Whether the file `self` (import.meta.url) is the program that was started. */
export function isMain(self: string): boolean {
	return process.argv[1] === fileURLToPath(self);
}
