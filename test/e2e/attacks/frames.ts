/** Where fields are in frames between nodes, from their first byte. */

export const SOURCE_AT = 26;
export const VXLAN_AT = 42;
/** A sealed one: two NSHs, IPv4, ESP. */
export const SEALED = {
	outer: 50,
	inner: 62,
	tunnel: 86,
	spi: 106,
	sequence: 110,
	iv: 114,
} as const;
/** A signed one: NSH of MD type 2, then the packet. */
export const SIGNED = {
	nsh: 50,
	path: 54,
	contextTlv: 58,
	context: 62,
	sequence: 78,
	macTlv: 86,
	keyId: 91,
	timestamp: 95,
	nonceBytes: 103,
	mac: 104,
	padding: 120,
	packet: 122,
} as const;
