// The segments that may be in the network, in the order in which they last left: RACK looks at them from the oldest on and stops
// at the first that left too late, so that an ACK costs what it tells and not what the window holds (RFC 8985 6.2 step 5). A
// doubly linked list over the rows of the scoreboard, which alone is built on it.

import { NEWER, OLDER, SegmentRows } from './segment-rows.js';

/** No slot. */
export const NO_SLOT = -1;

export class SendOrder extends SegmentRows {
  /** Slots of the segments that left first and last. */
  oldest: number = NO_SLOT;
  newest: number = NO_SLOT;

  protected clearOrder(): void {
    this.oldest = NO_SLOT;
    this.newest = NO_SLOT;
  }

  /** The slot of the segment that left next, or NO_SLOT. */
  newerThan(slot: number): number {
    return this.words[this.wordOf(slot, NEWER)];
  }

  /** The slot of the segment that left just before, or NO_SLOT. */
  olderThan(slot: number): number {
    return this.words[this.wordOf(slot, OLDER)];
  }

  /** Enters a segment right behind `older`, or in front of all others for NO_SLOT. One that leaves now belongs behind the newest. */
  protected enter(slot: number, older: number): void {
    const { words } = this;
    const newer = older === NO_SLOT ? this.oldest : words[this.wordOf(older, NEWER)];
    words[this.wordOf(slot, OLDER)] = older;
    words[this.wordOf(slot, NEWER)] = newer;
    if (older === NO_SLOT) this.oldest = slot;
    else words[this.wordOf(older, NEWER)] = slot;
    if (newer === NO_SLOT) this.newest = slot;
    else words[this.wordOf(newer, OLDER)] = slot;
  }

  /** Takes a segment out that is in the list. */
  protected leave(slot: number): void {
    const { words } = this;
    const older = words[this.wordOf(slot, OLDER)];
    const newer = words[this.wordOf(slot, NEWER)];
    if (older === NO_SLOT) this.oldest = newer;
    else words[this.wordOf(older, NEWER)] = newer;
    if (newer === NO_SLOT) this.newest = older;
    else words[this.wordOf(newer, OLDER)] = older;
  }
}
