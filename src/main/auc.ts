/** Composition root of an authentication centre in a process of its own. */

import { openControl } from "../controller/auc/control.js";
import { ownCredentials, serialOf } from "../controller/auc/credentials.js";
import { localAuthority } from "../controller/auc/local.js";
import { AucService } from "../controller/auc/service.js";
import type { Tuning } from "../keys/tuning.js";

export interface SeparateAucOptions {
	/** Keys, certificates, the sealed state and controller.json; mode 0700. */
	readonly dataDir: string;
	/** Address to listen at, for EFs and the controller. */
	readonly host: string;
	/** For EFs, and for the controller; 0: any free port. */
	readonly port: number;
	readonly controlPort: number;
	/** What EFs and the controller reach it by; absent: `host`. */
	readonly name?: string;
	readonly kekFile?: string;
	readonly tuning?: Tuning;
	readonly log: (line: string) => void;
}

export interface SeparateAuc {
	readonly port: number;
	/** Where the controller reaches it. */
	readonly url: string;
	close(): Promise<void>;
}

const RENEW_CHECK_MS = 3_600_000;

/** Throws `auc: cause (likely fix)`. */
export async function startAuc({
	dataDir,
	controlPort,
	name,
	...options
}: SeparateAucOptions): Promise<SeparateAuc> {
	const { host, log } = options;
	const service = await AucService.start({ ...options, directory: dataDir });
	try {
		const { authority, port } = service;
		const reached = name ?? host;
		const efs = { host: reached, port };
		const at = async (bound: number) => {
			const url = `https://${reached.includes(":") ? `[${reached}]` : reached}:${bound}`;
			return ownCredentials(dataDir, authority, { url, efs });
		};
		const identity = await service.identity();
		const control = await openControl(localAuthority(service), service.trail, {
			host,
			port: controlPort,
			identity,
			controller: serialOf(await at(controlPort)),
			log,
		});
		const { url } = await at(control.port);
		service.trail.follow(({ record }) => log(`auc: ${JSON.stringify(record)}`));
		const renewal = setInterval(() => {
			service.identity().then(
				(next) => control.renew(next),
				(error) => log(`auc: server certificate: ${String(error)}`),
			);
		}, RENEW_CHECK_MS);
		return {
			port,
			url,
			async close() {
				clearInterval(renewal);
				await control.close();
				await service.close();
			},
		};
	} catch (error) {
		await service.close();
		throw error;
	}
}
