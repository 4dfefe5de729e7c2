// What is counted of each connection for TCP_INFO and for the estimate of its delivery rate. A row of numbers in two typed arrays
// for each block: adding to one is a load and a store. Of a dormant connection the record holds those that are not 0.

// Counts, modulo 2^32.
export const SEGS_IN = 0;
export const SEGS_OUT = 1;
export const DATA_SEGS_IN = 2;
export const DATA_SEGS_OUT = 3;
/** Segments sent again. */
export const TOTAL_RETRANS = 4;
/** Segments of which D-SACK has told that they came twice. */
export const DSACK_DUPS = 5;
/** How often a segment was seen to have been overtaken, and by how many segments at most. */
export const REORD_SEEN = 6;
export const REORDERING = 7;
/** Segments received beyond a hole. */
export const RCV_OOOPACK = 8;
/** Segments delivered, and those of them that ECN has told were marked. */
export const DELIVERED = 9;
export const DELIVERED_CE = 10;
/** The last good sample of the delivery rate: bytes, in how many µs, and whether the application limited it. */
export const RATE_BYTES = 11;
export const RATE_INTERVAL_US = 12;
export const RATE_APP_LIMITED = 13;
/** Retransmission timeouts, and how often the first of them in a row was followed by progress. */
export const TOTAL_RTO = 14;
export const RTO_RECOVERIES = 15;
/** What keeps the sender from sending more: one of `send-limits.ts`. */
export const LIMIT = 16;
const COUNTS = 17;

// Sums of bytes and times in µs.
/** C.delivered and C.lost of the delivery rate estimation, in bytes. */
export const DELIVERED_BYTES = 0;
export const LOST_BYTES = 1;
/** C.app_limited: the delivered bytes with which what the application limited has left the pipe; 0 when it does not. */
export const APP_LIMITED = 2;
export const BYTES_ACKED = 3;
export const BYTES_RECEIVED = 4;
export const BYTES_SENT = 5;
export const BYTES_RETRANS = 6;
/** Since when LIMIT holds, and for how long each of the others did. */
export const LIMIT_SINCE = 7;
export const BUSY_US = 8;
export const RWND_LIMITED_US = 9;
export const SNDBUF_LIMITED_US = 10;
export const LAST_DATA_RECEIVED = 11;
export const LAST_ACK_SENT = 12;
/** When the timeouts in a row began, and how long such rows have taken. */
export const RTO_SINCE = 13;
export const RTO_US = 14;
const SUMS = 15;

/** Numbers of a row. */
export const ENTRIES = COUNTS + SUMS;

const FIRST_ROWS = 64;

export class Ledger {
  #counts = new Uint32Array(COUNTS * FIRST_ROWS);
  #sums = new Float64Array(SUMS * FIRST_ROWS);

  /** Makes a row one of zeros; to be called before it is used. */
  open(row: number): void {
    if ((row + 1) * COUNTS > this.#counts.length) this.#grow(row);
    this.#counts.fill(0, row * COUNTS, (row + 1) * COUNTS);
    this.#sums.fill(0, row * SUMS, (row + 1) * SUMS);
  }

  countOf(row: number, which: number): number {
    return this.#counts[row * COUNTS + which];
  }

  count(row: number, which: number): void {
    this.#counts[row * COUNTS + which]++;
  }

  addCount(row: number, which: number, amount: number): void {
    this.#counts[row * COUNTS + which] += amount;
  }

  setCount(row: number, which: number, value: number): void {
    this.#counts[row * COUNTS + which] = value;
  }

  sumOf(row: number, which: number): number {
    return this.#sums[row * SUMS + which];
  }

  add(row: number, which: number, amount: number): void {
    this.#sums[row * SUMS + which] += amount;
  }

  setSum(row: number, which: number, value: number): void {
    this.#sums[row * SUMS + which] = value;
  }

  /** One of a row's numbers, the counts first; for records. */
  entryOf(row: number, entry: number): number {
    return entry < COUNTS ? this.countOf(row, entry) : this.sumOf(row, entry - COUNTS);
  }

  setEntry(row: number, entry: number, value: number): void {
    if (entry < COUNTS) this.setCount(row, entry, value);
    else this.setSum(row, entry - COUNTS, value);
  }

  #grow(row: number): void {
    let rows = this.#counts.length / COUNTS;
    while (rows <= row) rows *= 2;
    // alloc: there are more connections than ever before
    const counts = new Uint32Array(COUNTS * rows);
    counts.set(this.#counts);
    this.#counts = counts;
    // alloc: as above
    const sums = new Float64Array(SUMS * rows);
    sums.set(this.#sums);
    this.#sums = sums;
  }
}
