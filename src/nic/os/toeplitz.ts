// The Toeplitz hash of receive-side scaling over bytes and as tables. Pure; it lies here because the lab's program in the kernel
// is made of it, and ../rss.ts predicts with it. Reference: "RSS Hashing Functions" of NDIS.

/** Bytes of key that the longest tuple uses: 36 bytes of IPv6 addresses and ports, and the window of 32 bits behind. */
export const RSS_KEY_LENGTH = 40;

/** Bytes of the longest tuple. */
export const TUPLE_BYTES = 36;

/**
 * Computes the Toeplitz hash of some bytes, as a signed int32: bit by bit as the specification has it, for checks and for inputs
 * that are no tuples. A key that is too short counts as if zeros followed.
 */
export function toeplitz(key: Uint8Array, input: Uint8Array): number {
  let hash = 0;
  for (let bit = 0; bit < input.length * 8; bit++) {
    if ((input[bit >> 3]! & (0x80 >> (bit & 7))) !== 0) hash ^= keyWindow(key, bit);
  }
  return hash;
}

/** The 32 bits of a key that begin at its bit `bit`. */
function keyWindow(key: Uint8Array, bit: number): number {
  const at = bit >> 3;
  const shift = bit & 7;
  let word = 0;
  for (let i = 0; i < 4; i++) word = (word << 8) | (key[at + i] ?? 0);
  return shift === 0 ? word : (word << shift) | ((key[at + 4] ?? 0) >> (8 - shift));
}

/**
 * Makes the tables with which a tuple is hashed byte by byte: for each of its bytes 256 words, whose exclusive or is the hash.
 * The lab's program in the kernel uses the same.
 */
export function toeplitzTables(key: Uint8Array, bytes: number = TUPLE_BYTES): Int32Array {
  const tables = new Int32Array(bytes * 256);
  for (let at = 0; at < bytes; at++) {
    for (let bit = 0; bit < 8; bit++) tables[at * 256 + (0x80 >> bit)] = keyWindow(key, at * 8 + bit);
    for (let value = 1; value < 256; value++) {
      const rest = value & (value - 1);
      if (rest === 0) continue;
      tables[at * 256 + value] = tables[at * 256 + rest]! ^ tables[at * 256 + (value ^ rest)]!;
    }
  }
  return tables;
}

/** Says whether a key hashes both directions of a connection alike, which every key does that repeats itself after 16 bits. */
export function isSymmetricKey(key: Uint8Array): boolean {
  for (let i = 2; i < Math.min(key.length, RSS_KEY_LENGTH); i++) if (key[i] !== key[i - 2]) return false;
  return true;
}
