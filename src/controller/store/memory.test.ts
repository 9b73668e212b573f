import { conforms } from "./conformance.js";
import { memoryStore } from "./memory.js";

conforms("memory", async (now) => memoryStore(now));
