// What a connection of the http server has received and not used yet. During an event the bytes may lie in a buffer that all connections
// share; what is left of them then moves to one of its own. However a head is cut, all work here is linear in its length: room is made
// for as much again, and the search for its end goes on where it stopped.

import { findHeadEnd } from './http-request.js';

/** How many of the last bytes that were looked through may be the beginning of an empty line: LF, or LF CR. */
const UNDECIDED = 2;

/** Bytes received, of which a part is used. */
export class HttpInput {
  /** Bytes not used yet are `bytes[start, end)`. */
  bytes: Buffer;
  start = 0;
  end = 0;
  private readonly shared: Buffer;
  /** Bytes from `start` on in which no empty line begins. */
  private searched = 0;

  /** @param shared the buffer that received bytes come in */
  constructor(shared: Buffer) {
    this.shared = shared;
    this.bytes = shared;
  }

  get length(): number {
    return this.end - this.start;
  }

  /** Leaves the shared buffer to others. */
  keep(): void {
    if (this.bytes === this.shared && this.start < this.end) this.move(this.length);
  }

  /** Takes the first `count` bytes of the shared buffer in. What is left of earlier ones must have been kept. */
  add(count: number): void {
    if (this.start === this.end) {
      this.bytes = this.shared;
      this.start = 0;
      this.end = count;
      return;
    }
    // Room for as much again: a byte is moved only as often as its number doubles.
    if (this.end + count > this.bytes.length) this.move(2 * this.length + count);
    this.shared.copy(this.bytes, this.end, 0, count);
    this.end += count;
  }

  /** Takes the first `count` bytes for used, or all of them if there are fewer; returns how many. */
  skip(count: number): number {
    const skipped = Math.min(count, this.length);
    this.start += skipped;
    return skipped;
  }

  /** Skips the ends of lines: an empty line before a request is not one (RFC 9112 2.2). */
  skipEmptyLines(): void {
    const { bytes, end } = this;
    while (this.start < end && (bytes[this.start] === 13 || bytes[this.start] === 10)) this.start++;
  }

  /** Finds where the head that begins here ends, as `findHeadEnd` does; until it is found, nothing of it may be skipped. */
  headEnd(): number {
    const { start, end } = this;
    const headEnd = findHeadEnd(this.bytes, start + this.searched, end);
    this.searched = headEnd < 0 ? Math.max(0, end - start - UNDECIDED) : 0;
    return headEnd;
  }

  private move(size: number): void {
    const bytes = Buffer.allocUnsafeSlow(size);
    this.bytes.copy(bytes, 0, this.start, this.end);
    this.bytes = bytes;
    this.end -= this.start;
    this.start = 0;
  }
}
