/** eBPF from TypeScript: what the rest of Chainmail imports of it. */
export {
	type Codec,
	encode,
	type MapDefinition,
	type RingDefinition,
} from "./codec.js";
export { KernelError } from "./error.js";
export { programInfo } from "./info.js";
export * from "./layout.gen.js";
export { BpfMap, createMap } from "./map.js";
export { BpfObject, type OpenOptions, type Program } from "./object.js";
export { RingReader } from "./ring.js";
export {
	type TestContext,
	type TestOptions,
	type TestResult,
	testRun,
} from "./test-run.js";
