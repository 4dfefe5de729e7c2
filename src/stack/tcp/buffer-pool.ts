// Memory for socket buffers, in powers of two from 4 KiB up, handed out when the first byte arrives and taken back when the
// last one has gone: an idle connection holds none.

import { Span } from '../wire/span.js';

const SMALLEST = 12;
const LARGEST = 30;
/** Bytes kept for reuse; what comes back beyond it is left to the garbage collector. */
const KEEP = 64 << 20;

/** The smallest size that the pool hands out for `bytes`. */
export function sizeFor(bytes: number): number {
  let shift = SMALLEST;
  while (shift < LARGEST && 1 << shift < bytes) shift++;
  return 1 << shift;
}

export class BufferPool {
  readonly #free: Span[][] = Array.from({ length: LARGEST + 1 }, () => []);
  #kept = 0;
  /** Bytes handed out and not yet taken back. */
  inUse = 0;

  /** Takes a buffer of exactly `sizeFor(bytes)` bytes. Its content is undefined. */
  acquire(bytes: number): Span {
    const size = sizeFor(bytes);
    this.inUse += size;
    const span = this.#free[31 - Math.clz32(size)].pop();
    if (span === undefined) return new Span(new Uint8Array(size));
    this.#kept -= size;
    return span;
  }

  release(span: Span): void {
    const size = span.bytes.length;
    this.inUse -= size;
    if (this.#kept + size > KEEP) return;
    this.#kept += size;
    this.#free[31 - Math.clz32(size)].push(span);
  }
}
