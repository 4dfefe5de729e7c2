// The TCP header: parsing into one reusable Segment and writing. Addresses and the checksum belong to the caller, who has
// the IP header. RFC 9293 3.1.

import { Endpoint } from './address.js';
import { parseTcpOptions, TcpOptions } from './tcp-options.js';

/** Header without options, in bytes. */
export const TCP_HEADER = 20;
/** Where the checksum lies in the header. */
export const TCP_CHECKSUM_OFFSET = 16;

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;
export const URG = 32;
export const ECE = 64;
export const CWR = 128;
/** Accurate ECN (RFC 9768), formerly the nonce sum. */
export const AE = 256;

// What `parseTcp` returns.
export const TCP_OK = 0;
/** Shorter than a header. */
export const TCP_TRUNCATED = 1;
/** Data offset below 5 words or beyond the segment. */
export const TCP_BAD_OFFSET = 2;

/** A received segment: the fields that RFC 9293 calls SEG.*. One object serves all segments. */
export class Segment {
  readonly src: Endpoint = new Endpoint();
  readonly dst: Endpoint = new Endpoint();
  seq = 0;
  ack = 0;
  /** ECN field of the IP header (RFC 3168 5); the caller's, like the addresses. */
  ecn = 0;
  /** FIN to AE. */
  flags = 0;
  /** The window field as it stands on the wire, unsigned and unscaled. */
  wnd = 0;
  urgent = 0;
  checksum = 0;
  /** Offset of the payload in the arena. */
  dataOffset = 0;
  /** Bytes of payload. */
  dataLength = 0;
  readonly options: TcpOptions = new TcpOptions();
}

/** Returns SEG.LEN: the payload and the sequence numbers that SYN and FIN take (RFC 9293 3.4). */
export function segLen(seg: Segment): number {
  return seg.dataLength + ((seg.flags >> 1) & 1) + (seg.flags & 1);
}

/**
 * Parses the segment of `length` bytes at `offset`. Fills `seg` except for the two addresses and returns TCP_OK, or the
 * reason why it is none, and then `seg` holds nothing of use. Does not verify the checksum.
 */
export function parseTcp(view: DataView, offset: number, length: number, seg: Segment): number {
  if (length < TCP_HEADER) return TCP_TRUNCATED;
  const word = view.getUint16(offset + 12);
  const headerLength = (word >>> 12) << 2;
  if (headerLength < TCP_HEADER || headerLength > length) return TCP_BAD_OFFSET;
  seg.src.port = view.getUint16(offset);
  seg.dst.port = view.getUint16(offset + 2);
  seg.seq = view.getInt32(offset + 4);
  seg.ack = view.getInt32(offset + 8);
  seg.flags = word & 0x1ff;
  seg.wnd = view.getUint16(offset + 14);
  seg.checksum = view.getUint16(offset + 16);
  seg.urgent = view.getUint16(offset + 18);
  seg.dataOffset = offset + headerLength;
  seg.dataLength = length - headerLength;
  parseTcpOptions(view, offset + TCP_HEADER, headerLength - TCP_HEADER, seg.options);
  return TCP_OK;
}

/**
 * Writes the 20 fixed bytes of a header. `headerLength` counts the options too, which the caller writes, a multiple of 4 from
 * 20 to 60. The checksum field is left 0.
 */
export function writeTcpHeader(
  view: DataView,
  offset: number,
  srcPort: number,
  dstPort: number,
  seq: number,
  ack: number,
  headerLength: number,
  flags: number,
  wnd: number,
  urgent: number,
): void {
  view.setInt32(offset, (srcPort << 16) | dstPort);
  view.setInt32(offset + 4, seq);
  view.setInt32(offset + 8, ack);
  view.setInt32(offset + 12, (headerLength << 26) | ((flags & 0x1ff) << 16) | wnd);
  view.setInt32(offset + 16, urgent & 0xffff);
}
