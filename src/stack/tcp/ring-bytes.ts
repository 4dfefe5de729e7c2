// A ring of bytes that borrows its memory from the pool, grows by doubling and gives the memory back when it is empty. The
// send and receive buffers are built on it; both address bytes by their distance from the first one.

import { copy, Span } from '../wire/span.js';
import type { BufferPool } from './buffer-pool.js';

/** Stands for "no memory held" so that the field has one type. */
const NONE = new Span(new Uint8Array(0));

/** More than this is not taken on the strength of what was needed before, in bytes. */
const LARGEST_HINT = 1 << 19;

/** A run of bytes in somebody else's memory. */
export class BytesView {
  bytes: Uint8Array = NONE.bytes;
  offset = 0;
  length = 0;
}

export class RingBytes {
  #span: Span = NONE;
  #mask = 0;
  #head = 0;
  /** Bytes that were needed at most since the memory was taken, and the time before: what comes next may need as many. */
  #peak = 0;
  #lastPeak = 0;

  /** Bytes of memory held now. */
  get capacity(): number {
    return this.#span.bytes.length;
  }

  /** Makes room for `size` bytes from the first one, keeping the first `keep`. */
  reserve(size: number, keep: number, pool: BufferPool): void {
    if (size > this.#peak) this.#peak = size;
    if (size <= this.#span.bytes.length) return;
    // Growing by doubling each time would copy as much as is kept. Only what grows at all: a byte that waits holds no more than that.
    const hint = this.capacity > 0 ? Math.min(this.#lastPeak, LARGEST_HINT) : 0;
    const grown = pool.acquire(Math.max(size, hint));
    if (keep > 0) this.copyOut(0, grown, 0, keep);
    this.#replace(grown, pool);
  }

  /** Copies into the ring, `at` bytes after the first one. Room must have been reserved. */
  copyIn(at: number, src: Span, srcOffset: number, length: number): void {
    const start = (this.#head + at) & this.#mask;
    const first = Math.min(length, this.#mask + 1 - start);
    copy(this.#span, start, src, srcOffset, first);
    if (first < length) copy(this.#span, 0, src, srcOffset + first, length - first);
  }

  /** Copies out of the ring from `at` bytes after the first one. */
  copyOut(at: number, dst: Span, dstOffset: number, length: number): void {
    const start = (this.#head + at) & this.#mask;
    const first = Math.min(length, this.#mask + 1 - start);
    copy(dst, dstOffset, this.#span, start, first);
    if (first < length) copy(dst, dstOffset + first, this.#span, 0, length - first);
  }

  /** The memory itself, and where in it the byte `at` lies: what follows is contiguous up to the end of the memory. */
  get memory(): Uint8Array {
    return this.#span.bytes;
  }

  indexOf(at: number): number {
    return (this.#head + at) & this.#mask;
  }

  /** Forgets the first `length` bytes. */
  drop(length: number): void {
    this.#head = (this.#head + length) & this.#mask;
  }

  /** Gives the memory back; the ring is empty afterwards. */
  free(pool: BufferPool): void {
    this.#lastPeak = this.#peak;
    this.#peak = 0;
    this.#replace(NONE, pool);
  }

  /** As `free`, at the end of a connection: what it needed says nothing of the next one. */
  end(pool: BufferPool): void {
    this.free(pool);
    this.#lastPeak = 0;
  }

  #replace(span: Span, pool: BufferPool): void {
    if (this.#span !== NONE) pool.release(this.#span);
    this.#span = span;
    this.#mask = Math.max(0, span.bytes.length - 1);
    this.#head = 0;
  }
}
