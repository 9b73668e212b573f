/**
 * libbpf.so.1 through koffi: declarations, and what it logs. Functions that
 * return a number give the negative error number on failure.
 */
import * as koffi from "koffi";
import { KernelError } from "./error.js";

export type Pointer = bigint;
type Bytes = Uint8Array | null;

export interface Libbpf {
	readonly version: () => string;
	readonly cpus: () => number;
	readonly openFile: (path: string, options: null) => Pointer | null;
	readonly load: (object: Pointer) => number;
	readonly close: (object: Pointer) => void;
	readonly nextMap: (
		object: Pointer,
		previous: Pointer | null,
	) => Pointer | null;
	readonly nextProgram: (
		object: Pointer,
		previous: Pointer | null,
	) => Pointer | null;
	readonly mapName: (map: Pointer) => string;
	readonly mapFd: (map: Pointer) => number;
	readonly mapType: (map: Pointer) => number;
	readonly mapKeySize: (map: Pointer) => number;
	readonly mapValueSize: (map: Pointer) => number;
	readonly setMaxEntries: (map: Pointer, entries: number) => number;
	readonly pinPath: (map: Pointer) => string | null;
	readonly setPinPath: (map: Pointer, path: string | null) => number;
	readonly programName: (program: Pointer) => string;
	readonly programFd: (program: Pointer) => number;
	readonly setAutoload: (program: Pointer, autoload: boolean) => number;
	readonly lookup: (fd: number, key: Bytes, value: Bytes) => number;
	readonly update: (
		fd: number,
		key: Bytes,
		value: Bytes,
		flags: number,
	) => number;
	readonly remove: (fd: number, key: Bytes) => number;
	readonly nextKey: (fd: number, key: Bytes, next: Bytes) => number;
	readonly lookupBatch: (
		fd: number,
		from: Bytes,
		to: Bytes,
		keys: Bytes,
		values: Bytes,
		count: Uint32Array,
		options: null,
	) => number;
	readonly updateBatch: (
		fd: number,
		keys: Bytes,
		values: Bytes,
		count: Uint32Array,
		options: null,
	) => number;
	readonly deleteBatch: (
		fd: number,
		keys: Bytes,
		count: Uint32Array,
		options: null,
	) => number;
	readonly createMap: (
		type: number,
		name: string,
		keySize: number,
		valueSize: number,
		entries: number,
		options: Bytes,
	) => number;
	readonly loadProgram: (
		type: number,
		name: string,
		license: string,
		instructions: Bytes,
		count: number,
		options: null,
	) => number;
	readonly pin: (fd: number, path: string) => number;
	readonly getPinned: (path: string) => number;
	readonly info: (fd: number, info: Bytes, size: Uint32Array) => number;
	readonly programById: (id: number) => number;
	readonly createLink: (
		program: number,
		target: number,
		attachType: number,
		options: null,
	) => number;
	readonly updateLink: (link: number, program: number, options: null) => number;
	readonly detachLink: (link: number) => number;
	readonly testRun: (program: number, options: Bytes) => number;
	readonly hookCreate: (hook: Bytes) => number;
	readonly tcAttach: (hook: Bytes, options: Bytes) => number;
	readonly tcDetach: (hook: Bytes, options: Bytes) => number;
	readonly tcQuery: (hook: Bytes, options: Bytes) => number;
	readonly ringNew: (
		fd: number,
		sample: Pointer,
		context: null,
		options: null,
	) => Pointer | null;
	readonly ringFree: (ring: Pointer) => void;
	readonly ringFd: (ring: Pointer) => number;
	readonly ringConsume: (ring: Pointer) => number;
}

