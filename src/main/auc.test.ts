/** A centre in a process of its own, as its controller sees it. */
import { join } from "node:path";
import { conformsToKeyAuthority } from "../controller/auc/authority.conformance.js";
import { readCredentials } from "../controller/auc/credentials.js";
import { remoteAuthority } from "../controller/auc/remote.js";
import { FAST } from "../controller/auc/testing/test-ef.js";
import { startAuc } from "./auc.js";

conformsToKeyAuthority("from another process", async (site) => {
	const dataDir = join(site.directory, "auc");
	const auc = await startAuc({
		dataDir,
		host: "127.0.0.1",
		port: 0,
		controlPort: 0,
		tuning: FAST,
		log: () => {},
	});
	site.onClose(() => auc.close());
	const credentials = readCredentials(join(dataDir, "controller.json"));
	const authority = remoteAuthority(credentials);
	site.onClose(() => authority.close());
	return authority;
});
