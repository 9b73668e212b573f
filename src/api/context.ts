/** What the routes work with: the parts of one running controller. */
import type { KeyAuthority } from "../controller/auc/authority.js";
import type { KeyCounts } from "../controller/auc/ledger.js";
import type { Delivery } from "../controller/delivery.js";
import type { Enrollment } from "../controller/enroll.js";
import type { EventLog } from "../controller/events.js";
import type { Fleet } from "../controller/fleet.js";
import type { Reconciler } from "../controller/reconcile.js";
import type { Store } from "../controller/store/store.js";
import type { Tokens } from "../controller/tokens.js";

export interface Context {
	readonly store: Store;
	readonly log: EventLog;
	readonly tokens: Tokens;
	readonly enrollment: Enrollment;
	readonly fleet: Fleet;
	readonly delivery: Delivery;
	readonly reconciler: Reconciler;
	readonly keys: KeyAuthority;
	readonly keyCounts: KeyCounts;
	readonly version: string;
}
