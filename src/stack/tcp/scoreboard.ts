// What has been sent and not yet acknowledged, segment by segment in sequence order: when it last left, whether the peer has it
// (RFC 2018), whether it is deemed lost, whether it was sent again. Loss recovery (`recovery.ts`, `rack.ts`) reads and marks
// it. A ring over typed arrays, borrowed from a pool while data is in flight.

import type { Micros } from '../clock.js';
import { Departures } from './departures.js';
import { NO_SLOT, SendOrder } from './send-order.js';
import { add, diff, gt, lt } from './seq.js';

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

const FIRST_SIZE = 16;
/** Numbers of segments are kept below this, so that they stay small integers. */
const REBASE_AT = 1 << 29;
/** SACK blocks remembered, as many as an option holds. */
const KNOWN_BLOCKS = 4;

export class Scoreboard {
  /** Segments are numbered as they are sent; those from `first` up to `next` are outstanding. Index arrays with `n & mask`. */
  first = 0;
  next = 0;
  mask: number = FIRST_SIZE - 1;
  start: Int32Array = new Int32Array(FIRST_SIZE);
  end: Int32Array = new Int32Array(FIRST_SIZE);
  flags: Uint8Array = new Uint8Array(FIRST_SIZE);
  sentAt: Float64Array = new Float64Array(FIRST_SIZE);
  /** What may be in the network, by the time when it last left. */
  order: SendOrder = new SendOrder(FIRST_SIZE);
  /** What was known of delivery when each segment last left. */
  departures: Departures = new Departures(FIRST_SIZE);
  /** C.first_send_time and C.delivered_time (delivery.ts). */
  firstSentAt: Micros = 0.5;
  deliveredAt: Micros = 0.5;
  /** Bytes held by the peer beyond a hole, and how many segments they are. */
  sacked = 0;
  sackedCount = 0;
  /** Bytes deemed lost, and bytes of them that were sent again. */
  lost = 0;
  repaired = 0;
  /** No segment before this number waits to be repaired. */
  hint = 0;
  /** SACK blocks all of whose segments are marked: what an ACK repeats of them need not be looked at again. */
  readonly knownLeft: Int32Array = new Int32Array(KNOWN_BLOCKS);
  readonly knownRight: Int32Array = new Int32Array(KNOWN_BLOCKS);

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
    this.order.clear();
    this.forgetBlocks();
  }

  /** Adds a segment that has just been sent for the first time, right behind the last one. */
  append(start: number, end: number, fin: boolean, now: number): void {
    if (this.count > this.mask) this.#grow();
    if (this.next === REBASE_AT) this.#rebase();
    const at = this.next++ & this.mask;
    this.start[at] = start;
    this.end[at] = end;
    this.flags[at] = fin ? HAS_FIN : 0;
    this.sentAt[at] = now;
    this.order.push(at);
  }

  /** Takes the oldest segment out; it has been acknowledged. */
  shift(): void {
    const at = this.first++ & this.mask;
    this.#unmark(at);
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
    this.#unmark(at);
    this.flags[at] = (this.flags[at] & ~(LOST | REPAIRED)) | SACKED;
    this.sacked += diff(this.end[at], this.start[at]);
    this.sackedCount++;
  }

  /** Deems a segment lost, or the copy of it that was sent again. Returns how many bytes that is news of. */
  lose(number: number): number {
    const at = number & this.mask;
    const flags = this.flags[at];
    if (!mayBeOut(flags)) return 0;
    const length = diff(this.end[at], this.start[at]);
    this.order.remove(at);
    if ((flags & REPAIRED) !== 0) this.repaired -= length;
    if ((flags & LOST) === 0) this.lost += length;
    this.flags[at] = (flags | LOST) & ~REPAIRED;
    if (number < this.hint) this.hint = number;
    return length;
  }

  /** Notes that a segment has been sent again. */
  resend(number: number, now: number): void {
    const at = number & this.mask;
    const flags = this.flags[at];
    if (mayBeOut(flags)) this.order.remove(at);
    if ((flags & (LOST | REPAIRED)) === LOST) {
      this.repaired += diff(this.end[at], this.start[at]);
      this.flags[at] |= REPAIRED;
    }
    this.flags[at] |= RESENT;
    this.sentAt[at] = now;
    if ((flags & SACKED) === 0) this.order.push(at);
  }

  /** The number of the segment in a slot. */
  numberAt(slot: number): number {
    return this.first + ((slot - this.first) & this.mask);
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

  /** True when SND.UNA stands at something that the peer had said it held: it has changed its mind (RFC 2018 8). */
  get isReneged(): boolean {
    return this.count > 0 && (this.flags[this.first & this.mask] & SACKED) !== 0;
  }

  /** Forgets what the peer said it held, and deems everything lost. */
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
    this.order.clear();
    this.forgetBlocks();
  }

  /** Takes every verdict of loss back. */
  loseNone(): void {
    for (let i = this.first; i < this.next; i++) this.flags[i & this.mask] &= ~(LOST | REPAIRED);
    this.#recount();
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
      old.departures.copy(this.departures, at, i & old.mask);
    }
    this.clear();
    for (let i = 0; i < count; i++) {
      const at = i & old.mask;
      const flags = old.flags[at];
      const end = old.end[at];
      const fin = flags & HAS_FIN;
      const isWhole = old.payload(i) <= mss || (flags & SACKED) !== 0;
      for (let from = old.start[at]; from !== end; ) {
        // The FIN goes with the last byte.
        const rest = diff(end, from) - (fin === 0 ? 0 : 1);
        const to = isWhole || rest <= mss ? end : add(from, mss);
        const number = this.next;
        this.append(from, to, false, old.sentAt[at]);
        this.departures.copy(old.departures, at, number & this.mask);
        this.flags[number & this.mask] = isWhole ? flags : RESENT | LOST | (to === end ? fin : 0);
        from = to;
      }
    }
    this.#recount();
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

  /** The invariants that tests check: contiguous from `una` to `nxt`, sums that agree with the marks, and the order of sending. */
  isSound(una: number, nxt: number): boolean {
    let edge = una;
    let sacked = 0;
    let sackedCount = 0;
    let lost = 0;
    let repaired = 0;
    let out = 0;
    for (let i = this.first; i < this.next; i++) {
      const at = i & this.mask;
      const length = diff(this.end[at], this.start[at]);
      const flags = this.flags[at];
      if (this.start[at] !== edge || !gt(this.end[at], this.start[at])) return false;
      if ((flags & SACKED) !== 0) sackedCount++;
      if ((flags & SACKED) !== 0) sacked += length;
      if ((flags & LOST) !== 0) lost += length;
      if ((flags & REPAIRED) !== 0) repaired += length;
      if ((flags & (SACKED | LOST)) === (SACKED | LOST)) return false;
      if ((flags & REPAIRED) !== 0 && (flags & LOST) === 0) return false;
      if (i < this.hint && this.isUnrepaired(i)) return false;
      if (mayBeOut(flags)) out++;
      edge = this.end[at];
    }
    const agrees = sacked === this.sacked && lost === this.lost && repaired === this.repaired;
    return agrees && edge === nxt && sackedCount === this.sackedCount && this.#isOrdered(out);
  }

  /** True when the order of sending holds `count` segments, each where it belongs. */
  #isOrdered(count: number): boolean {
    const { order } = this;
    let seen = 0;
    let older = NO_SLOT;
    for (let slot = order.oldest; slot !== NO_SLOT; slot = order.newerThan(slot)) {
      if (order.olderThan(slot) !== older || !mayBeOut(this.flags[slot])) return false;
      if (older !== NO_SLOT && this.sentAt[older] > this.sentAt[slot]) return false;
      if (this.numberAt(slot) >= this.next || ++seen > count) return false;
      older = slot;
    }
    return seen === count && order.newest === older;
  }

  /** Takes a segment's marks out of the sums, and the segment out of the order. */
  #unmark(at: number): void {
    const flags = this.flags[at];
    const length = diff(this.end[at], this.start[at]);
    if (mayBeOut(flags)) this.order.remove(at);
    if ((flags & SACKED) !== 0) {
      this.sacked -= length;
      this.sackedCount--;
    }
    if ((flags & LOST) !== 0) this.lost -= length;
    if ((flags & REPAIRED) !== 0) this.repaired -= length;
  }

  /** Nothing is known to be marked any more. A loop, since `fill` leaves the compiled code for a few words. */
  forgetBlocks(): void {
    for (let i = 0; i < KNOWN_BLOCKS; i++) {
      this.knownLeft[i] = 0;
      this.knownRight[i] = 0;
    }
  }

  /** Makes sums and order anew from the marks. */
  #recount(): void {
    this.sacked = 0;
    this.sackedCount = 0;
    this.lost = 0;
    this.repaired = 0;
    this.hint = this.first;
    this.order.clear();
    let near = NO_SLOT;
    for (let i = this.first; i < this.next; i++) {
      const at = i & this.mask;
      const flags = this.flags[at];
      const length = diff(this.end[at], this.start[at]);
      if ((flags & SACKED) !== 0) {
        this.sacked += length;
        this.sackedCount++;
      }
      if ((flags & LOST) !== 0) this.lost += length;
      if ((flags & REPAIRED) !== 0) this.repaired += length;
      if (!mayBeOut(flags)) continue;
      this.#insertByTime(at, near);
      near = at;
    }
  }

  /** Enters a segment where its time belongs. The search begins at `near`, for times mostly rise with numbers. */
  #insertByTime(at: number, near: number): void {
    const { order, sentAt } = this;
    let older = near;
    while (older !== NO_SLOT && sentAt[older] > sentAt[at]) older = order.olderThan(older);
    let newer = older === NO_SLOT ? order.oldest : order.newerThan(older);
    while (newer !== NO_SLOT && sentAt[newer] <= sentAt[at]) {
      older = newer;
      newer = order.newerThan(newer);
    }
    order.insert(at, older);
  }

  /** Numbers the segments anew; every one stays in its slot. */
  #rebase(): void {
    const less = this.first & ~this.mask;
    this.first -= less;
    this.next -= less;
    this.hint -= less;
  }

  #grow(): void {
    const size = (this.mask + 1) * 2;
    // alloc: the window has grown; the arrays are kept
    const start = new Int32Array(size);
    // alloc: as above
    const end = new Int32Array(size);
    // alloc: as above
    const flags = new Uint8Array(size);
    // alloc: as above
    const sentAt = new Float64Array(size);
    // alloc: as above
    const order = new SendOrder(size);
    // alloc: as above
    const departures = new Departures(size);
    for (let i = this.first; i < this.next; i++) {
      const from = i & this.mask;
      const to = i & (size - 1);
      start[to] = this.start[from];
      end[to] = this.end[from];
      flags[to] = this.flags[from];
      sentAt[to] = this.sentAt[from];
      departures.copy(this.departures, from, to);
    }
    for (let slot = this.order.oldest; slot !== NO_SLOT; slot = this.order.newerThan(slot)) {
      order.push(this.numberAt(slot) & (size - 1));
    }
    this.start = start;
    this.end = end;
    this.flags = flags;
    this.sentAt = sentAt;
    this.order = order;
    this.departures = departures;
    this.mask = size - 1;
  }
}

/** True for a segment of which a copy may be in the network. */
function mayBeOut(flags: number): boolean {
  return (flags & SACKED) === 0 && (flags & (LOST | REPAIRED)) !== LOST;
}
