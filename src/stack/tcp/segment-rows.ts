// The memory of a scoreboard: for each slot a row of 64 bytes, with all that is known of the segment in it. A segment is sent and
// acknowledged at times that lie far apart where there are many connections, and by then nothing of it is in the cache: what is
// needed together is fetched together, and the arrays that rows lie in are shared by many scoreboards, for an array is an object
// that would have to be fetched as well. Only `send-order.ts` and `scoreboard.ts`, which are built on it, write most of it.

import type { Micros } from '../clock.js';

/** A row has 8 doubles, or 16 words in their place. */
const DOUBLES = 3;
const WORDS = 4;
// Doubles of a segment.
const SENT_AT = 0;
/** P.delivered, P.lost, P.delivered_time and P.first_send_time (draft-ietf-ccwg-bbr 4.1.2.1.2). */
const DELIVERED = 1;
const LOST_BEFORE = 2;
const DELIVERED_AT = 3;
const FIRST_SENT_AT = 4;
// Words of a segment, behind the doubles.
const START = 10;
const END = 11;
const FLAGS = 12;
export const OLDER = 13;
export const NEWER = 14;
/** P.tx_in_flight */
const IN_FLIGHT = 15;
/** P.is_app_limited stands above the flags. */
const FLAG_MASK = 0xff;
const APP_LIMITED = 0x100;
// The row of the scoreboard itself, as a slot, and its doubles and words.
const BOARD = -1;
const BOARD_FIRST_SENT_AT = 0;
const BOARD_DELIVERED_AT = 1;
const KNOWN_LEFT = 4;
const KNOWN_RIGHT = 8;

/** SACK blocks remembered, as many as an option holds. */
export const KNOWN_BLOCKS = 4;

/** Where scoreboards get their first rows; they keep them, and those that outgrow them leave them behind. */
export class RowStore {
  /** Rows that are made at a time, for as many scoreboards as they are enough for. */
  readonly #rows: number;
  #taken: number;
  /** The newest rows by their doubles, and the same memory by words. */
  doubles = new Float64Array(0);
  words = new Int32Array(0);

  constructor(rows: number) {
    this.#rows = rows;
    this.#taken = rows;
  }

