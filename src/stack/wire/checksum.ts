// The Internet checksum (RFC 1071) for every layer. Sums are folded to 16 bits and not complemented until `finish`; they add up
// with `add`, so a header and a payload can be summed apart.
//
// Both loops read little-endian words, which costs no byte swap, and swap the folded sum once instead (RFC 1071 2.B). They
// add the words modulo 2^32, and a second time only their upper halves: what the lower halves amount to is the difference, and
// that is exact because there are few words. So a word takes three operations, and no number leaves int32. Measured on
// Node 20 for 1,460 bytes at an odd multiple of 2: 195 ns, against 610 ns when each word is split into halves.

import type { Address } from './address.js';

/** Most bytes that one call sums: the upper halves of so many words still add up to less than 2^31. */
export const MAX_SUM_LENGTH = 131_072;

/** Adds two folded sums. */
export function add(a: number, b: number): number {
  const total = a + b;
  return (total & 0xffff) + (total >>> 16);
}

/** Complements a folded sum: the value of a checksum field. */
export function finish(sum: number): number {
  return ~sum & 0xffff;
}

/** Folds the two accumulators of the loops and swaps the bytes of the result. */
function foldSwapped(total: number, high: number): number {
  const low = (total - (high << 16)) | 0;
  const wide = (high >>> 16) + (high & 0xffff) + (low >>> 16) + (low & 0xffff);
  const once = (wide & 0xffff) + (wide >>> 16);
  const folded = (once & 0xffff) + (once >>> 16);
  return ((folded & 0xff) << 8) | (folded >>> 8);
}

/**
 * Sums `length` bytes (at most MAX_SUM_LENGTH) from `offset` as big-endian 16-bit words, the last byte padded with a zero when
 * their number is odd, and adds the folded `initial`. Any alignment. Returns the folded sum, which is 0xffff over bytes that
 * include a right checksum.
 */
export function sum(view: DataView, offset: number, length: number, initial = 0): number {
  const end = offset + length;
  let at = offset;
  let total = 0;
  let high = 0;
  for (const stop = end - 31; at < stop; at += 32) {
    const a = view.getInt32(at, true);
    total = (total + a) | 0;
    high = (high + (a >>> 16)) | 0;
    const b = view.getInt32(at + 4, true);
    total = (total + b) | 0;
    high = (high + (b >>> 16)) | 0;
    const c = view.getInt32(at + 8, true);
    total = (total + c) | 0;
    high = (high + (c >>> 16)) | 0;
    const d = view.getInt32(at + 12, true);
    total = (total + d) | 0;
    high = (high + (d >>> 16)) | 0;
    const e = view.getInt32(at + 16, true);
    total = (total + e) | 0;
    high = (high + (e >>> 16)) | 0;
    const f = view.getInt32(at + 20, true);
    total = (total + f) | 0;
    high = (high + (f >>> 16)) | 0;
    const g = view.getInt32(at + 24, true);
    total = (total + g) | 0;
    high = (high + (g >>> 16)) | 0;
    const h = view.getInt32(at + 28, true);
    total = (total + h) | 0;
    high = (high + (h >>> 16)) | 0;
  }
  for (const stop = end - 3; at < stop; at += 4) {
    const word = view.getInt32(at, true);
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
  }
  if (at < end - 1) {
    total = (total + view.getUint16(at, true)) | 0;
    at += 2;
  }
  if (at < end) total = (total + view.getUint8(at)) | 0;
  return add(foldSwapped(total, high), initial);
}

/**
 * Copies `length` bytes (at most MAX_SUM_LENGTH) and returns their folded sum, as if the first stood at an even position, plus
 * the folded `initial`. The regions must not overlap. 485 ns for 1,460 bytes, however they are aligned.
 */
export function copyAndSumView(
  dst: DataView,
  dstOffset: number,
  src: DataView,
  srcOffset: number,
  length: number,
  initial = 0,
): number {
  const end = srcOffset + length;
  let to = dstOffset;
  let at = srcOffset;
  let total = 0;
  let high = 0;
  for (const stop = end - 15; at < stop; at += 16, to += 16) {
    const a = src.getInt32(at, true);
    dst.setInt32(to, a, true);
    total = (total + a) | 0;
    high = (high + (a >>> 16)) | 0;
    const b = src.getInt32(at + 4, true);
    dst.setInt32(to + 4, b, true);
    total = (total + b) | 0;
    high = (high + (b >>> 16)) | 0;
    const c = src.getInt32(at + 8, true);
    dst.setInt32(to + 8, c, true);
    total = (total + c) | 0;
    high = (high + (c >>> 16)) | 0;
    const d = src.getInt32(at + 12, true);
    dst.setInt32(to + 12, d, true);
    total = (total + d) | 0;
    high = (high + (d >>> 16)) | 0;
  }
  for (const stop = end - 3; at < stop; at += 4, to += 4) {
    const word = src.getInt32(at, true);
    dst.setInt32(to, word, true);
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
  }
  if (at < end - 1) {
    const half = src.getUint16(at, true);
    dst.setUint16(to, half, true);
    total = (total + half) | 0;
    at += 2;
    to += 2;
  }
  if (at < end) {
    const last = src.getUint8(at);
    dst.setUint8(to, last);
    total = (total + last) | 0;
  }
  return add(foldSwapped(total, high), initial);
}

/** The same for callers that have no views: 1,600 ns for 1,460 bytes. */
export function copyAndSum(
  dst: Uint8Array,
  dstOffset: number,
  src: Uint8Array,
  srcOffset: number,
  length: number,
  initial = 0,
): number {
  const end = srcOffset + length;
  let to = dstOffset;
  let at = srcOffset;
  let total = 0;
  for (; at < end - 1; at += 2, to += 2) {
    const first = src[at];
    const second = src[at + 1];
    dst[to] = first;
    dst[to + 1] = second;
    total = (total + ((first << 8) | second)) | 0;
  }
  if (at < end) {
    const last = src[at];
    dst[to] = last;
    total = (total + (last << 8)) | 0;
  }
  const once = (total & 0xffff) + (total >>> 16);
  return add(add(once & 0xffff, once >>> 16), initial);
}

/**
 * Sums the pseudo-header of TCP and UDP: that of RFC 9293 3.1 when `src` is an IPv4 address, that of RFC 8200 8.1 otherwise.
 * `length` is that of the transport header and payload in bytes.
 */
export function pseudoHeaderSum(src: Address, dst: Address, protocol: number, length: number): number {
  let total = (src.w3 >>> 16) + (src.w3 & 0xffff) + (dst.w3 >>> 16) + (dst.w3 & 0xffff);
  total += protocol + (length >>> 16) + (length & 0xffff);
  if (!src.isV4) {
    total += (src.w0 >>> 16) + (src.w0 & 0xffff) + (src.w1 >>> 16) + (src.w1 & 0xffff);
    total += (src.w2 >>> 16) + (src.w2 & 0xffff) + (dst.w0 >>> 16) + (dst.w0 & 0xffff);
    total += (dst.w1 >>> 16) + (dst.w1 & 0xffff) + (dst.w2 >>> 16) + (dst.w2 & 0xffff);
  }
  return add(total & 0xffff, total >>> 16);
}
