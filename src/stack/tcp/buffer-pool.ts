// Memory for socket buffers, in powers of two from 4 KiB up, handed out when the first byte arrives and taken back when the
// last one has gone: an idle connection holds none. It is cut from memory that the Nic has beside its frames, as long as there is
// some: between two places of one ArrayBuffer bytes are moved without making views (decision 0021).

import { Span } from '../wire/span.js';
import { Buddies } from './buddies.js';

const SMALLEST = 12;
const LARGEST = 30;
/** Bytes kept for reuse; what comes back beyond it is left to the garbage collector. What the Nic lends always stays. */
const KEEP = 64 << 20;

/** The smallest size that the pool hands out for `bytes`. */
export function sizeFor(bytes: number): number {
  let shift = SMALLEST;
  while (shift < LARGEST && 1 << shift < bytes) shift++;
  return 1 << shift;
}

/** Spans by size. */
const makeShelf = (): Span[][] => Array.from({ length: LARGEST + 1 }, () => []);

export class BufferPool {
  /** What has come back, as it was cut, with its views: most is wanted in the same size again. */
  readonly #free: Span[][] = makeShelf();
  #kept = 0;
  /** What the Nic lends, all that it is part of, and which parts of it are neither in use nor on the shelf. */
  readonly #lent: Uint8Array;
  readonly #whole: Uint8Array;
  /** Asking a typed array for its buffer is a call into C++, and this is asked with each message. */
  readonly #buffer: ArrayBufferLike;
  readonly #uncut: Buddies;
  /** The shelf of what is lent, and how many are on it. */
  readonly #lentFree: Span[][] = makeShelf();
  #shelved = 0;
  /** Bytes handed out and not yet taken back. */
  inUse = 0;

  constructor(lent: Uint8Array = new Uint8Array(0)) {
    this.#lent = lent;
    this.#buffer = lent.buffer;
    this.#whole = new Uint8Array(lent.buffer);
    this.#uncut = new Buddies(lent.length >> SMALLEST);
  }

  /** Takes a buffer of exactly `sizeFor(bytes)` bytes. Its content is undefined. */
  acquire(bytes: number): Span {
    const size = sizeFor(bytes);
    const shift = 31 - Math.clz32(size);
    this.inUse += size;
    const lent = this.#lentFree[shift].pop();
    if (lent !== undefined) {
      this.#shelved--;
      return lent;
    }
    const cut = this.#cut(size, shift);
    if (cut !== undefined) return cut;
    const span = this.#free[shift].pop();
    if (span === undefined) return new Span(new Uint8Array(size));
    this.#kept -= size;
    return span;
  }

  release(span: Span): void {
    const size = span.bytes.length;
    const shift = 31 - Math.clz32(size);
    this.inUse -= size;
    if (span.buffer === this.#buffer) {
      this.#shelved++;
      this.#lentFree[shift].push(span);
    } else if (this.#kept + size <= KEEP) {
      this.#kept += size;
      this.#free[shift].push(span);
    }
  }

  /** Cuts a buffer from what the Nic lends; where no piece is large enough, those on the shelf are joined with their neighbours first. */
  #cut(size: number, shift: number): Span | undefined {
    let unit = this.#uncut.take(shift - SMALLEST);
    if (unit < 0) {
      if (this.#shelved === 0) return undefined;
      unit = this.#joinShelf(shift - SMALLEST);
      if (unit < 0) return undefined;
    }
    const start = unit << SMALLEST;
    return new Span(this.#lent.subarray(start, start + size), this.#whole);
  }

  /**
   * Gives buffers of the shelf back to be joined, the smallest first, until there is a piece of `1 << level` units: its first unit, or -1.
   * Each has been put there since the last time, so that one costs no more than a walk up the tree.
   */
  #joinShelf(level: number): number {
    for (let shift = SMALLEST; shift <= LARGEST; shift++) {
      const free = this.#lentFree[shift];
      if (free.length === 0) continue;
      for (const { base } of free) {
        this.#uncut.give((base - this.#lent.byteOffset) >> SMALLEST, shift - SMALLEST);
      }
      this.#shelved -= free.length;
      free.length = 0;
      const unit = this.#uncut.take(level);
      if (unit >= 0) return unit;
    }
    return -1;
  }
}
