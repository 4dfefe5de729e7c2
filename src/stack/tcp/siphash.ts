// SipHash-2-4 (Aumasson and Bernstein) of eight bytes, in halves of 32 bits: the cookies of Fast Open are made by it on Linux, so that
// machines that share a key take each other's (RFC 7413 4.1.2).

/** A key and the state of the computation. */
export class SipHash {
  readonly #key: Int32Array;
  /** v0 to v3, the low half of each before the high one. */
  readonly #v = new Int32Array(8);
  /** The result. */
  low = 0;
  high = 0;

  /** @param key 16 bytes */
  constructor(key: Uint8Array) {
    const view = new DataView(key.buffer, key.byteOffset, 16);
    this.#key = Int32Array.from([0, 4, 8, 12], (at) => view.getInt32(at, true));
  }

  /** Hashes eight bytes, given as two little-endian words, into `low` and `high`. */
  hash(low: number, high: number): void {
    const v = this.#v;
    const [k0, k1, k2, k3] = this.#key;
    v[0] = k0 ^ 0x70736575;
    v[1] = k1 ^ 0x736f6d65;
    v[2] = k2 ^ 0x6e646f6d;
    v[3] = k3 ^ 0x646f7261;
    v[4] = k0 ^ 0x6e657261;
    v[5] = k1 ^ 0x6c796765;
    v[6] = k2 ^ 0x79746573;
    v[7] = k3 ^ 0x74656462;
    this.#word(low, high);
    // The last word holds the length of the message.
    this.#word(0, 8 << 24);
    v[4] ^= 0xff;
    for (let i = 0; i < 4; i++) this.#round();
    this.low = v[0] ^ v[2] ^ v[4] ^ v[6];
    this.high = v[1] ^ v[3] ^ v[5] ^ v[7];
  }

  #word(low: number, high: number): void {
    const v = this.#v;
    v[6] ^= low;
    v[7] ^= high;
    this.#round();
    this.#round();
    v[0] ^= low;
    v[1] ^= high;
  }

  #round(): void {
    const v = this.#v;
    add(v, 0, 2);
    rotate(v, 2, 13);
    xor(v, 2, 0);
    swap(v, 0);
    add(v, 4, 6);
    rotate(v, 6, 16);
    xor(v, 6, 4);
    add(v, 0, 6);
    rotate(v, 6, 21);
    xor(v, 6, 0);
    add(v, 4, 2);
    rotate(v, 2, 17);
    xor(v, 2, 4);
    swap(v, 4);
  }
}

function add(v: Int32Array, to: number, from: number): void {
  const low = (v[to] >>> 0) + (v[from] >>> 0);
  v[to] = low;
  v[to + 1] = v[to + 1] + v[from + 1] + (low > 0xffffffff ? 1 : 0);
}

function xor(v: Int32Array, to: number, from: number): void {
  v[to] ^= v[from];
  v[to + 1] ^= v[from + 1];
}

/** Turns left by fewer than 32 bits. */
function rotate(v: Int32Array, at: number, bits: number): void {
  const low = v[at];
  const high = v[at + 1];
  v[at] = (low << bits) | (high >>> (32 - bits));
  v[at + 1] = (high << bits) | (low >>> (32 - bits));
}

/** Turns left by 32 bits. */
function swap(v: Int32Array, at: number): void {
  const low = v[at];
  v[at] = v[at + 1];
  v[at + 1] = low;
}
