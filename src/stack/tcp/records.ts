// Where records end in a stream (MSG_EOR): as on Linux the last byte of one is the last of its segment, also when it is sent again,
// and is pushed. The peer's program sees nothing of it; a middle box or a capture may.

import { add, diff, geq, gt } from './seq.js';

export class RecordEnds {
  /** Sequence numbers behind the last bytes, in order, in a ring whose length is a power of two. */
  #ends = new Int32Array(16);
  #first = 0;
  /** Ends that are not acknowledged yet. */
  count = 0;

  /** A record ends in front of `end`, which lies behind all others. */
  mark(end: number): void {
    if (this.count > 0 && this.#at(this.count - 1) === end) return;
    if (this.count === this.#ends.length) this.#grow();
    this.#ends[(this.#first + this.count) & (this.#ends.length - 1)] = end;
    this.count++;
  }

  /** Forgets what is acknowledged. */
  acknowledge(una: number): void {
    while (this.count > 0 && geq(una, this.#at(0))) {
      this.#first = (this.#first + 1) & (this.#ends.length - 1);
      this.count--;
    }
  }

  /** How many of the `length` bytes from `seq` on one segment may hold. */
  within(seq: number, length: number): number {
    const number = this.#firstBeyond(seq);
    return number === this.count ? length : Math.min(length, diff(this.#at(number), seq));
  }

  /** True when a record ends in front of `seq`. */
  isEnd(seq: number): boolean {
    const number = this.#firstBeyond(add(seq, -1));
    return number < this.count && this.#at(number) === seq;
  }

  #at(number: number): number {
    return this.#ends[(this.#first + number) & (this.#ends.length - 1)];
  }

  /** The first end that lies behind `seq`. */
  #firstBeyond(seq: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (gt(this.#at(middle), seq)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #grow(): void {
    // alloc: it doubles
    const ends = new Int32Array(this.#ends.length * 2);
    for (let i = 0; i < this.count; i++) ends[i] = this.#at(i);
    this.#ends = ends;
    this.#first = 0;
  }
}
