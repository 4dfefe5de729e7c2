// What has been sent and not yet acknowledged, segment by segment in sequence order: when it last left, whether the peer has it
// (RFC 2018), whether it is deemed lost, whether it was sent again. Loss recovery (`recovery.ts`, `rack.ts`) reads and marks
// it. A ring over typed arrays, borrowed from a pool while data is in flight.

import { add, diff, geq, gt, leq, lt } from './seq.js';

/** The peer has told by SACK that it holds the segment. */
export const SACKED = 1;
/** Deemed lost; counts in `lost` until it is acknowledged or found to be alive. */
export const LOST = 2;
/** Sent again after it was deemed lost, and that copy may be in the network. */
export const REPAIRED = 4;
/** Sent more than once in its life: its acknowledgment is ambiguous (Karn). */
export const RESENT = 8;
/** Its last sequence number is a FIN. */
export const HAS_FIN = 16;

export class Scoreboard {
  /** Segments are numbered as they are sent; those from `first` up to `next` are outstanding. Index arrays with `n & mask`. */
  first = 0;
  next = 0;
  mask = 15;
  start: Int32Array = new Int32Array(16);
  end: Int32Array = new Int32Array(16);
  flags: Uint8Array = new Uint8Array(16);
  sentAt: Float64Array = new Float64Array(16);
  /** Bytes held by the peer beyond a hole, and how many segments they are. */
  sacked = 0;
  sackedCount = 0;
  /** Bytes deemed lost, and bytes of them that were sent again. */
  lost = 0;
  repaired = 0;
  /** No segment before this number waits to be repaired. */
  hint = 0;

  get count(): number {
    return this.next - this.first;
  }

  /** True while a segment deemed lost waits to be sent again. */
  get hasUnrepaired(): boolean {
    return this.lost > this.repaired;
  }

  clear(): void {
    this.first = 0;
    this.next = 0;
    this.sacked = 0;
    this.sackedCount = 0;
    this.lost = 0;
    this.repaired = 0;
    this.hint = 0;
  }

  /** Adds a segment that has just been sent for the first time, right behind the last one. */
  append(start: number, end: number, fin: boolean, now: number): void {
    if (this.count > this.mask) this.#grow();
    const at = this.next++ & this.mask;
    this.start[at] = start;
    this.end[at] = end;
    this.flags[at] = fin ? HAS_FIN : 0;
    this.sentAt[at] = now;
  }

  /** Takes the oldest segment out; it has been acknowledged. */
  shift(): void {
    const at = this.first++ & this.mask;
    this.#unmark(at, diff(this.end[at], this.start[at]));
    if (this.hint < this.first) this.hint = this.first;
  }

  /** Cuts acknowledged bytes off the front of the oldest segment. */
  trim(una: number): void {
    const at = this.first & this.mask;
    const cut = diff(una, this.start[at]);
    const flags = this.flags[at];
    if ((flags & SACKED) !== 0) this.sacked -= cut;
    if ((flags & LOST) !== 0) this.lost -= cut;
    if ((flags & REPAIRED) !== 0) this.repaired -= cut;
    this.start[at] = una;
  }

  /** Marks a segment as held by the peer. */
  sack(number: number): void {
    const at = number & this.mask;
    const length = diff(this.end[at], this.start[at]);
    this.#unmark(at, length);
    this.flags[at] = (this.flags[at] & ~(LOST | REPAIRED)) | SACKED;
    this.sacked += length;
    this.sackedCount++;
  }

  /** Deems a segment lost, or the copy of it that was sent again. */
  lose(number: number): void {
    const at = number & this.mask;
    const length = diff(this.end[at], this.start[at]);
    const flags = this.flags[at];
    if ((flags & REPAIRED) !== 0) this.repaired -= length;
    if ((flags & LOST) === 0) this.lost += length;
    this.flags[at] = (flags | LOST) & ~REPAIRED;
    if (number < this.hint) this.hint = number;
  }

  /** Notes that a segment has been sent again. */
  resend(number: number, now: number): void {
    const at = number & this.mask;
    if ((this.flags[at] & LOST) !== 0) {
      this.repaired += diff(this.end[at], this.start[at]);
      this.flags[at] |= REPAIRED;
    }
    this.flags[at] |= RESENT;
    this.sentAt[at] = now;
  }

  /** True when a segment is deemed lost and was not sent again since. */
  isUnrepaired(number: number): boolean {
    return (this.flags[number & this.mask] & (LOST | REPAIRED | SACKED)) === LOST;
  }

  hasFin(number: number): boolean {
    return (this.flags[number & this.mask] & HAS_FIN) !== 0;
  }

  /** Bytes of data in a segment. */
  payload(number: number): number {
    const at = number & this.mask;
    return diff(this.end[at], this.start[at]) - ((this.flags[at] & HAS_FIN) !== 0 ? 1 : 0);
  }

  /** The first segment that waits to be sent again, or -1. */
  firstUnrepaired(): number {
    if (!this.hasUnrepaired) return -1;
    for (; this.hint < this.next; this.hint++) {
      if (this.isUnrepaired(this.hint)) return this.hint;
    }
    return -1;
  }

