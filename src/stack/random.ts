// The one pseudo-random generator of the project: small, fast, seeded, and the same on every machine, so that a failure
// replays from its seed. It is a leaf without imports: faults, simulations and tests use it. Not for secrets: initial
// sequence numbers and ports of a real interface are fed from a keyed source by whoever makes the stack.

/** A source of uniformly distributed signed 32-bit integers. */
export type Random = () => number;

/**
 * Creates a generator (xoshiro128**, seeded through splitmix32). Equal seeds give equal sequences; the period is 2^128 - 1.
 *
 * @param seed any number; it is taken modulo 2^32
 * @returns a function that returns a uniform int32 and allocates nothing
 */
export function createRandom(seed: number): Random {
  let mix = seed | 0;
  const splitmix = () => {
    mix = (mix + 0x9e3779b9) | 0;
    let z = mix;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  };
  // The four words are values of one bijection at four different points, so at most one of them is zero.
  let a = splitmix();
  let b = splitmix();
  let c = splitmix();
  let d = splitmix();
  return () => {
    const fived = Math.imul(b, 5);
    const result = Math.imul((fived << 7) | (fived >>> 25), 9);
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result;
  };
}

/**
 * Draws a uniform integer in [0, n). The bias is below n / 2^32.
 *
 * @param n 1 to 2^32
 */
export function below(random: Random, n: number): number {
  return Math.floor(((random() >>> 0) / 0x1_0000_0000) * n);
}

/** Draws true with the given probability, from 0 (never) to 1 (always). Draws one number whatever the probability. */
export function chance(random: Random, probability: number): boolean {
  return (random() >>> 0) / 0x1_0000_0000 < probability;
}
