// The segments that may be in the network, in the order in which they last left: RACK looks at them from the oldest on and stops
// at the first that left too late, so that an ACK costs what it tells and not what the window holds (RFC 8985 6.2 step 5). A
// doubly linked list over the slots of the scoreboard, which alone uses it.

/** No slot. */
export const NO_SLOT = -1;

export class SendOrder {
  /** Slots of the segments that left first and last. */
  oldest: number = NO_SLOT;
  newest: number = NO_SLOT;
  readonly #older: Int32Array;
  readonly #newer: Int32Array;

  constructor(slots: number) {
    this.#older = new Int32Array(slots);
    this.#newer = new Int32Array(slots);
  }

  clear(): void {
    this.oldest = NO_SLOT;
    this.newest = NO_SLOT;
  }

  /** The slot of the segment that left next, or NO_SLOT. */
  newerThan(slot: number): number {
    return this.#newer[slot];
  }

  /** The slot of the segment that left just before, or NO_SLOT. */
  olderThan(slot: number): number {
    return this.#older[slot];
  }

  /** Enters a segment that leaves now. */
  push(slot: number): void {
    this.insert(slot, this.newest);
  }

  /** Enters a segment right behind `older`, or in front of all others for NO_SLOT. */
  insert(slot: number, older: number): void {
    const newer = older === NO_SLOT ? this.oldest : this.#newer[older];
    this.#older[slot] = older;
    this.#newer[slot] = newer;
    if (older === NO_SLOT) this.oldest = slot;
    else this.#newer[older] = slot;
    if (newer === NO_SLOT) this.newest = slot;
    else this.#older[newer] = slot;
  }

  /** Takes a segment out that is in the list. */
  remove(slot: number): void {
    const older = this.#older[slot];
    const newer = this.#newer[slot];
    if (older === NO_SLOT) this.oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NO_SLOT) this.newest = older;
    else this.#older[newer] = older;
  }
}
