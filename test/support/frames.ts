// Frames for tests of the Nic, from a few words each. They are made by hand here, and not by src/stack/wire,
// so that a test of the XDP program does not depend on the stack.

const macBytes = (mac: string): Buffer => Buffer.from(mac.replaceAll(':', ''), 'hex');
const ipv4Bytes = (address: string): number[] => address.split('.').map(Number);

/** Sums big-endian 16-bit words, folded and not complemented (RFC 1071). */
export function onesSum(bytes: Uint8Array, initial = 0): number {
  let sum = initial;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** An Ethernet frame. */
export function ethernet(dst: string, src: string, type: number, payload: Uint8Array): Buffer {
  return Buffer.concat([macBytes(dst), macBytes(src), Buffer.from([type >> 8, type & 255]), payload]);
}

/** An ARP packet of IPv4 over Ethernet: operation 1 asks, 2 answers. */
export function arp(
  operation: number,
  senderMac: string,
  sender: string,
  targetMac: string,
  target: string,
): Buffer {
  const head = Buffer.from([0, 1, 8, 0, 6, 4, 0, operation]);
  const ips = [ipv4Bytes(sender), ipv4Bytes(target)].map((bytes) => Buffer.from(bytes));
  return Buffer.concat([head, macBytes(senderMac), ips[0]!, macBytes(targetMac), ips[1]!]);
}

/** What of an IPv4 header may differ. */
export interface Ipv4Fields {
  /** Bytes of options, a multiple of 4. */
  readonly options?: readonly number[];
  /** The flags and fragment offset field. */
  readonly fragment?: number;
  readonly version?: number;
}

/** An IPv4 packet with a right header checksum. */
export function ipv4(
  src: string,
  dst: string,
  protocol: number,
  payload: Uint8Array,
  fields: Ipv4Fields = {},
): Buffer {
  const { options = [], fragment = 0x4000, version = 4 } = fields;
  const headerLength = 20 + options.length;
  const packet = Buffer.alloc(headerLength + payload.length);
  packet[0] = (version << 4) | (headerLength / 4);
  packet.writeUInt16BE(packet.length, 2);
  packet.writeUInt16BE(fragment, 6);
  packet[8] = 64;
  packet[9] = protocol;
  packet.set(ipv4Bytes(src), 12);
  packet.set(ipv4Bytes(dst), 16);
  packet.set(options, 20);
  packet.writeUInt16BE(~onesSum(packet.subarray(0, headerLength)) & 0xffff, 10);
  packet.set(payload, headerLength);
  return packet;
}

/** An IPv6 packet; addresses as 16 bytes each. */
export function ipv6(src: Uint8Array, dst: Uint8Array, next: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head[0] = 0x60;
  head.writeUInt16BE(payload.length, 4);
  head[6] = next;
  head[7] = 255;
  return Buffer.concat([head, src, dst, payload]);
}

/**
 * A TCP SYN whose checksum field holds the folded pseudo-header sum only, as a device with offload expects
 * it.
 */
export function tcpSyn(src: string, dst: string, srcPort: number, dstPort: number): Buffer {
  const segment = Buffer.alloc(20);
  segment.writeUInt16BE(srcPort, 0);
  segment.writeUInt16BE(dstPort, 2);
  segment.writeUInt32BE(1, 4);
  segment[12] = 0x50;
  segment[13] = 0x02;
  segment.writeUInt16BE(1024, 14);
  const pseudo = Buffer.from([...ipv4Bytes(src), ...ipv4Bytes(dst), 0, 6, 0, segment.length]);
  segment.writeUInt16BE(onesSum(pseudo), 16);
  return segment;
}
