// What has been sent and not yet acknowledged, segment by segment in sequence order: when it last left, whether the peer has it
// (RFC 2018), whether it is deemed lost, whether it was sent again. Loss recovery (`recovery.ts`, `rack.ts`) reads and marks
// it. A ring of slots (`segment-rows.ts`), borrowed from a pool while data is in flight.

import type { RowStore } from './segment-rows.js';
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

export class Scoreboard extends SendOrder {
  /** Segments are numbered as they are sent; those from `first` up to `next` are outstanding. Their slots are `n & mask`. */
  first = 0;
  next = 0;
  mask: number = FIRST_SIZE - 1;
  /** Bytes held by the peer beyond a hole, and how many segments they are. */
  sacked = 0;
  sackedCount = 0;
  /** Bytes deemed lost, and bytes of them that were sent again. */
  lost = 0;
  repaired = 0;
  /** No segment before this number waits to be repaired. */
  hint = 0;
  /** Some SACK block is known. */
  #hasKnown = false;

  /** `store` has the first rows; a scoreboard by itself has its own. */
  constructor(store?: RowStore) {
    super(FIRST_SIZE, store);
  }

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
    this.clearOrder();
    this.forgetBlocks();
  }

  /** Adds a segment that has just been sent for the first time, right behind the last one. */
  append(start: number, end: number, fin: boolean, now: number): void {
    if (this.count > this.mask) this.#grow();
    if (this.next === REBASE_AT) this.#rebase();
    const at = this.next++ & this.mask;
    this.setSegment(at, start, end, fin ? HAS_FIN : 0, now);
    this.enter(at, this.newest);
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
    const cut = diff(una, this.startAt(at));
    const flags = this.flagsAt(at);
    if ((flags & SACKED) !== 0) this.sacked -= cut;
    if ((flags & LOST) !== 0) this.lost -= cut;
    if ((flags & REPAIRED) !== 0) this.repaired -= cut;
    this.setStart(at, una);
  }

  /** Marks a segment as held by the peer. */
  sack(number: number): void {
    const at = number & this.mask;
    this.#unmark(at);
    this.setFlags(at, (this.flagsAt(at) & ~(LOST | REPAIRED)) | SACKED);
    this.sacked += diff(this.endAt(at), this.startAt(at));
    this.sackedCount++;
  }

  /** Deems a segment lost, or the copy of it that was sent again. Returns how many bytes that is news of. */
  lose(number: number): number {
    const at = number & this.mask;
    const flags = this.flagsAt(at);
    if (!mayBeOut(flags)) return 0;
    const length = diff(this.endAt(at), this.startAt(at));
    this.leave(at);
    if ((flags & REPAIRED) !== 0) this.repaired -= length;
    if ((flags & LOST) === 0) this.lost += length;
    this.setFlags(at, (flags | LOST) & ~REPAIRED);
    if (number < this.hint) this.hint = number;
    return length;
  }

  /** Notes that a segment has been sent again. */
  resend(number: number, now: number): void {
    const at = number & this.mask;
    const flags = this.flagsAt(at);
    if (mayBeOut(flags)) this.leave(at);
    if ((flags & (LOST | REPAIRED)) === LOST) {
      this.repaired += diff(this.endAt(at), this.startAt(at));
      this.setFlags(at, flags | REPAIRED);
    }
    this.setFlags(at, this.flagsAt(at) | RESENT);
    this.setSentAt(at, now);
    if ((flags & SACKED) === 0) this.enter(at, this.newest);
  }

  /** The number of the segment in a slot. */
  numberAt(slot: number): number {
    return this.first + ((slot - this.first) & this.mask);
  }

  /** True when a segment is deemed lost and was not sent again since. */
  isUnrepaired(number: number): boolean {
    return (this.flagsAt(number & this.mask) & (LOST | REPAIRED | SACKED)) === LOST;
  }

  hasFin(number: number): boolean {
    return (this.flagsAt(number & this.mask) & HAS_FIN) !== 0;
  }

  /** Bytes of data in a segment. */
  payload(number: number): number {
    const at = number & this.mask;
    return diff(this.endAt(at), this.startAt(at)) - ((this.flagsAt(at) & HAS_FIN) !== 0 ? 1 : 0);
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
    return this.count > 0 && (this.flagsAt(this.first & this.mask) & SACKED) !== 0;
  }

  /** Forgets what the peer said it held, and deems everything lost. */
  loseAll(): void {
    this.sacked = 0;
    this.sackedCount = 0;
    this.lost = 0;
    this.repaired = 0;
    for (let i = this.first; i < this.next; i++) {
      const at = i & this.mask;
      this.setFlags(at, (this.flagsAt(at) & ~(SACKED | REPAIRED)) | LOST);
      this.lost += diff(this.endAt(at), this.startAt(at));
    }
    this.hint = this.first;
    this.clearOrder();
    this.forgetBlocks();
  }

  /** Takes every verdict of loss back. */
  loseNone(): void {
    for (let i = this.first; i < this.next; i++) {
      const at = i & this.mask;
      this.setFlags(at, this.flagsAt(at) & ~(LOST | REPAIRED));
    }
    this.#recount();
  }

  /** Cuts the segments that carry more than `mss` bytes and deems their pieces lost; the others stay as they are. */
  cut(mss: number): void {
    const count = this.count;
    // alloc: the path has changed, which is rare
    const old = new Scoreboard();
    for (let i = 0; i < count; i++) {
      const at = (this.first + i) & this.mask;
      old.append(this.startAt(at), this.endAt(at), false, this.sentAt(at));
      old.copyRow(this, at, i & old.mask);
    }
    this.clear();
    for (let i = 0; i < count; i++) {
      const at = i & old.mask;
      const flags = old.flagsAt(at);
      const end = old.endAt(at);
      const fin = flags & HAS_FIN;
      const isWhole = old.payload(i) <= mss || (flags & SACKED) !== 0;
      for (let from = old.startAt(at); from !== end; ) {
        // The FIN goes with the last byte.
        const rest = diff(end, from) - (fin === 0 ? 0 : 1);
        const to = isWhole || rest <= mss ? end : add(from, mss);
        const number = this.next;
        this.append(from, to, false, old.sentAt(at));
        const piece = number & this.mask;
        this.copyRow(old, at, piece);
        this.setStart(piece, from);
        this.setEnd(piece, to);
        this.setFlags(piece, isWhole ? flags : RESENT | LOST | (to === end ? fin : 0));
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
      if (lt(this.startAt(middle & this.mask), seq)) low = middle + 1;
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
      const length = diff(this.endAt(at), this.startAt(at));
      const flags = this.flagsAt(at);
      if (this.startAt(at) !== edge || !gt(this.endAt(at), this.startAt(at))) return false;
      if ((flags & SACKED) !== 0) sackedCount++;
      if ((flags & SACKED) !== 0) sacked += length;
      if ((flags & LOST) !== 0) lost += length;
      if ((flags & REPAIRED) !== 0) repaired += length;
      if ((flags & (SACKED | LOST)) === (SACKED | LOST)) return false;
      if ((flags & REPAIRED) !== 0 && (flags & LOST) === 0) return false;
      if (i < this.hint && this.isUnrepaired(i)) return false;
      if (mayBeOut(flags)) out++;
      edge = this.endAt(at);
    }
    const agrees = sacked === this.sacked && lost === this.lost && repaired === this.repaired;
    return agrees && edge === nxt && sackedCount === this.sackedCount && this.#isOrdered(out);
  }

  /** True when the order of sending holds `count` segments, each where it belongs. */
  #isOrdered(count: number): boolean {
    let seen = 0;
    let older = NO_SLOT;
    for (let slot = this.oldest; slot !== NO_SLOT; slot = this.newerThan(slot)) {
      if (this.olderThan(slot) !== older || !mayBeOut(this.flagsAt(slot))) return false;
      if (older !== NO_SLOT && this.sentAt(older) > this.sentAt(slot)) return false;
      if (this.numberAt(slot) >= this.next || ++seen > count) return false;
      older = slot;
    }
    return seen === count && this.newest === older;
  }

  /** Takes a segment's marks out of the sums, and the segment out of the order. */
  #unmark(at: number): void {
    const flags = this.flagsAt(at);
    const length = diff(this.endAt(at), this.startAt(at));
    if (mayBeOut(flags)) this.leave(at);
    if ((flags & SACKED) !== 0) {
      this.sacked -= length;
      this.sackedCount--;
    }
    if ((flags & LOST) !== 0) this.lost -= length;
    if ((flags & REPAIRED) !== 0) this.repaired -= length;
  }

  override setKnown(block: number, left: number, right: number): void {
    super.setKnown(block, left, right);
    this.#hasKnown = true;
  }

  override forgetBlocks(): void {
    if (!this.#hasKnown) return;
    super.forgetBlocks();
    this.#hasKnown = false;
  }

  /** Makes sums and order anew from the marks. */
  #recount(): void {
    this.sacked = 0;
    this.sackedCount = 0;
    this.lost = 0;
    this.repaired = 0;
    this.hint = this.first;
    this.clearOrder();
    let near = NO_SLOT;
    for (let i = this.first; i < this.next; i++) {
      const at = i & this.mask;
      const flags = this.flagsAt(at);
      const length = diff(this.endAt(at), this.startAt(at));
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
    const sentAt = this.sentAt(at);
    let older = near;
    while (older !== NO_SLOT && this.sentAt(older) > sentAt) older = this.olderThan(older);
    let newer = older === NO_SLOT ? this.oldest : this.newerThan(older);
    while (newer !== NO_SLOT && this.sentAt(newer) <= sentAt) {
      older = newer;
      newer = this.newerThan(newer);
    }
    this.enter(at, older);
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
    const { first, mask } = this;
    // alloc: the window has grown
    const inOrder: number[] = [];
    for (let slot = this.oldest; slot !== NO_SLOT; slot = this.newerThan(slot)) {
      inOrder.push(this.numberAt(slot));
    }
    // alloc: as above
    this.growRows(mask + 1, size, (slot) => {
      const number = first + ((slot - first) & mask);
      return number < this.next ? number & (size - 1) : -1;
    });
    this.mask = size - 1;
    this.clearOrder();
    for (const number of inOrder) this.enter(number & this.mask, this.newest);
  }
}

/** True for a segment of which a copy may be in the network. */
function mayBeOut(flags: number): boolean {
  return (flags & SACKED) === 0 && (flags & (LOST | REPAIRED)) !== LOST;
}
