// A ring of bytes in a piece of the pool's memory, which grows by doubling and goes back when the ring is empty. The send and
// receive buffers are such rings; they address bytes by their distance from the first one.

import { copy, type Span } from '../wire/span.js';
import { type BufferPool, Piece } from './buffer-pool.js';

/** More than this is not taken on the strength of what was needed before, in bytes, and nothing where less than this is needed now. */
const LARGEST_HINT = 1 << 19;
const LEAST_HINTED = 1 << 12;

const NO_BYTES = new Uint8Array(0);

/** A run of bytes in somebody else's memory. */
export class BytesView {
  bytes: Uint8Array = NO_BYTES;
  offset = 0;
  length = 0;
}

/** What a ring that grows gets, until the old memory has been copied. */
const grown = new Piece();

export class RingBytes extends Piece {
  #head = 0;
  /** Bytes that were needed at most since the memory was taken, and the time before: what comes next may need as many. */
  #peak = 0;
  #lastPeak = 0;

  /** Holds no memory. */
  get isFree(): boolean {
    return this.size === 0;
  }

  /** Makes room for `size` bytes from the first one, keeping the first `keep`. */
  makeRoom(size: number, keep: number, pool: BufferPool): void {
    if (size > this.#peak) this.#peak = size;
    if (size <= this.size) return;
    // Growing by doubling each time would copy as much as is kept. Only what grows beyond a page: what waits for long is mostly less.
    const hint = this.isFree || size <= LEAST_HINTED ? 0 : Math.min(this.#lastPeak, LARGEST_HINT);
    pool.acquire(Math.max(size, hint), grown);
    if (keep > 0) this.copyOut(0, grown.span, grown.start, keep);
    pool.release(this);
    this.take(grown);
    this.#head = 0;
  }

  /** Copies into the ring, `at` bytes after the first one. There must be room. */
  copyIn(at: number, src: Span, srcOffset: number, length: number): void {
    const from = this.indexOf(at);
    const first = Math.min(length, this.size - from);
    copy(this.span, this.start + from, src, srcOffset, first);
    if (first < length) copy(this.span, this.start, src, srcOffset + first, length - first);
  }

  /** Copies out of the ring from `at` bytes after the first one. */
  copyOut(at: number, dst: Span, dstOffset: number, length: number): void {
    const from = this.indexOf(at);
    const first = Math.min(length, this.size - from);
    copy(dst, dstOffset, this.span, this.start + from, first);
    if (first < length) copy(dst, dstOffset + first, this.span, this.start, length - first);
  }

  /** Points `view` at up to `length` bytes from the one at `at` on, as many as lie in a row. */
  point(view: BytesView, at: number, length: number, pool: BufferPool): void {
    view.bytes = pool.viewOf(this);
    view.offset = this.indexOf(at);
    view.length = Math.min(length, this.size - view.offset);
  }

  /** Forgets the first `length` bytes. */
  skip(length: number): void {
    this.#head = (this.#head + length) & (this.size - 1);
  }

  /** Gives the memory back; the ring is empty afterwards. */
  giveBack(pool: BufferPool): void {
    this.#lastPeak = this.#peak;
    this.#peak = 0;
    this.#head = 0;
    pool.release(this);
  }

  /** As `giveBack`, at the end of a connection: what it needed says nothing of the next one. */
  end(pool: BufferPool): void {
    this.giveBack(pool);
    this.#lastPeak = 0;
  }

  /** The first byte of the memory, whatever it is; 0 without any. */
  get firstByte(): number {
    return this.size === 0 ? 0 : this.span.bytes[this.start];
  }

  /** Where the byte `at` lies in the memory; a ring without any has it at 0. */
  indexOf(at: number): number {
    return (this.#head + at) & (this.size - 1);
  }
}
