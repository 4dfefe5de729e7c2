// Memory for socket buffers, in powers of two from 4 KiB up, handed out when the first byte arrives and taken back when the
// last one has gone: an idle connection holds none. It is cut from memory that the Nic has beside its frames, as long as there is
// some: between two places of one ArrayBuffer bytes are moved without making views (decision 0021).

import { Span } from '../wire/span.js';

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

export class BufferPool {
  readonly #free: Span[][] = Array.from({ length: LARGEST + 1 }, () => []);
  #kept = 0;
  /** What the Nic lends, all that it is part of, and how much of it has been cut so far. */
  readonly #lent: Uint8Array;
  readonly #whole: Uint8Array;
  /** Asking a typed array for its buffer is a call into C++, and this is asked with each message. */
  readonly #buffer: ArrayBufferLike;
  #cut = 0;
  /** Bytes of it that have come back. */
  #lentFree = 0;
  /** Bytes handed out and not yet taken back. */
  inUse = 0;

  constructor(lent: Uint8Array = new Uint8Array(0)) {
    this.#lent = lent;
    this.#buffer = lent.buffer;
    this.#whole = new Uint8Array(lent.buffer);
  }

  /** Takes a buffer of exactly `sizeFor(bytes)` bytes. Its content is undefined. */
  acquire(bytes: number): Span {
    const size = sizeFor(bytes);
    this.inUse += size;
    const span = this.#free[31 - Math.clz32(size)].pop();
    if (span === undefined) return this.#make(size);
    if (this.#isLent(span)) this.#lentFree -= size;
    else this.#kept -= size;
    return span;
  }

  release(span: Span): void {
    const size = span.bytes.length;
    this.inUse -= size;
    if (this.#isLent(span)) this.#lentFree += size;
    else if (this.#kept + size > KEEP) return;
    else this.#kept += size;
    this.#free[31 - Math.clz32(size)].push(span);
  }

  #make(size: number): Span {
    const start = this.#cut;
    if (start + size > this.#lent.length) return this.#split(size) ?? new Span(new Uint8Array(size));
    this.#cut += size;
    return new Span(this.#lent.subarray(start, start + size), this.#whole);
  }

  /** Halves a larger buffer that the Nic has lent and nobody uses, until one of its parts has the size. */
  #split(size: number): Span | undefined {
    if (this.#lentFree < size) return undefined;
    for (let from = 32 - Math.clz32(size); from <= LARGEST; from++) {
      const free = this.#free[from];
      const found = free.findLastIndex((span) => this.#isLent(span));
      if (found < 0) continue;
      let [{ bytes }] = free.splice(found, 1);
      this.#lentFree -= size;
      while (bytes.length > size) {
        const half = bytes.length >> 1;
        this.#free[31 - Math.clz32(half)].push(new Span(bytes.subarray(half), this.#whole));
        bytes = bytes.subarray(0, half);
      }
      return new Span(bytes, this.#whole);
    }
    return undefined;
  }

  #isLent({ buffer }: Span): boolean {
    return buffer === this.#buffer;
  }
}
