/**
 * The example of three providers, on real traffic: mail is sealed across B, video
 * is inspected there. Captured at B, decrypted by tshark, searched byte by byte.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { LabAuc } from "../../lab/auc.js";
import { Fleet } from "../../lab/fleet.js";
import { buildLab, type Lab } from "../../lab/lab.js";
import { ispAddresses as at, isp } from "../../lab/topologies/isp.js";
import { decodeFile } from "../../lab/traffic/capture.js";
import { Datagrams } from "../../lab/traffic/datagrams.js";
import { curl, startHttpServer } from "../../lab/traffic/http.js";
import { loadDocuments } from "../../src/model/load.js";
import { intentOf } from "../../src/plan/fixtures.js";
import { type DecodedPacket, layerOf } from "../../src/wire/decode.js";
import { IpProto } from "../../src/wire/ipv4.js";
import { decrypted, espOnly, Recording } from "./sealed-wires.js";

const EXAMPLE = fileURLToPath(
	new URL("../../../examples/isp.yaml", import.meta.url),
);
const MAIL_PORT = 25;
const VIDEO_PORT = 5004;
/** Every underlay interface of the three, and what is on it. */
const WIRES = [
	["isp-a", "up"],
	["isp-b", "west"],
	["isp-b", "east"],
	["isp-c", "up"],
] as const;

describe("three providers", () => {
	const mail = `mail-${randomBytes(16).toString("hex")}`;
	const video = Buffer.from(`video-${randomBytes(16).toString("hex")}`);
	let lab: Lab;
	let auc: LabAuc;
	let fleet: Fleet;
	let wires: Recording[] = [];

	before(async () => {
		lab = await buildLab(isp);
		auc = await LabAuc.start({
			lab,
			host: "controller",
			address: at.controller,
		});
		fleet = await Fleet.open(lab, intentOfExample(), auc);
		await auc.ready();
		wires = await Promise.all(
			WIRES.map(([node, name]) => Recording.start(lab.host(node), name)),
		);
	});
	after(async () => {
		for (const wire of wires) wire.remove();
		await fleet?.destroy();
		await lab?.destroy();
	});

	it("carries mail and video", async () => {
		await startHttpServer(lab.host("server"), at.server, MAIL_PORT);
		const { status } = await curl(
			lab.host("user"),
			`http://${at.server}:${MAIL_PORT}/${mail}`,
		);
		assert.equal(status, 200);
		const user = await Datagrams.open(lab.host("user"), at.user, VIDEO_PORT);
		const server = await Datagrams.open(
			lab.host("server"),
			at.server,
			VIDEO_PORT,
		);
		user.send(video, at.server, VIDEO_PORT);
		assert.deepEqual((await server.next()).data, video);
		server.send(video, at.user, VIDEO_PORT);
		assert.deepEqual((await user.next()).data, video);
	});

	it("shows B the mail as ESP, and video as it is", async () => {
		for (const wire of wires) await wire.stop();
		for (const wire of wires.filter(({ host }) => host.name === "isp-b")) {
			const packets = decodeFile(wire.file);
			assert.ok(packets.some(isEsp), `${wire.name}: no ESP`);
			const plain = packets.filter((one) => !isEsp(one) && carriesUser(one));
			assert.ok(plain.length > 0, `${wire.name}: no video`);
			for (const one of plain) assert.equal(portOf(one), VIDEO_PORT);
		}
	});

	it("leaves no byte of the mail on any wire between the providers", () => {
		for (const { file, name, host } of wires) {
			const bytes = readFileSync(file);
			assert.ok(bytes.length > 1000, `${host.name}:${name} is empty`);
			assert.equal(bytes.indexOf(mail), -1, `${host.name}:${name}`);
			if (host.name === "isp-b")
				assert.notEqual(bytes.indexOf(video), -1, `${host.name}:${name}`);
		}
	});

	it("is what tshark finds with the keys", async () => {
		const keys = await auc.keys();
		const west = wires.find(({ name }) => name === "west");
		assert.ok(west);
		const esp = espOnly(west.file);
		try {
			assert.ok(decrypted(esp, keys).includes(mail));
			const others = keys.map(({ spi, key }) => ({
				spi,
				key: key.replace(/^../, (byte) => (byte === "00" ? "01" : "00")),
			}));
			assert.ok(!decrypted(esp, others).includes(mail));
		} finally {
			rmSync(esp, { force: true });
		}
	});
});

function isEsp(packet: DecodedPacket): boolean {
	return packet.layers.some(
		(layer) => layer.kind === "ipv4" && layer.header.proto === IpProto.esp,
	);
}

/** Not what hosts and encryption functions say among themselves. */
function carriesUser(packet: DecodedPacket): boolean {
	return packet.layers.some(
		(layer) =>
			layer.kind === "ipv4" &&
			[layer.header.src, layer.header.dst].includes(at.user),
	);
}

function portOf(packet: DecodedPacket): number | undefined {
	const inner = packet.layers.findLast(({ kind }) => kind === "udp");
	return inner?.kind === "udp"
		? inner.header.dport
		: layerOf(packet, "tcp")?.dport;
}

function intentOfExample() {
	const text = readFileSync(EXAMPLE, "utf8");
	const { documents, problems } = loadDocuments([{ name: EXAMPLE, text }]);
	assert.deepEqual(problems, []);
	return intentOf(...documents);
}
