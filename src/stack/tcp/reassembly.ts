// Which bytes beyond RCV.NXT have arrived (RFC 9293 3.10.7.4, SHLD-31): a short sorted list of disjoint ranges. It also gives
// the SACK blocks, most recently changed first (RFC 2018 4).

import { diff, geq, gt, leq, lt, max } from './seq.js';

/** Ranges remembered per connection; a segment that would need one more is dropped and sent again by its sender. */
export const MAX_RANGES = 1024;
/** Ranges that there is room for at first; a queue that overflows drops every other segment for a round trip, and needs more. */
const FIRST_RANGES = 32;

export class Reassembly {
  count = 0;
  left: Int32Array = new Int32Array(FIRST_RANGES);
  right: Int32Array = new Int32Array(FIRST_RANGES);
  /** When each range last changed, by a counter. */
  #touched: Int32Array = new Int32Array(FIRST_RANGES);
  #clock = 0;

  clear(): void {
    this.count = 0;
    this.#clock = 0;
  }

  /** Adds [left, right); merges with what it touches. Returns false when the list is full. */
  insert(left: number, right: number): boolean {
    const first = this.#reaching(left);
    let last = first;
    let from = left;
    let to = right;
    while (last < this.count && leq(this.left[last], right)) {
      if (lt(this.left[last], from)) from = this.left[last];
      to = max(to, this.right[last]);
      last++;
    }
    if (last === first && this.count === MAX_RANGES) return false;
    if (last === first && this.count === this.left.length) this.#grow();
    this.#splice(first, last);
    this.left[first] = from;
    this.right[first] = to;
    if (this.#clock === 0x7ffffffe) this.#renumber();
    this.#touched[first] = ++this.#clock;
    return true;
  }

  /** Returns RCV.NXT moved over every range that now adjoins it, and forgets those ranges. */
  advance(nxt: number): number {
    let taken = 0;
    let next = nxt;
    while (taken < this.count && leq(this.left[taken], next)) {
      next = max(next, this.right[taken]);
      taken++;
    }
    if (taken > 0) {
      this.#move(taken, 0);
      this.count -= taken;
    }
    return next;
  }

  /** True when every byte of [left, right) is already here. */
  covers(left: number, right: number): boolean {
    for (let i = 0; i < this.count; i++) {
      if (leq(this.left[i], left) && geq(this.right[i], right)) return true;
    }
    return false;
  }

  /** Writes SACK blocks from place `first` up to `limit`, most recently changed first; returns how many places are filled. */
  sackBlocks(left: Int32Array, right: Int32Array, limit: number, first = 0): number {
    let written = first;
    let below = 0x7fffffff;
    while (written < limit && written - first < this.count) {
      let newest = -1;
      let stamp = -1;
      for (let i = 0; i < this.count; i++) {
        if (this.#touched[i] < below && this.#touched[i] > stamp) {
          newest = i;
          stamp = this.#touched[i];
        }
      }
      left[written] = this.left[newest];
      right[written] = this.right[newest];
      below = stamp;
      written++;
    }
    return written;
  }

  /** Bytes held in all ranges. */
  get bytes(): number {
    let total = 0;
    for (let i = 0; i < this.count; i++) total += diff(this.right[i], this.left[i]);
    return total;
  }

  /** Right end of the last range; only when `count` > 0. */
  get end(): number {
    return this.right[this.count - 1];
  }

  /** True when the list is sorted, disjoint and above `nxt`: the invariant that tests check. */
  isSound(nxt: number): boolean {
    let previous = nxt;
    for (let i = 0; i < this.count; i++) {
      if (!gt(this.left[i], previous) || !gt(this.right[i], this.left[i])) return false;
      previous = this.right[i];
    }
    return true;
  }

  /** The first range that ends at or after `seq`. */
  #reaching(seq: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (lt(this.right[middle], seq)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #grow(): void {
    const size = this.left.length * 2;
    // alloc: more holes than ever before; the arrays are kept
    const left = new Int32Array(size);
    // alloc: as above
    const right = new Int32Array(size);
    // alloc: as above
    const touched = new Int32Array(size);
    left.set(this.left);
    right.set(this.right);
    touched.set(this.#touched);
    this.left = left;
    this.right = right;
    this.#touched = touched;
  }

  /** Replaces the ranges from `first` up to `last` by one free place. */
  #splice(first: number, last: number): void {
    this.#move(last, first + 1);
    this.count += first + 1 - last;
  }

  /** After 2^31 changes the order of the past ones is given up. */
  #renumber(): void {
    for (let i = 0; i < this.count; i++) this.#touched[i] = i;
    this.#clock = this.count;
  }

  #move(from: number, to: number): void {
    const end = this.count;
    if (from === to) return;
    this.left.copyWithin(to, from, end);
    this.right.copyWithin(to, from, end);
    this.#touched.copyWithin(to, from, end);
  }
}
