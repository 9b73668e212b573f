/** Names of interfaces: what may be declared is what the kernel door takes. */

/**
 * Names that Linux, `ip`, nft and /proc/sys all read as nothing but a name (no
 * option, path, pattern or quote). IFNAMSIZ is 16 with the terminating zero.
 */
export const INTERFACE_NAME = "^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,14}$";

/** The same in words, for messages. */
export const INTERFACE_NAME_RULE =
	"1 to 15 letters, digits or any of _ . @ + -, with none of . @ + - in front";
