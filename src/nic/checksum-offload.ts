// What a device does with a checksum that the sender left to it: sum from a place to the end of the frame and store the
// result. `memory-nic` offers it as a device would, and `fault-nic` uses it before it damages a frame, because damage to a
// frame whose checksum is computed later would be covered up by it. Linux: Documentation/networking/checksum-offloads.rst.

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;

/** Says where the IP packet of a frame begins: its distance from `offset`, or -1 when the frame carries something else. */
export function ipStart(view: DataView, offset: number, length: number, linkHeader: number): number {
  if (length < linkHeader + 20) return -1;
  if (linkHeader === 0) return 0;
  const type = view.getUint16(offset + linkHeader - 2);
  return type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6 ? linkHeader : -1;
}

/** Sums the bytes from `start` to `end`, the partial sum in the checksum field at `field` included, and stores the result. */
export function completeChecksum(view: DataView, start: number, end: number, field: number): void {
  const checksum = ~sumBytes(view, start, end) & 0xffff;
  view.setUint16(field, checksum);
}

/**
 * Completes the checksum of a TCP or UDP packet whose checksum field still holds the bare sum of the pseudo-header, as
 * packets of a peer on the same machine do. Leaves every other packet alone.
 */
export function completePartialChecksum(
  view: DataView,
  offset: number,
  length: number,
  linkHeader: number,
): void {
  const distance = ipStart(view, offset, length, linkHeader);
  if (distance < 0) return;
  const ip = offset + distance;
  let header = 40;
  let addresses = 8;
  let addressBytes = 32;
  let protocol: number;
  let end: number;
  if (view.getUint8(ip) >>> 4 === 4) {
    if ((view.getUint16(ip + 6) & 0x3fff) !== 0) return; // a fragment has no checksum of its own
    header = (view.getUint8(ip) & 15) * 4;
    addresses = 12;
    addressBytes = 8;
    protocol = view.getUint8(ip + 9);
    end = ip + view.getUint16(ip + 2);
  } else {
    if (length < distance + 40) return;
    protocol = view.getUint8(ip + 6);
    end = ip + 40 + view.getUint16(ip + 4);
  }
  const segment = ip + header;
  const field = protocol === PROTOCOL_TCP ? segment + 16 : segment + 6;
  if ((protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP) || end > offset + length || field + 2 > end)
    return;
  let pseudo = sumBytes(view, ip + addresses, ip + addresses + addressBytes) + protocol + (end - segment);
  pseudo = (pseudo & 0xffff) + (pseudo >>> 16);
  if (view.getUint16(field) === pseudo) completeChecksum(view, segment, end, field);
}

/** Sets the ECN field of an IPv4 packet to CE when it is ECT, and puts the header checksum right. Returns whether it is CE now. */
export function setCe(view: DataView, offset: number, length: number, linkHeader: number): boolean {
  const distance = ipStart(view, offset, length, linkHeader);
  const ip = offset + distance;
  if (distance < 0 || view.getUint8(ip) >>> 4 !== 4) return false;
  const tos = view.getUint8(ip + 1);
  if ((tos & 3) === 0) return false;
  view.setUint8(ip + 1, tos | 3);
  view.setUint16(ip + 10, 0);
  completeChecksum(view, ip, ip + (view.getUint8(ip) & 15) * 4, ip + 10);
  return true;
}

/** The folded ones'-complement sum of big-endian 16-bit words. A frame is too short for the total to leave 32 bits. */
function sumBytes(view: DataView, start: number, end: number): number {
  let total = 0;
  let at = start;
  for (; at + 1 < end; at += 2) total = (total + view.getUint16(at)) | 0;
  if (at < end) total = (total + (view.getUint8(at) << 8)) | 0;
  total = (total >>> 16) + (total & 0xffff);
  return (total >>> 16) + (total & 0xffff);
}
