/** On the stock kernel of Debian 13. */
import { guestTests } from "./guests.js";

guestTests("trixie");
