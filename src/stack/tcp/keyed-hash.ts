// HalfSipHash-2-4 (Aumasson and Bernstein's SipHash with 32-bit words): a keyed hash of a few 32-bit words, for initial
// sequence numbers, ports and timestamp offsets, so that none can be guessed from outside.

export class KeyedHash {
  readonly #k0: number;
  readonly #k1: number;

  constructor(k0: number, k1: number) {
    this.#k0 = k0 | 0;
    this.#k1 = k1 | 0;
  }

  /** Hashes four words to one, a signed int32. */
  hash(a: number, b: number, c: number, d: number): number {
    let v0 = this.#k0;
    let v1 = this.#k1;
    let v2 = this.#k0 ^ 0x6c796765;
    let v3 = this.#k1 ^ 0x74656462;
    // Six words: the four of the message, the length word, and the finalization with its four rounds.
    for (let i = 0; i < 6; i++) {
      const word = i === 0 ? a : i === 1 ? b : i === 2 ? c : i === 3 ? d : i === 4 ? 16 << 24 : 0;
      if (i === 5) v2 ^= 0xff;
      v3 ^= word;
      const rounds = i === 5 ? 4 : 2;
      for (let r = 0; r < rounds; r++) {
        v0 = (v0 + v1) | 0;
        v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
        v0 = (v0 << 16) | (v0 >>> 16);
        v2 = (v2 + v3) | 0;
        v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
        v0 = (v0 + v3) | 0;
        v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
        v2 = (v2 + v1) | 0;
        v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
        v2 = (v2 << 16) | (v2 >>> 16);
      }
      v0 ^= word;
    }
    return v1 ^ v3;
  }
}
