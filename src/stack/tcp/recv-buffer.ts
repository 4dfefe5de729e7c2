// What the peer has sent and the application has not yet read. Bytes received out of order are stored at once where they
// belong, beyond the readable ones; `reassembly.ts` remembers which of them are there.

import type { Span } from '../wire/span.js';
import type { BufferPool } from './buffer-pool.js';
import { type BytesView, RingBytes } from './ring-bytes.js';

export class RecvBuffer extends RingBytes {
  /** Readable bytes, all below RCV.NXT. */
  length = 0;
  /** Bytes of window that may be offered at most, readable ones included. */
  limit = 0;
  /** End of the stored bytes, out-of-order ones included, counted from the first readable one. */
  #extent = 0;

  get free(): number {
    return Math.max(0, this.limit - this.length);
  }

  /** Stores bytes that begin `ahead` bytes beyond the readable ones (0: at RCV.NXT). */
  place(ahead: number, src: Span, srcOffset: number, length: number, pool: BufferPool): void {
    const at = this.length + ahead;
    this.makeRoom(at + length, this.#extent, pool);
    this.copyIn(at, src, srcOffset, length);
    if (at + length > this.#extent) this.#extent = at + length;
  }

  /** Makes `length` stored bytes readable: RCV.NXT has moved over them. */
  advance(length: number): void {
    this.length += length;
  }

  /** Copies up to `length` readable bytes out and forgets them; returns how many. */
  read(dst: Span, dstOffset: number, length: number, pool: BufferPool): number {
    const count = this.peek(0, dst, dstOffset, length);
    if (count > 0) this.#forget(count, pool);
    return count;
  }

  /** Copies up to `length` readable bytes out, from the one at `at` on, and leaves them there; returns how many. */
  peek(at: number, dst: Span, dstOffset: number, length: number): number {
    const count = Math.min(length, this.length - at);
    if (count > 0) this.copyOut(at, dst, dstOffset, count);
    return count;
  }

  /** Points `view` at the first readable bytes, as many as lie in a row. */
  look(view: BytesView, pool: BufferPool): void {
    this.point(view, 0, this.length, pool);
  }

  /** Forgets up to `length` readable bytes; returns how many. */
  discard(length: number, pool: BufferPool): number {
    const count = Math.min(length, this.length);
    if (count > 0) this.#forget(count, pool);
    return count;
  }

  clear(pool: BufferPool): void {
    this.length = 0;
    this.#extent = 0;
    this.end(pool);
  }

  #forget(count: number, pool: BufferPool): void {
    this.length -= count;
    this.#extent -= count;
    if (this.#extent === 0) this.giveBack(pool);
    else this.skip(count);
  }
}
