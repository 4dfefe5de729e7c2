// IP addresses as the 16 bytes that BPF maps and sockaddrs hold, IPv4 in its IPv4-mapped form (RFC 4291
// 2.5.5.2). The stack has its own form of addresses; the way down to the kernel needs only this.

import { isIPv4, isIPv6 } from 'node:net';

/** Bytes of an address. */
export const IP_LENGTH = 16;

/** Turns an IPv4 or IPv6 address (no zone) into its 16 bytes; undefined when it is neither. */
export function ipBytes(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(IP_LENGTH);
  if (isIPv4(text)) {
    bytes[10] = 0xff;
    bytes[11] = 0xff;
    bytes.set(text.split('.').map(Number), 12);
    return bytes;
  }
  if (!isIPv6(text) || text.includes('%')) return undefined;
  // isIPv6 has checked the form: at most one `::`, at most eight groups, a dotted quad only at the end.
  const [head = '', tail] = text.split('::');
  const first = groupBytes(head);
  const last = tail === undefined ? [] : groupBytes(tail);
  bytes.set(first, 0);
  bytes.set(last, IP_LENGTH - last.length);
  return bytes;
}

function groupBytes(groups: string): number[] {
  if (groups === '') return [];
  return groups.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}