  /** Takes `rows` rows, at most as many as are made at a time, of `doubles` and `words` as they are then: the first of them. */
  take(rows: number): number {
    if (rows > this.#rows) throw new RangeError(`${rows} rows of ${this.#rows}`);
    if (this.#taken + rows > this.#rows) {
      // alloc: there are more scoreboards than ever before
      this.doubles = new Float64Array(this.#rows << DOUBLES);
      // alloc: as above
      this.words = new Int32Array(this.doubles.buffer);
      this.#taken = 0;
    }
    const first = this.#taken;
    this.#taken += rows;
    return first;
  }
}

export class SegmentRows {
  /** Rows by their doubles, and the same memory by words. */
  #doubles: Float64Array;
  protected words: Int32Array;
  /** The row of slot 0; the one before it is that of the scoreboard itself. */
  #first: number;

  constructor(slots: number, store: RowStore = new RowStore(slots + 1)) {
    this.#first = store.take(slots + 1) + 1;
    this.#doubles = store.doubles;
    this.words = store.words;
  }

  /** Where a word of a slot stands. */
  protected wordOf(slot: number, word: number): number {
    return ((this.#first + slot) << WORDS) + word;
  }

  private doubleOf(slot: number, double: number): number {
    return ((this.#first + slot) << DOUBLES) + double;
  }

  /** First sequence number of the segment in a slot. */
  startAt(slot: number): number {
    return this.words[this.wordOf(slot, START)];
  }

  protected setStart(slot: number, start: number): void {
    this.words[this.wordOf(slot, START)] = start;
  }

  protected setEnd(slot: number, end: number): void {
    this.words[this.wordOf(slot, END)] = end;
  }

  /** The sequence number behind its last one. */
  endAt(slot: number): number {
    return this.words[this.wordOf(slot, END)];
  }

  /** Its marks. */
  flagsAt(slot: number): number {
    return this.words[this.wordOf(slot, FLAGS)] & FLAG_MASK;
  }

  protected setFlags(slot: number, flags: number): void {
    const at = this.wordOf(slot, FLAGS);
    this.words[at] = (this.words[at] & ~FLAG_MASK) | flags;
  }

  /** When it last left. */
  sentAt(slot: number): Micros {
    return this.#doubles[this.doubleOf(slot, SENT_AT)];
  }

  protected setSentAt(slot: number, at: Micros): void {
    this.#doubles[this.doubleOf(slot, SENT_AT)] = at;
  }

  protected setSegment(slot: number, start: number, end: number, flags: number, sentAt: Micros): void {
    const at = this.wordOf(slot, 0);
    this.words[at + START] = start;
    this.words[at + END] = end;
    this.words[at + FLAGS] = flags;
    this.#doubles[this.doubleOf(slot, SENT_AT)] = sentAt;
  }

  /** C.first_send_time and C.delivered_time (delivery.ts). */
  get firstSentAt(): Micros {
    return this.#doubles[this.doubleOf(BOARD, BOARD_FIRST_SENT_AT)];
  }

  set firstSentAt(at: Micros) {
    this.#doubles[this.doubleOf(BOARD, BOARD_FIRST_SENT_AT)] = at;
  }

  get deliveredAt(): Micros {
    return this.#doubles[this.doubleOf(BOARD, BOARD_DELIVERED_AT)];
  }

  set deliveredAt(at: Micros) {
    this.#doubles[this.doubleOf(BOARD, BOARD_DELIVERED_AT)] = at;
  }

  /** Keeps what is known of delivery when a segment leaves; bytes in flight count it. */
  noteDeparture(
    slot: number,
    delivered: number,
    lost: number,
    inFlight: number,
    isAppLimited: boolean,
  ): void {
    const doubles = this.#doubles;
    const at = this.doubleOf(slot, 0);
    doubles[at + DELIVERED] = delivered;
    doubles[at + LOST_BEFORE] = lost;
    doubles[at + DELIVERED_AT] = this.deliveredAt;
    doubles[at + FIRST_SENT_AT] = this.firstSentAt;
    const { words } = this;
    const word = this.wordOf(slot, 0);
    words[word + IN_FLIGHT] = inFlight;
    words[word + FLAGS] = (words[word + FLAGS] & FLAG_MASK) | (isAppLimited ? APP_LIMITED : 0);
  }

  /** What was known when it last left: bytes delivered (P.delivered) and lost (P.lost). */
  deliveredBefore(slot: number): number {
    return this.#doubles[this.doubleOf(slot, DELIVERED)];
  }

  lostBefore(slot: number): number {
    return this.#doubles[this.doubleOf(slot, LOST_BEFORE)];
  }

  /** P.delivered_time and P.first_send_time. */
  deliveredAtBefore(slot: number): Micros {
    return this.#doubles[this.doubleOf(slot, DELIVERED_AT)];
  }

  firstSentAtBefore(slot: number): Micros {
    return this.#doubles[this.doubleOf(slot, FIRST_SENT_AT)];
  }

  /** P.tx_in_flight: bytes in flight, the segment included. */
  inFlightBefore(slot: number): number {
    return this.words[this.wordOf(slot, IN_FLIGHT)];
  }

  /** P.is_app_limited */
  wasAppLimited(slot: number): boolean {
    return (this.words[this.wordOf(slot, FLAGS)] & APP_LIMITED) !== 0;
  }

  /** A SACK block all of whose segments are marked: what an ACK repeats of it need not be looked at again. */
  knownLeft(block: number): number {
    return this.words[this.wordOf(BOARD, KNOWN_LEFT + block)];
  }

  knownRight(block: number): number {
    return this.words[this.wordOf(BOARD, KNOWN_RIGHT + block)];
  }

  setKnown(block: number, left: number, right: number): void {
    this.words[this.wordOf(BOARD, KNOWN_LEFT + block)] = left;
    this.words[this.wordOf(BOARD, KNOWN_RIGHT + block)] = right;
  }

  /** Nothing is known to be marked any more. */
  forgetBlocks(): void {
    for (let i = 0; i < KNOWN_BLOCKS; i++) this.setKnown(i, 0, 0);
  }

  /** Takes a row over from another slot, here or there, but for its place in the order of sending. */
  copyRow(from: SegmentRows, source: number, target: number): void {
    // By words: not every word is a part of a number that a double would keep as it is.
    for (let i = 0; i < 1 << WORDS; i++) {
      if (i !== OLDER && i !== NEWER) this.words[this.wordOf(target, i)] = from.words[from.wordOf(source, i)];
    }
  }

  /** Makes room for so many slots, where there were `before`; `slotOf` says where each of those belongs that is in use, or -1. */
  protected growRows(before: number, slots: number, slotOf: (slot: number) => number): void {
    // alloc: the window has grown; the memory is kept
    const rows = new SegmentRows(slots);
    rows.copyRow(this, BOARD, BOARD);
    for (let slot = 0; slot < before; slot++) {
      const to = slotOf(slot);
      if (to >= 0) rows.copyRow(this, slot, to);
    }
    this.#doubles = rows.#doubles;
    this.words = rows.words;
    this.#first = rows.#first;
  }
}
