// The Ethernet II header. A MAC address is two integers: its first two bytes (`high`) and its last four (`low`, signed), so
// that it is compared and stored without bytes. RFC 894, IEEE 802.3.

export const ETHERNET_HEADER = 14;

export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_VLAN = 0x8100;
export const ETHERTYPE_IPV6 = 0x86dd;

export const BROADCAST_HIGH = 0xffff;
export const BROADCAST_LOW = -1;

/** Returns the type field of the frame at `offset`, of which at least 14 bytes are there. */
export function etherType(view: DataView, offset: number): number {
  return view.getUint16(offset + 12);
}

/** Returns the first two bytes of the MAC address at `offset`; a frame's destination stands at 0, its source at 6. */
export function macHigh(view: DataView, offset: number): number {
  return view.getUint16(offset);
}

/** Returns the last four bytes of the MAC address at `offset`, signed. */
export function macLow(view: DataView, offset: number): number {
  return view.getInt32(offset + 2);
}

/** True for group addresses, broadcast among them (the I/G bit). */
export function isGroupMac(high: number): boolean {
  return (high & 0x0100) !== 0;
}

/** Writes the 14 bytes of a header. */
export function writeEthernet(
  view: DataView,
  offset: number,
  dstHigh: number,
  dstLow: number,
  srcHigh: number,
  srcLow: number,
  type: number,
): void {
  view.setUint16(offset, dstHigh);
  view.setInt32(offset + 2, dstLow);
  view.setUint16(offset + 6, srcHigh);
  view.setInt32(offset + 8, srcLow);
  view.setUint16(offset + 12, type);
}
