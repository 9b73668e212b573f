/** The door of the EF's process: whom it lets in, what it tells, who takes it over. */
import assert from "node:assert/strict";
import { EventEmitter, on, once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { Control } from "./control.js";
import type { EfReport, EfRequest } from "./report.js";
import { EfWatch } from "./watch.js";

describe("door of an encryption function", () => {
	const directory = mkdtempSync(join(tmpdir(), "chainmail-control-"));
	const path = join(directory, "control.sock");
	const doors: Control[] = [];
	const watches: EfWatch[] = [];
	after(() => {
		for (const watch of watches) watch.close();
		for (const door of doors) door.close();
		rmSync(directory, { recursive: true });
	});
	const told = new EventEmitter();
	/** What the watch is told, some time from now on. */
	const heard = async (problem: string): Promise<void> => {
		const signal = AbortSignal.timeout(10_000);
		for await (const [one] of on(told, "report", { signal }))
			if (one === problem) return;
	};
	const report = (problem: string) => ({ problem }) as EfReport;
	const open = async (
		problem: () => string,
		onRequest: (request: EfRequest) => void,
	): Promise<Control> => {
		const door = await Control.open({
			path,
			report: () => report(problem()),
			onRequest,
		});
		doors.push(door);
		return door;
	};

	it("tells at once and at changes, and is asked; for its owner alone", async () => {
		/* What is left of a process that was killed. */
		writeFileSync(path, "");
		let problem = "one";
		let asked: (request: EfRequest) => void = () => {};
		const request = new Promise<EfRequest>((resolve) => {
			asked = resolve;
		});
		const door = await open(
			() => problem,
			(one) => asked(one),
		);
		assert.equal(statSync(path).mode & 0o777, 0o600);
		const watch = new EfWatch(path, (one) => told.emit("report", one?.problem));
		watches.push(watch);
		assert.equal(await request, "reload");
		problem = "two";
		door.tell();
		await heard("two");
		assert.equal(watch.report?.problem, "two");
	});

	it("is taken over: the one before gives up, and whoever listens finds the next", async () => {
		const before = doors[0];
		const [watch] = watches;
		assert.ok(before && watch);
		before.close();
		const requests: EfRequest[] = [];
		let second: Control | undefined;
		second = await open(
			() => "second",
			(one) => {
				requests.push(one);
				if (one === "end") second?.close();
			},
		);
		await open(
			() => "third",
			() => {},
		);
		assert.equal(requests.at(-1), "end");
		await heard("third");
	});

	it("outlives whoever is killed while he is told", async () => {
		doors.at(-1)?.close();
		await open(
			() => "long".repeat(1 << 18),
			() => {},
		);
		const killed = connect(path);
		await once(killed, "readable");
		/* More than he has read is waiting: the other end is told of a reset. */
		killed.destroy();
		const next = connect(path);
		await once(next, "data");
		next.destroy();
	});

	it("does not take over from one that stays", async () => {
		const other = join(directory, "stays.sock");
		const server = createServer(() => {}).listen(other);
		await once(server, "listening");
		await assert.rejects(
			Control.open({ path: other, report: () => undefined, onRequest() {} }),
			/another process has it/,
		);
		server.close();
	});
});