const SIGNATURES: Record<keyof Libbpf, string> = {
	version: "const char *libbpf_version_string()",
	cpus: "int libbpf_num_possible_cpus()",
	openFile: "void *bpf_object__open_file(const char *path, void *opts)",
	load: "int bpf_object__load(void *obj)",
	close: "void bpf_object__close(void *obj)",
	nextMap: "void *bpf_object__next_map(void *obj, void *map)",
	nextProgram: "void *bpf_object__next_program(void *obj, void *prog)",
	mapName: "const char *bpf_map__name(void *map)",
	mapFd: "int bpf_map__fd(void *map)",
	mapType: "int bpf_map__type(void *map)",
	mapKeySize: "uint32_t bpf_map__key_size(void *map)",
	mapValueSize: "uint32_t bpf_map__value_size(void *map)",
	setMaxEntries: "int bpf_map__set_max_entries(void *map, uint32_t n)",
	pinPath: "const char *bpf_map__pin_path(void *map)",
	setPinPath: "int bpf_map__set_pin_path(void *map, const char *path)",
	programName: "const char *bpf_program__name(void *prog)",
	programFd: "int bpf_program__fd(void *prog)",
	setAutoload: "int bpf_program__set_autoload(void *prog, bool on)",
	lookup: "int bpf_map_lookup_elem(int fd, void *key, void *value)",
	update:
		"int bpf_map_update_elem(int fd, void *key, void *value, uint64_t flags)",
	remove: "int bpf_map_delete_elem(int fd, void *key)",
	nextKey: "int bpf_map_get_next_key(int fd, void *key, void *next)",
	lookupBatch:
		"int bpf_map_lookup_batch(int fd, void *from, void *to, void *keys, void *values, void *count, void *opts)",
	updateBatch:
		"int bpf_map_update_batch(int fd, void *keys, void *values, void *count, void *opts)",
	deleteBatch:
		"int bpf_map_delete_batch(int fd, void *keys, void *count, void *opts)",
	createMap:
		"int bpf_map_create(int type, const char *name, uint32_t key, uint32_t value, uint32_t entries, void *opts)",
	loadProgram:
		"int bpf_prog_load(int type, const char *name, const char *license, void *insns, size_t count, void *opts)",
	pin: "int bpf_obj_pin(int fd, const char *path)",
	getPinned: "int bpf_obj_get(const char *path)",
	info: "int bpf_obj_get_info_by_fd(int fd, void *info, void *len)",
	programById: "int bpf_prog_get_fd_by_id(uint32_t id)",
	createLink: "int bpf_link_create(int prog, int target, int type, void *opts)",
	updateLink: "int bpf_link_update(int link, int prog, void *opts)",
	detachLink: "int bpf_link_detach(int link)",
	testRun: "int bpf_prog_test_run_opts(int prog, void *opts)",
	hookCreate: "int bpf_tc_hook_create(void *hook)",
	tcAttach: "int bpf_tc_attach(void *hook, void *opts)",
	tcDetach: "int bpf_tc_detach(void *hook, void *opts)",
	tcQuery: "int bpf_tc_query(void *hook, void *opts)",
	ringNew:
		"void *ring_buffer__new(int fd, void *sample, void *ctx, void *opts)",
	ringFree: "void ring_buffer__free(void *ring)",
	ringFd: "int ring_buffer__epoll_fd(void *ring)",
	ringConsume: "int ring_buffer__consume(void *ring)",
};

const LOG_LINES = 400;
const MESSAGE_BYTES = 1 << 20;

let loaded: Libbpf | undefined;
let logged: string[] = [];

/** The library, loaded at first use; its log goes to takeLog(). */
export function libbpf(): Libbpf {
	loaded ??= open();
	return loaded;
}

/** What libbpf and the verifier said since the last call, one line an element. */
export function takeLog(): string[] {
	const lines = logged;
	logged = [];
	return lines;
}

function open(): Libbpf {
	const library = loadLibrary();
	collectLog(library);
	const entries = Object.entries(SIGNATURES).map(([name, signature]) => [
		name,
		library.func(signature),
	]);
	return Object.fromEntries(entries) as Libbpf;
}

function loadLibrary(): koffi.LibraryHandle {
	try {
		return koffi.load("libbpf.so.1");
	} catch (error) {
		const cause = error instanceof Error ? error.message : String(error);
		throw new KernelError("load libbpf.so.1", cause, "apt-get install libbpf1");
	}
}

/** va_list is passed by reference on every 64-bit Linux ABI we run on. */
function collectLog(library: koffi.LibraryHandle): void {
	const vsnprintf = koffi
		.load(null)
		.func(
			"int vsnprintf(void *to, size_t size, const char *format, void *args)",
		);
	/* Pages of it are only taken when a message is that long. */
	const message = Buffer.allocUnsafeSlow(MESSAGE_BYTES);
	const print = koffi.proto(
		"int libbpf_print(int level, void *format, void *args)",
	);
	const collect = (level: number, format: Pointer, args: Pointer): number => {
		const DEBUG = 2;
		if (level >= DEBUG) return 0;
		const length: number = vsnprintf(
			message,
			MESSAGE_BYTES,
			koffi.decode.string(format),
			args,
		);
		const text = message.toString(
			"utf8",
			0,
			Math.min(length, MESSAGE_BYTES - 1),
		);
		logged.push(...text.split("\n").filter((line) => line !== ""));
		if (logged.length > LOG_LINES) logged = logged.slice(-LOG_LINES);
		return length;
	};
	library.func("void *libbpf_set_print(void *print)")(
		koffi.register(collect, koffi.pointer(print)),
	);
}
