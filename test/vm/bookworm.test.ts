/** On the stock kernel of Debian 12. */
import { guestTests } from "./guests.js";

guestTests("bookworm");
