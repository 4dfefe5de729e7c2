// What the application has written and the peer has not yet acknowledged (RFC 9293 3.10.2 and its retransmission queue in
// one): bytes are appended at the end, read anywhere for (re)transmission and dropped from the front by ACKs.

import type { Span } from '../wire/span.js';
import type { BufferPool } from './buffer-pool.js';
import { type BytesView, RingBytes } from './ring-bytes.js';

export class SendBuffer extends RingBytes {
  /** Bytes held. */
  length = 0;
  /** Bytes that may be held at most. */
  limit = 0;
  /** Bytes of room that `reserve` has pointed at and that are still there; whatever else touches the buffer ends it. */
  #reserved = 0;

  get free(): number {
    return Math.max(0, this.limit - this.length);
  }

  /** Takes as many bytes as fit; returns how many. */
  append(src: Span, srcOffset: number, length: number, pool: BufferPool): number {
    const taken = Math.min(length, this.free);
    if (taken === 0) return 0;
    this.#reserved = 0;
    this.makeRoom(this.length + taken, this.length, pool);
    this.copyIn(this.length, src, srcOffset, taken);
    this.length += taken;
    return taken;
  }

  /** Points `view` at room for up to `length` bytes behind the last one, as many as lie in a row. */
  reserve(length: number, view: BytesView, pool: BufferPool): void {
    const wanted = Math.min(length, this.free);
    this.makeRoom(this.length + wanted, this.length, pool);
    this.point(view, this.length, wanted, pool);
    this.#reserved = view.length;
  }

  /** Takes `length` bytes that were written to where `reserve` pointed; false when so many are not reserved any more. */
  commit(length: number): boolean {
    if (length > this.#reserved) return false;
    this.#reserved = 0;
    this.length += length;
    return true;
  }

  /** Drops `length` acknowledged bytes from the front. */
  acknowledge(length: number, pool: BufferPool): void {
    this.length -= length;
    if (this.length > 0) {
      this.skip(length);
      return;
    }
    this.#reserved = 0;
    this.giveBack(pool);
  }

  clear(pool: BufferPool): void {
    this.length = 0;
    this.#reserved = 0;
    this.end(pool);
  }
}