  /** Forgets what the peer said it held, and deems everything lost (RFC 2018 8: the peer may have changed its mind). */
  loseAll(): void {
    this.sacked = 0;
    this.sackedCount = 0;
    this.lost = 0;
    this.repaired = 0;
    for (let i = this.first; i < this.next; i++) {
      const at = i & this.mask;
      this.flags[at] = (this.flags[at] & ~(SACKED | REPAIRED)) | LOST;
      this.lost += diff(this.end[at], this.start[at]);
    }
    this.hint = this.first;
  }

  /** Takes every verdict of loss back. */
  loseNone(): void {
    this.lost = 0;
    this.repaired = 0;
    for (let i = this.first; i < this.next; i++) this.flags[i & this.mask] &= ~(LOST | REPAIRED);
  }

  /** Cuts the segments that carry more than `mss` bytes and deems their pieces lost; the others stay as they are. */
  cut(mss: number): void {
    const count = this.count;
    // alloc: the path has changed, which is rare
    const old = new Scoreboard();
    for (let i = 0; i < count; i++) {
      const at = (this.first + i) & this.mask;
      old.append(this.start[at], this.end[at], false, this.sentAt[at]);
      old.flags[i & old.mask] = this.flags[at];
    }
    this.clear();
    for (let i = 0; i < count; i++) {
      const flags = old.flags[i & old.mask];
      const end = old.end[i & old.mask];
      const fin = (flags & HAS_FIN) !== 0;
      const isWhole = old.payload(i) <= mss || (flags & SACKED) !== 0;
      for (let from = old.start[i & old.mask]; from !== end; ) {
        const rest = diff(end, from);
        // The FIN goes with the last byte.
        const to = isWhole || rest - (fin ? 1 : 0) <= mss ? end : add(from, mss);
        this.#restore(from, to, fin && to === end, old.sentAt[i & old.mask], flags, isWhole);
        from = to;
      }
    }
  }

  /** The number of the first segment that begins at or after `seq`. */
  find(seq: number): number {
    let low = this.first;
    let high = this.next;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (lt(this.start[middle & this.mask], seq)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The invariants that tests check: contiguous from `una` to `nxt`, with sums that agree with the marks. */
  isSound(una: number, nxt: number): boolean {
    let edge = una;
    let sacked = 0;
    let lost = 0;
    let repaired = 0;
    for (let i = this.first; i < this.next; i++) {
      const at = i & this.mask;
      const length = diff(this.end[at], this.start[at]);
      const flags = this.flags[at];
      if (this.start[at] !== edge || !gt(this.end[at], this.start[at])) return false;
      if ((flags & SACKED) !== 0) sacked += length;
      if ((flags & LOST) !== 0) lost += length;
      if ((flags & REPAIRED) !== 0) repaired += length;
      if ((flags & (SACKED | LOST)) === (SACKED | LOST)) return false;
      if ((flags & REPAIRED) !== 0 && (flags & LOST) === 0) return false;
      edge = this.end[at];
    }
    return (
      leq(edge, nxt) &&
      geq(edge, nxt) &&
      sacked === this.sacked &&
      lost === this.lost &&
      repaired === this.repaired
    );
  }

  /** Adds a segment with the marks that it had, or as a lost piece of a larger one. */
  #restore(start: number, end: number, fin: boolean, sentAt: number, flags: number, isWhole: boolean): void {
    const number = this.next;
    this.append(start, end, fin, sentAt);
    const at = number & this.mask;
    if (!isWhole) {
      this.flags[at] |= RESENT;
      this.lose(number);
      return;
    }
    this.flags[at] |= flags & RESENT;
    if ((flags & SACKED) !== 0) this.sack(number);
    if ((flags & LOST) !== 0) this.lose(number);
    if ((flags & REPAIRED) !== 0) this.resend(number, sentAt);
  }

  /** Takes a segment's marks out of the sums. */
  #unmark(at: number, length: number): void {
    const flags = this.flags[at];
    if ((flags & SACKED) !== 0) {
      this.sacked -= length;
      this.sackedCount--;
    }
    if ((flags & LOST) !== 0) this.lost -= length;
    if ((flags & REPAIRED) !== 0) this.repaired -= length;
  }

  #grow(): void {
    const size = this.mask + 1;
    // alloc: the window has grown; the arrays are kept
    const start = new Int32Array(size * 2);
    // alloc: as above
    const end = new Int32Array(size * 2);
    // alloc: as above
    const flags = new Uint8Array(size * 2);
    // alloc: as above
    const sentAt = new Float64Array(size * 2);
    for (let i = this.first; i < this.next; i++) {
      const from = i & this.mask;
      const to = i & (size * 2 - 1);
      start[to] = this.start[from];
      end[to] = this.end[from];
      flags[to] = this.flags[from];
      sentAt[to] = this.sentAt[from];
    }
    this.start = start;
    this.end = end;
    this.flags = flags;
    this.sentAt = sentAt;
    this.mask = size * 2 - 1;
  }
}
