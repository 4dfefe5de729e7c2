// The queue that mTCP itself would predict: its fixed key of bytes 0x05, and an indirection table filled in turn over a number of
// cores. For programs that bring mTCP's assumptions along (a device set up for them); what a device really does is in rss.ts.

import { RXH_TUPLE } from './nic.js';
import { RSS_KEY_LENGTH } from './os/toeplitz.js';
import { Rss } from './rss.js';

/** mTCP's key. With it the hash depends on the exclusive or of the tuple's bytes only, so that it has but 64 values. */
export const MTCP_RSS_KEY: Uint8Array = new Uint8Array(RSS_KEY_LENGTH).fill(5);

const fixed = Rss.of({
  hash: 'toeplitz',
  key: MTCP_RSS_KEY,
  table: [0],
  tcp4: RXH_TUPLE,
  tcp6: RXH_TUPLE,
  fieldsTold: true,
  transform: 'none',
})!;

/** Computes mTCP's `GetRSSHash`, as a signed int32. The key makes the order of bytes and of the two ends unimportant. */
export function mtcpRssHash(src: number, dst: number, srcPort: number, dstPort: number): number {
  return fixed.hashV4(src | 0, dst | 0, srcPort & 0xffff, dstPort & 0xffff);
}

/**
 * Computes mTCP's `GetRSSCPUCore`: the queue among `queues` on a device with mTCP's key.
 *
 * @param endianCheck 1: the table is that of an i40e (512 entries in words of reversed bytes); 0: that of an ixgbe or mlx (128
 *   entries); `util`: the variant with five arguments of mTCP's util/ and of mOS (128 entries, reversed)
 */
export function mtcpRssQueue(
  src: number,
  dst: number,
  srcPort: number,
  dstPort: number,
  queues: number,
  endianCheck: 0 | 1 | 'util',
): number {
  const hash = mtcpRssHash(src, dst, srcPort, dstPort);
  const entry = hash & (endianCheck === 1 ? 0x1ff : 0x7f);
  // Entries within each group of four are reversed: the last two bits count down.
  return (endianCheck === 0 ? entry : entry ^ 3) % queues;
}
