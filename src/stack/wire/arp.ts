// ARP for IPv4 over Ethernet, both ways. What an ARP packet means is in link/neighbours.ts. RFC 826, RFC 5227.

/** Bytes of a packet; Ethernet pads it to 46. */
export const ARP_LENGTH = 28;
export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;

/** Hardware type 1 (Ethernet) and protocol type IPv4; lengths 6 and 4. */
const TYPES = 0x00010800;
const LENGTHS = 0x0604;

/** A received packet. One object serves all. MACs as in ethernet.ts, IPs as signed words in network order. */
export class ArpPacket {
  operation = 0;
  senderHigh = 0;
  senderLow = 0;
  senderIp = 0;
  targetHigh = 0;
  targetLow = 0;
  targetIp = 0;
}

/** Parses the `length` bytes at `offset`; false when they are too few or not Ethernet and IPv4. Any operation is taken. */
export function parseArp(view: DataView, offset: number, length: number, out: ArpPacket): boolean {
  if (length < ARP_LENGTH) return false;
  if (view.getInt32(offset) !== TYPES || view.getUint16(offset + 4) !== LENGTHS) return false;
  out.operation = view.getUint16(offset + 6);
  out.senderHigh = view.getUint16(offset + 8);
  out.senderLow = view.getInt32(offset + 10);
  out.senderIp = view.getInt32(offset + 14);
  out.targetHigh = view.getUint16(offset + 18);
  out.targetLow = view.getInt32(offset + 20);
  out.targetIp = view.getInt32(offset + 24);
  return true;
}

/** Writes a packet and returns its 28 bytes. */
export function writeArp(
  view: DataView,
  offset: number,
  operation: number,
  senderHigh: number,
  senderLow: number,
  senderIp: number,
  targetHigh: number,
  targetLow: number,
  targetIp: number,
): number {
  view.setInt32(offset, TYPES);
  view.setUint16(offset + 4, LENGTHS);
  view.setUint16(offset + 6, operation);
  view.setUint16(offset + 8, senderHigh);
  view.setInt32(offset + 10, senderLow);
  view.setInt32(offset + 14, senderIp);
  view.setUint16(offset + 18, targetHigh);
  view.setInt32(offset + 20, targetLow);
  view.setInt32(offset + 24, targetIp);
  return ARP_LENGTH;
}
