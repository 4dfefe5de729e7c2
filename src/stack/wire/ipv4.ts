// The IPv4 header: validated parsing into one reusable object, and writing. RFC 791, RFC 1122 3.2.1, RFC 7126 for the options
// that matter.

import { Address } from './address.js';
import { finish, sum } from './checksum.js';

/** Header without options, in bytes; this stack sends no options. */
export const IPV4_HEADER = 20;

export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;

// What `parseIpv4` returns.
export const IPV4_OK = 0;
/** Too short for the header. */
export const IPV4_TRUNCATED = 1;
export const IPV4_BAD_VERSION = 2;
/** Header length below 5 words, or total length below the header's. */
export const IPV4_BAD_LENGTH = 3;
export const IPV4_BAD_CHECKSUM = 4;
/** The frame ends before the packet does. */
export const IPV4_SHORT_FRAME = 5;

const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_LSRR = 131;
const OPTION_SSRR = 137;

const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;

/** A received header. One object serves all packets. */
export class Ipv4Header {
  readonly src: Address = new Address();
  readonly dst: Address = new Address();
  protocol = 0;
  ttl = 0;
  /** DSCP and ECN, one byte. */
  tos = 0;
  id = 0;
  headerLength = 0;
  totalLength = 0;
  /** Offset of the payload in the arena. */
  payloadOffset = 0;
  /** Bytes of payload by the total length; padding of the frame is not among them. */
  payloadLength = 0;
  /** Offset of this fragment in its datagram, in bytes. */
  fragmentOffset = 0;
  moreFragments = false;
  dontFragment = false;
  hasOptions = false;
  /** A loose or strict source route is among the options (RFC 7126 4.3, 4.4). */
  sourceRoute = false;
  /** An option had length 0 or 1 or ran over the header; those behind it were not looked at. */
  optionsMalformed = false;
}

/**
 * Parses the packet at `offset`, of which `length` bytes are in the frame. Fills `out` and returns IPV4_OK, or the reason why
 * it is to be dropped, and then `out` holds nothing of use. Verifies the header checksum. Options are looked at, never a
 * reason to fail.
 */
export function parseIpv4(view: DataView, offset: number, length: number, out: Ipv4Header): number {
  if (length < IPV4_HEADER) return IPV4_TRUNCATED;
  const first = view.getUint16(offset);
  if (first >>> 12 !== 4) return IPV4_BAD_VERSION;
  const headerLength = ((first >>> 8) & 15) << 2;
  if (headerLength < IPV4_HEADER) return IPV4_BAD_LENGTH;
  if (headerLength > length) return IPV4_TRUNCATED;
  if (sum(view, offset, headerLength, 0) !== 0xffff) return IPV4_BAD_CHECKSUM;
  const totalLength = view.getUint16(offset + 2);
  if (totalLength < headerLength) return IPV4_BAD_LENGTH;
  if (totalLength > length) return IPV4_SHORT_FRAME;
  const fragment = view.getUint16(offset + 6);
  out.tos = first & 0xff;
  out.headerLength = headerLength;
  out.totalLength = totalLength;
  out.id = view.getUint16(offset + 4);
  out.dontFragment = (fragment & DONT_FRAGMENT) !== 0;
  out.moreFragments = (fragment & MORE_FRAGMENTS) !== 0;
  out.fragmentOffset = (fragment & 0x1fff) << 3;
  out.ttl = view.getUint8(offset + 8);
  out.protocol = view.getUint8(offset + 9);
  out.src.setV4(view.getInt32(offset + 12));
  out.dst.setV4(view.getInt32(offset + 16));
  out.payloadOffset = offset + headerLength;
  out.payloadLength = totalLength - headerLength;
  out.hasOptions = headerLength > IPV4_HEADER;
  out.sourceRoute = false;
  out.optionsMalformed = false;
  if (out.hasOptions) walkOptions(view, offset + IPV4_HEADER, offset + headerLength, out);
  return IPV4_OK;
}

function walkOptions(view: DataView, offset: number, end: number, out: Ipv4Header): void {
  let at = offset;
  while (at < end) {
    const kind = view.getUint8(at);
    if (kind === OPTION_END) return;
    if (kind === OPTION_NOP) {
      at++;
      continue;
    }
    if (kind === OPTION_LSRR || kind === OPTION_SSRR) out.sourceRoute = true;
    const size = at + 1 < end ? view.getUint8(at + 1) : 0;
    if (size < 2 || at + size > end) {
      out.optionsMalformed = true;
      return;
    }
    at += size;
  }
}

/** Writes a header of 20 bytes with its checksum. Addresses are signed words in network order; `totalLength` counts the header. */
export function writeIpv4(
  view: DataView,
  offset: number,
  totalLength: number,
  protocol: number,
  src: number,
  dst: number,
  ttl: number,
  tos: number,
  id: number,
  dontFragment: boolean,
): void {
  const w0 = 0x45000000 | ((tos & 0xff) << 16) | totalLength;
  const w1 = ((id & 0xffff) << 16) | (dontFragment ? DONT_FRAGMENT : 0);
  const w2 = ((ttl & 0xff) << 24) | ((protocol & 0xff) << 16);
  let total = (w0 >>> 16) + (w0 & 0xffff) + (w1 >>> 16) + (w1 & 0xffff) + (w2 >>> 16);
  total += (src >>> 16) + (src & 0xffff) + (dst >>> 16) + (dst & 0xffff);
  total = (total & 0xffff) + (total >>> 16);
  total = (total & 0xffff) + (total >>> 16);
  view.setInt32(offset, w0);
  view.setInt32(offset + 4, w1);
  view.setInt32(offset + 8, w2 | finish(total));
  view.setInt32(offset + 12, src);
  view.setInt32(offset + 16, dst);
}
