// Bytes that both ends of an interop test can make by themselves: a pseudo-random block of prime length, again and again, so
// that a byte in the wrong place is never the right byte.

import { createHash } from 'node:crypto';
import { createRandom } from '../../src/stack/random.js';

const BLOCK = 65_521;

const block = (() => {
  const random = createRandom(20_260_101);
  return Uint8Array.from({ length: BLOCK }, () => random() & 255);
})();

/** Two blocks in a row, so that any stretch of one block's length is one piece. */
const twice = new Uint8Array(2 * BLOCK);
twice.set(block, 0);
twice.set(block, BLOCK);

/** The bytes of the stream from `position` on, `length` at most one block. */
export function patternAt(position: number, length: number): Uint8Array {
  const start = position % BLOCK;
  return twice.subarray(start, start + length);
}

/** SHA-256 of the first `total` bytes of the stream, in hexadecimal. */
export function patternHash(total: number): string {
  const hash = createHash('sha256');
  for (let at = 0; at < total; at += BLOCK) hash.update(patternAt(at, Math.min(BLOCK, total - at)));
  return hash.digest('hex');
}
