// Which ranges were sent again lately. A D-SACK of anything else tells of a duplicate that the network has made: it says nothing
// about our retransmissions, and must neither undo a recovery nor make RACK more patient (RFC 3708 3, RFC 8985 6.2 step 4).

import { gt, lt } from './seq.js';

/** Ranges kept: D-SACKs come a round trip after what they tell of. */
const KEPT = 32;

export class Repairs {
  readonly #left: Int32Array = new Int32Array(KEPT);
  readonly #right: Int32Array = new Int32Array(KEPT);
  #noted = 0;

  clear(): void {
    this.#noted = 0;
  }

  /** [left, right) leaves again. */
  note(left: number, right: number): void {
    const last = (this.#noted - 1) & (KEPT - 1);
    if (this.#noted > 0 && this.#right[last] === left) {
      this.#right[last] = right;
      return;
    }
    const at = this.#noted & (KEPT - 1);
    this.#left[at] = left;
    this.#right[at] = right;
    // Goes round among the numbers that say that all places are taken.
    this.#noted = this.#noted === 2 * KEPT - 1 ? KEPT : this.#noted + 1;
  }

  /** True when something of [left, right) was sent again. */
  touch(left: number, right: number): boolean {
    for (let i = Math.min(this.#noted, KEPT) - 1; i >= 0; i--) {
      if (lt(this.#left[i], right) && gt(this.#right[i], left)) return true;
    }
    return false;
  }
}
