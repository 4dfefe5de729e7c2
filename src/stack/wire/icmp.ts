// ICMP for IPv4: echo, and the errors that concern a transport, with the packet they quote. What an error does to a
// connection is the transport's business. RFC 792, RFC 1122 3.2.2, RFC 1191 4, RFC 1812 4.3.2.3.

import { Endpoint } from './address.js';
import { copyAndSumView, finish, sum } from './checksum.js';
import { IPV4_HEADER } from './ipv4.js';

export const ICMP_HEADER = 8;

export const ICMP_ECHO_REPLY = 0;
export const ICMP_UNREACHABLE = 3;
export const ICMP_SOURCE_QUENCH = 4;
export const ICMP_REDIRECT = 5;
export const ICMP_ECHO = 8;
export const ICMP_TIME_EXCEEDED = 11;
export const ICMP_PARAMETER_PROBLEM = 12;

// Codes of ICMP_UNREACHABLE.
export const ICMP_NET_UNREACHABLE = 0;
export const ICMP_HOST_UNREACHABLE = 1;
export const ICMP_PROTOCOL_UNREACHABLE = 2;
export const ICMP_PORT_UNREACHABLE = 3;
export const ICMP_FRAGMENTATION_NEEDED = 4;
export const ICMP_SOURCE_ROUTE_FAILED = 5;
export const ICMP_NET_UNKNOWN = 6;
export const ICMP_HOST_UNKNOWN = 7;
export const ICMP_HOST_ISOLATED = 8;
export const ICMP_NET_PROHIBITED = 9;
export const ICMP_HOST_PROHIBITED = 10;
export const ICMP_NET_TOS = 11;
export const ICMP_HOST_TOS = 12;
export const ICMP_ADMIN_PROHIBITED = 13;

// What `parseIcmp` returns.
export const ICMP_OK = 0;
export const ICMP_TRUNCATED = 1;
export const ICMP_BAD_CHECKSUM = 2;

/** An error quotes at most this much of the offending packet, so that all of it fits 576 bytes (RFC 1812 4.3.2.3). */
export const ICMP_MAX_QUOTE = 576 - IPV4_HEADER - ICMP_HEADER;

/** A received message. One object serves all. */
export class IcmpMessage {
  type = 0;
  code = 0;
  /** Of echo and echo reply. */
  id = 0;
  /** Of echo and echo reply. */
  sequence = 0;
  /** Next-hop MTU of fragmentation needed (RFC 1191 4); 0 = an old router did not tell. */
  mtu = 0;
  /** Offset of what follows the eight bytes of header, in the arena. */
  payloadOffset = 0;
  payloadLength = 0;
  /** An error whose quote holds an IPv4 header, first fragment, and eight bytes more; only then are the fields below set. */
  quoted = false;
  quotedProtocol = 0;
  /** Source of the quoted packet: this host, when the error is meant for it. Ports where the protocol has them. */
  readonly quotedSrc: Endpoint = new Endpoint();
  readonly quotedDst: Endpoint = new Endpoint();
  /** The sequence number, when the quoted protocol is TCP. */
  quotedSeq = 0;
  /** Total length of the quoted packet by its own header. */
  quotedTotalLength = 0;
}

/** True for the types that report an error and hence must never be answered by one (RFC 1122 3.2.2). */
export function isIcmpError(type: number): boolean {
  return (
    type === ICMP_UNREACHABLE ||
    type === ICMP_SOURCE_QUENCH ||
    type === ICMP_REDIRECT ||
    type === ICMP_TIME_EXCEEDED ||
    type === ICMP_PARAMETER_PROBLEM
  );
}

/** Parses the message of `length` bytes at `offset` and verifies its checksum. Returns ICMP_OK or the reason to drop it. */
export function parseIcmp(view: DataView, offset: number, length: number, out: IcmpMessage): number {
  if (length < ICMP_HEADER) return ICMP_TRUNCATED;
  if (sum(view, offset, length, 0) !== 0xffff) return ICMP_BAD_CHECKSUM;
  out.type = view.getUint8(offset);
  out.code = view.getUint8(offset + 1);
  out.id = view.getUint16(offset + 4);
  out.sequence = view.getUint16(offset + 6);
  const tooBig = out.type === ICMP_UNREACHABLE && out.code === ICMP_FRAGMENTATION_NEEDED;
  out.mtu = tooBig ? out.sequence : 0;
  out.payloadOffset = offset + ICMP_HEADER;
  out.payloadLength = length - ICMP_HEADER;
  out.quoted = isIcmpError(out.type) && parseQuote(view, out.payloadOffset, out.payloadLength, out);
  return ICMP_OK;
}

// The quote is a cut-off packet as some router saw it: its checksum and total length prove nothing and are not verified.
function parseQuote(view: DataView, offset: number, length: number, out: IcmpMessage): boolean {
  if (length < IPV4_HEADER + 8) return false;
  const first = view.getUint8(offset);
  const headerLength = (first & 15) << 2;
  if (first >>> 4 !== 4 || headerLength < IPV4_HEADER || length < headerLength + 8) return false;
  if ((view.getUint16(offset + 6) & 0x1fff) !== 0) return false;
  const transport = offset + headerLength;
  out.quotedTotalLength = view.getUint16(offset + 2);
  out.quotedProtocol = view.getUint8(offset + 9);
  out.quotedSrc.setV4(view.getInt32(offset + 12));
  out.quotedDst.setV4(view.getInt32(offset + 16));
  out.quotedSrc.port = view.getUint16(transport);
  out.quotedDst.port = view.getUint16(transport + 2);
  out.quotedSeq = view.getInt32(transport + 4);
  return true;
}

/**
 * Writes the header of an echo request or reply in front of `payloadLength` bytes that already stand at `offset` + 8, and
 * returns the length of the message.
 */
export function writeIcmpEcho(
  view: DataView,
  offset: number,
  type: number,
  id: number,
  sequence: number,
  payloadLength: number,
): number {
  view.setInt32(offset, type << 24);
  view.setUint16(offset + 4, id);
  view.setUint16(offset + 6, sequence);
  view.setUint16(offset + 2, finish(sum(view, offset, ICMP_HEADER + payloadLength, 0)));
  return ICMP_HEADER + payloadLength;
}

/**
 * Writes the reply to the echo request of `length` bytes at `request` in the same arena: identifier, sequence number and data
 * come back as they were (RFC 1122 3.2.2.6). Returns the length of the message.
 */
export function writeIcmpEchoReply(view: DataView, offset: number, request: number, length: number): number {
  view.setInt32(offset, ICMP_ECHO_REPLY << 24);
  const total = copyAndSumView(view, offset + 4, view, request + 4, length - 4, 0);
  view.setUint16(offset + 2, finish(total));
  return length;
}

/**
 * Writes an error that quotes the start of the packet of `packetLength` bytes at `packet` (its IP header) in the same arena, as
 * much as fits. `rest` is the second word of the header: 0, or the next-hop MTU. Returns the length of the message.
 */
export function writeIcmpError(
  view: DataView,
  offset: number,
  type: number,
  code: number,
  rest: number,
  packet: number,
  packetLength: number,
): number {
  const quote = Math.min(packetLength, ICMP_MAX_QUOTE);
  view.setInt32(offset, (type << 24) | (code << 16));
  view.setInt32(offset + 4, rest);
  const header = sum(view, offset, ICMP_HEADER, 0);
  view.setUint16(offset + 2, finish(copyAndSumView(view, offset + ICMP_HEADER, view, packet, quote, header)));
  return ICMP_HEADER + quote;
}
