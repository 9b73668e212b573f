/** The seed of this run: given by CHAINMAIL_SEED to replay one, else by the clock. */
export { Random } from "../src/plan/random.js";

export const SEED = Number(
	process.env.CHAINMAIL_SEED ?? Date.now() % 1_000_000,
);
/** What every failure of a random test says, and every run prints. */
export const REPLAY = `CHAINMAIL_SEED=${SEED}`;
