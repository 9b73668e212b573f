/**
 * The EF's way to the authentication centre: enrols where it has to, keeps a
 * session under mutual TLS, and comes back after every loss.
 */
import { encodeEfMessage } from "../../keys/codec.js";
import type { EfMessage } from "../../keys/messages.js";
import type { AucAddress } from "../../plan/protocol.js";
import {
	type EfIdentity,
	enrol,
	readEnrolKey,
	readIdentity,
} from "./identity.js";
import { AucStream } from "./stream.js";

const FIRST_DELAY_MS = 100;
const LAST_DELAY_MS = 5_000;

export interface CentreOptions {
	readonly ef: string;
	readonly directory: string;
	readonly onOpen: () => void;
	/** Throws where it is no message. */
	readonly onMessage: (bytes: Buffer) => void;
	readonly onLost: () => void;
	/** What `status` says has changed. */
	readonly onChange: () => void;
}

export interface CentreStatus {
	readonly enrolled: boolean;
	readonly wantsKey: boolean;
	readonly problem: string;
}

export class Centre {
	readonly #options: CentreOptions;
	#address: Required<AucAddress> | undefined;
	#identity: EfIdentity | undefined;
	/** The centre does not take the certificate, or is not who it was. */
	#refused = false;
	#problem = "the controller has not said where the authentication centre is";
	#stream: AucStream | undefined;
	#retry: NodeJS.Timeout | undefined;
	#failures = 0;
	#enrolment: AbortController | undefined;
	#closed = false;

	constructor(options: CentreOptions) {
		this.#options = options;
		this.#identity = readIdentity(options.directory);
	}

	get status(): CentreStatus {
		const identity = this.#identity;
		const isOld = identity !== undefined && Date.now() >= identity.renewAfterMs;
		return {
			enrolled: identity !== undefined && !this.#refused,
			wantsKey: identity === undefined || this.#refused || isOld,
			problem: this.#problem,
		};
	}

	/** Where the centre is; a key to enrol by may have come as well. */
	configure(address: Required<AucAddress> | undefined): void {
		const before = this.#address;
		this.#address = address;
		if (before?.host !== address?.host || before?.port !== address?.port) {
			this.#hangUp();
			this.#failures = 0;
			this.#begin();
		}
		void this.#enrol();
	}

	send(message: EfMessage): void {
		this.#stream?.send(encodeEfMessage(message));
	}

	/** The centre says that it does not know the certificate. */
	refuse(): void {
		this.#lost(
			new Error("the authentication centre takes another certificate"),
			true,
		);
	}

	close(): void {
		this.#closed = true;
		this.#enrolment?.abort();
		this.#hangUp();
	}

	#hangUp(): void {
		clearTimeout(this.#retry);
		const stream = this.#stream;
		this.#stream = undefined;
		stream?.close();
		if (stream) this.#options.onLost();
	}

	/** With what it has; without a certificate it waits for the key to enrol by. */
	#begin(): void {
		clearTimeout(this.#retry);
		const [address, identity] = [this.#address, this.#identity];
		if (this.#closed || this.#stream || !address) return;
		if (!identity || this.#refused) {
			this.#tell("it has no key to enrol by");
			void this.#enrol();
			return;
		}
		const { onOpen, onMessage } = this.#options;
		const { key, certificate: cert, ca } = identity;
		const stream = new AucStream(
			address,
			{ key, cert, ca },
			{
				onOpen,
				onMessage: (bytes) => {
					onMessage(bytes);
					this.#failures = 0;
					this.#tell("");
				},
				onEnd: (reason) => {
					if (this.#stream === stream) this.#lost(reason, isRefusal(reason));
				},
			},
		);
		this.#stream = stream;
	}

	#lost(reason: Error, refused: boolean): void {
		this.#refused ||= refused;
		this.#hangUp();
		this.#tell(reason.message);
		this.#again(() => this.#begin());
	}

	/** Full jitter: EFs of a centre that restarts do not come all at once. */
	#again(act: () => void): void {
		if (this.#closed) return;
		const limit = Math.min(
			FIRST_DELAY_MS * 2 ** this.#failures++,
			LAST_DELAY_MS,
		);
		clearTimeout(this.#retry);
		this.#retry = setTimeout(act, limit / 2 + (Math.random() * limit) / 2);
	}

	/** By the key that is there, if one is; a session that runs is not disturbed. */
	async #enrol(): Promise<void> {
		const address = this.#address;
		if (this.#closed || this.#enrolment || !address) return;
		const { ef, directory } = this.#options;
		const key = readEnrolKey(directory);
		if (!key) return;
		const enrolment = new AbortController();
		this.#enrolment = enrolment;
		const { signal } = enrolment;
		try {
			this.#identity = await enrol({ ef, key, address, directory, signal });
			this.#refused = false;
			this.#failures = 0;
			this.#tell(this.#stream ? "" : "it has just enrolled");
			this.#enrolment = undefined;
			this.#begin();
		} catch (error) {
			this.#enrolment = undefined;
			this.#tell(error instanceof Error ? error.message : String(error));
			/* A session that runs has its own way to come back. */
			if (this.#stream === undefined) this.#again(() => this.#begin());
		}
	}

	#tell(problem: string): void {
		if (problem === this.#problem) return;
		this.#problem = problem;
		this.#options.onChange();
	}
}

/** Whether the other side is not who it was, or takes us for nobody. */
function isRefusal(reason: Error): boolean {
	const code = (reason as NodeJS.ErrnoException).code ?? "";
	return /^(ERR_TLS_CERT|CERT_|SELF_SIGNED|UNABLE_TO_|ERR_SSL_TLSV?1?_?3?_?ALERT_(UNKNOWN_CA|CERTIFICATE|BAD_CERTIFICATE)|ERR_SSL_.*(CERTIFICATE|UNKNOWN_CA))/.test(
		code,
	);
}
