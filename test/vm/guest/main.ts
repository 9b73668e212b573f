/** All that is tried in a guest; each file runs on every kernel. */
import "./probes.js";
import "./xfrm.js";
import "./interop.js";
import "./ends.js";
import "./killed.js";
import "./agents.js";
