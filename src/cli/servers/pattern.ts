// Bytes that anyone can compute: byte i of the pattern depends on i alone, and the period is a prime that is neither a
// power of two nor a multiple of a segment, so that a byte lost, doubled or moved shows. The http server sends it under
// /bytes/N, the clients and tests compare with it.

/** Length after which the pattern repeats: the largest prime below 65,536. */
export const PATTERN_PERIOD = 65_521;

/** Up to so many bytes a loop is faster. */
const SHORT = 128;

// Two periods and a bit, so that any stretch of up to 64 KiB is contiguous.
const TABLE: Buffer = makeTable();

function makeTable(): Buffer {
  const table = Buffer.alloc(PATTERN_PERIOD + 65_536);
  let state = 0x2545f491;
  for (let i = 0; i < PATTERN_PERIOD; i++) {
    // xorshift32 (Marsaglia 2003).
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    table[i] = state & 0xff;
  }
  table.copy(table, PATTERN_PERIOD, 0, PATTERN_PERIOD);
  table.copy(table, 2 * PATTERN_PERIOD, 0, 65_536 - PATTERN_PERIOD);
  return table;
}

/** Writes the pattern's bytes from `position` on into `target[offset, offset + length)`; length is at most 65,536. */
export function copyPattern(target: Uint8Array, offset: number, length: number, position: number): void {
  const start = position % PATTERN_PERIOD;
  // A call takes longer than a few bytes.
  if (length <= SHORT) for (let i = 0; i < length; i++) target[offset + i] = TABLE[start + i];
  else TABLE.copy(target, offset, start, start + length);
}

/** Gives the first `length` bytes of the pattern. */
export function patternBytes(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at += 65_536) copyPattern(bytes, at, Math.min(65_536, length - at), at);
  return bytes;
}

/** Finds the first of `bytes[offset, offset + length)` that differs from the pattern from `position` on; -1 for none. */
export function findDifference(bytes: Uint8Array, offset: number, length: number, position: number): number {
  for (let done = 0; done < length; ) {
    const part = Math.min(65_536, length - done);
    const start = (position + done) % PATTERN_PERIOD;
    if (TABLE.compare(bytes, offset + done, offset + done + part, start, start + part) !== 0) {
      for (let i = 0; i < part; i++) if (bytes[offset + done + i] !== TABLE[start + i]) return done + i;
    }
    done += part;
  }
  return -1;
}
