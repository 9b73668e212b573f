/** The centre of the controller's own process, over real TLS to real EFs. */
import { join } from "node:path";
import { conformsToKeyAuthority } from "./authority.conformance.js";
import { localAuthority } from "./local.js";
import { AucService } from "./service.js";
import { FAST } from "./testing/test-ef.js";

conformsToKeyAuthority("in the controller", async (site) => {
	const directory = join(site.directory, "auc");
	const service = await AucService.start({
		directory,
		port: 0,
		tuning: FAST,
		log: () => {},
	});
	const authority = localAuthority(service);
	site.onClose(() => authority.close());
	return authority;
});
