// The memory of a scoreboard: for each slot a row of 64 bytes, with all that is known of the segment in it. A segment is sent and
// acknowledged at times that lie far apart where there are many connections, and by then nothing of it is in the cache: what is
// needed together is fetched together. Only `send-order.ts` and `scoreboard.ts`, which are built on it, write most of it.

import type { Micros } from '../clock.js';

/** A row has 8 doubles, or 16 words in their place; the first row is not a segment's. */
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
// Doubles and words of the first row.
const BOARD_FIRST_SENT_AT = 0;
const BOARD_DELIVERED_AT = 1;
const KNOWN_LEFT = 4;
const KNOWN_RIGHT = 8;

/** SACK blocks remembered, as many as an option holds. */
export const KNOWN_BLOCKS = 4;

export class SegmentRows {
  /** Rows by their doubles, and the same memory by words. */
  #doubles: Float64Array;
  protected words: Int32Array;

  constructor(slots: number) {
    this.#doubles = new Float64Array((slots + 1) << DOUBLES);
    this.words = new Int32Array(this.#doubles.buffer);
  }

  /** First sequence number of the segment in a slot. */
  startAt(slot: number): number {
    return this.words[wordOf(slot, START)];
  }

  protected setStart(slot: number, start: number): void {
    this.words[wordOf(slot, START)] = start;
  }

  protected setEnd(slot: number, end: number): void {
    this.words[wordOf(slot, END)] = end;
  }

  /** The sequence number behind its last one. */
  endAt(slot: number): number {
    return this.words[wordOf(slot, END)];
  }

  /** Its marks. */
  flagsAt(slot: number): number {
    return this.words[wordOf(slot, FLAGS)] & FLAG_MASK;
  }

  protected setFlags(slot: number, flags: number): void {
    const at = wordOf(slot, FLAGS);
    this.words[at] = (this.words[at] & ~FLAG_MASK) | flags;
  }

  /** When it last left. */
  sentAt(slot: number): Micros {
    return this.#doubles[doubleOf(slot, SENT_AT)];
  }

  protected setSentAt(slot: number, at: Micros): void {
    this.#doubles[doubleOf(slot, SENT_AT)] = at;
  }

  protected setSegment(slot: number, start: number, end: number, flags: number, sentAt: Micros): void {
    const at = wordOf(slot, 0);
    this.words[at + START] = start;
    this.words[at + END] = end;
    this.words[at + FLAGS] = flags;
    this.#doubles[doubleOf(slot, SENT_AT)] = sentAt;
  }

  /** C.first_send_time and C.delivered_time (delivery.ts). */
  get firstSentAt(): Micros {
    return this.#doubles[BOARD_FIRST_SENT_AT];
  }

  set firstSentAt(at: Micros) {
    this.#doubles[BOARD_FIRST_SENT_AT] = at;
  }

  get deliveredAt(): Micros {
    return this.#doubles[BOARD_DELIVERED_AT];
  }

  set deliveredAt(at: Micros) {
    this.#doubles[BOARD_DELIVERED_AT] = at;
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
    const at = doubleOf(slot, 0);
    doubles[at + DELIVERED] = delivered;
    doubles[at + LOST_BEFORE] = lost;
    doubles[at + DELIVERED_AT] = doubles[BOARD_DELIVERED_AT];
    doubles[at + FIRST_SENT_AT] = doubles[BOARD_FIRST_SENT_AT];
    const { words } = this;
    const word = wordOf(slot, 0);
    words[word + IN_FLIGHT] = inFlight;
    words[word + FLAGS] = (words[word + FLAGS] & FLAG_MASK) | (isAppLimited ? APP_LIMITED : 0);
  }

  /** What was known when it last left: bytes delivered (P.delivered) and lost (P.lost). */
  deliveredBefore(slot: number): number {
    return this.#doubles[doubleOf(slot, DELIVERED)];
  }

  lostBefore(slot: number): number {
    return this.#doubles[doubleOf(slot, LOST_BEFORE)];
  }

  /** P.delivered_time and P.first_send_time. */
  deliveredAtBefore(slot: number): Micros {
    return this.#doubles[doubleOf(slot, DELIVERED_AT)];
  }

  firstSentAtBefore(slot: number): Micros {
    return this.#doubles[doubleOf(slot, FIRST_SENT_AT)];
  }

  /** P.tx_in_flight: bytes in flight, the segment included. */
  inFlightBefore(slot: number): number {
    return this.words[wordOf(slot, IN_FLIGHT)];
  }

  /** P.is_app_limited */
  wasAppLimited(slot: number): boolean {
    return (this.words[wordOf(slot, FLAGS)] & APP_LIMITED) !== 0;
  }

  /** A SACK block all of whose segments are marked: what an ACK repeats of it need not be looked at again. */
  knownLeft(block: number): number {
    return this.words[KNOWN_LEFT + block];
  }

  knownRight(block: number): number {
    return this.words[KNOWN_RIGHT + block];
  }

  setKnown(block: number, left: number, right: number): void {
    this.words[KNOWN_LEFT + block] = left;
    this.words[KNOWN_RIGHT + block] = right;
  }

  /** Nothing is known to be marked any more. */
  forgetBlocks(): void {
    for (let i = 0; i < KNOWN_BLOCKS; i++) this.setKnown(i, 0, 0);
  }

  /** Takes a row over from another slot, here or there, but for its place in the order of sending. */
  copyRow(from: SegmentRows, source: number, target: number): void {
    // By words: not every word is a part of a number that a double would keep as it is.
    for (let i = 0; i < 1 << WORDS; i++) {
      if (i !== OLDER && i !== NEWER) this.words[wordOf(target, i)] = from.words[wordOf(source, i)];
    }
  }

  /** Makes room for so many slots; `slotOf` says where each of the old ones belongs that is in use, or -1. */
  protected growRows(slots: number, slotOf: (slot: number) => number): void {
    // alloc: the window has grown; the memory is kept
    const rows = new SegmentRows(slots);
    rows.copyRow(this, -1, -1);
    for (let slot = 0; slot < (this.words.length >> WORDS) - 1; slot++) {
      const to = slotOf(slot);
      if (to >= 0) rows.copyRow(this, slot, to);
    }
    this.#doubles = rows.#doubles;
    this.words = rows.words;
  }
}

/** Where a word of a slot stands. */
export function wordOf(slot: number, word: number): number {
  return ((slot + 1) << WORDS) + word;
}

function doubleOf(slot: number, double: number): number {
  return ((slot + 1) << DOUBLES) + double;
}
