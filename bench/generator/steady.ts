// When a server that is warming up has become as fast as it will be. One that V8 compiles while it runs may take seconds until then, on a
// slow machine, and one in C is there at once: a fixed time is too short for the one and wasted on the other.

/** The rate is taken of windows of so many ms. */
export const WINDOW_MS = 100;
/** So many of them in a row are to be near the best one. */
const WINDOWS = 3;
const NEAR = 0.95;

/** Whether a warm-up is over. bench/raw/steady.h is the same in C. */
export class Steady {
  readonly #leastMs: number;
  readonly #mostMs: number;
  #best = 0;
  #inARow = 0;

  constructor(leastMs: number, mostMs: number) {
    this.#leastMs = leastMs;
    this.#mostMs = mostMs;
  }

  /** Takes the rate of a window that has ended `ms` after the warm-up began; true when it is over. */
  add(rate: number, ms: number): boolean {
    const isNear = rate >= this.#best * NEAR;
    // A rate that is much beyond the best one begins anew.
    this.#inARow = !isNear || rate === 0 ? 0 : rate * NEAR > this.#best ? 1 : this.#inARow + 1;
    if (rate > this.#best) this.#best = rate;
    return ms >= this.#mostMs || (ms >= this.#leastMs && this.#inARow >= WINDOWS);
  }
}
