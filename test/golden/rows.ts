/**
 * Golden rows: a frame in, the verdict, the frame out, the reason it was
 * dropped. test/bpf runs them; the benchmark of programs times some of them.
 */
import { answers } from "./answers.js";
import { classifier } from "./classifier.js";
import { headers } from "./headers.js";
import { plain } from "./plain.js";
import { ports } from "./ports.js";
import type { Row } from "./row.js";
import { sealed } from "./sealed.js";
import { tunnels } from "./tunnels.js";

export const rows: readonly Row[] = [
	...classifier,
	...headers,
	...ports,
	...answers,
	...tunnels,
	...sealed,
	...plain,
];
