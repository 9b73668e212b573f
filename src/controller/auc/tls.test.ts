/** No server speaks less than TLS 1.3, also once its certificate was renewed. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { connect, createServer, type SecureVersion } from "node:tls";
import { openAuthority, serverIdentity } from "../ca.js";
import { openControl } from "./control.js";
import { listen } from "./listener.js";
import { localAuthority } from "./local.js";
import { AucService } from "./service.js";
import { Site } from "./testing/site.js";

const HOST = "127.0.0.1";

/** What version a client that speaks up to `maxVersion` gets. */
function versionOf(port: number, maxVersion: SecureVersion): Promise<string> {
	return new Promise((resolve) => {
		const options = { host: HOST, port, rejectUnauthorized: false, maxVersion };
		const socket = connect(options, () => {
			resolve(socket.getProtocol() ?? "none");
			socket.destroy();
		});
		socket.on("error", () => resolve("refused"));
	});
}

async function speaksOnlyTls13(port: number, when: string): Promise<void> {
	assert.equal(await versionOf(port, "TLSv1.2"), "refused", when);
	assert.equal(await versionOf(port, "TLSv1.3"), "TLSv1.3", when);
}

test("TLS 1.2 is refused before and after a renewal: API, EFs, controller", async () => {
	const site = new Site();
	try {
		const log = () => {};
		const authority = await openAuthority(`${site.directory}/ca`);
		const identity = await serverIdentity(authority, ["localhost"]);

		const api = createServer(identity).listen(0, HOST);
		await once(api, "listening");
		site.onClose(() => void api.close());

		const efs = await listen({ host: HOST, port: 0 }, identity, {
			isCurrent: () => false,
			maxBytes: () => 0,
			message: () => {},
			enrol: () => {},
			refused: () => {},
		});
		site.onClose(() => efs.close());

		const directory = `${site.directory}/auc`;
		const service = await AucService.start({ directory, port: 0, log });
		site.onClose(() => service.close());
		const control = await openControl(localAuthority(service), service.trail, {
			host: HOST,
			port: 0,
			identity,
			controller: "",
			log,
		});
		site.onClose(() => control.close());

		const { port } = api.address() as AddressInfo;
		for (const [what, one] of [
			["API", { port, renew: (next = identity) => api.setSecureContext(next) }],
			["EFs", efs],
			["controller", control],
		] as const) {
			await speaksOnlyTls13(one.port, `${what} at first`);
			one.renew(identity);
			await speaksOnlyTls13(one.port, `${what} renewed`);
		}
	} finally {
		await site.close();
	}
});
