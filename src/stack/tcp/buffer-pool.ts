// Memory for socket buffers, in powers of two from 256 bytes up, handed out when the first byte arrives and taken back when the
// last one has gone: an idle connection holds none. It is cut from memory that the Nic has beside its frames, as long as there is
// some: between two places of one ArrayBuffer bytes are moved without making views (decision 0021). The smallest piece holds a small
// message: pieces of a page each would all compete for the same few places of the CPU's caches (decision 0028).

import { Span } from '../wire/span.js';
import { Buddies } from './buddies.js';

const SMALLEST = 8;
const LARGEST = 30;
/** Bytes kept for reuse; what comes back beyond it is left to the garbage collector. What the Nic lends always stays. */
const KEEP = 64 << 20;

/** The smallest size that the pool hands out for `bytes`. */
export function sizeFor(bytes: number): number {
  let shift = SMALLEST;
  while (shift < LARGEST && 1 << shift < bytes) shift++;
  return 1 << shift;
}

/** Stands for "no memory held" so that the field has one type. */
const NONE = new Span(new Uint8Array(0));

/** Memory that somebody has, or nothing: `size` bytes of `span`, a power of two, from `start` on. */
export class Piece {
  span: Span = NONE;
  start = 0;
  size = 0;

  /** Takes over what another one has. */
  take(other: Piece): void {
    this.span = other.span;
    this.start = other.start;
    this.size = other.size;
    other.drop();
  }

  /** Has nothing any more. */
  drop(): void {
    this.span = NONE;
    this.start = 0;
    this.size = 0;
  }
}

/** What has come back, by the logarithm of its size: most is wanted in the same size again. */
const makeShelf = <T>(): T[][] => Array.from({ length: LARGEST + 1 }, () => []);

export class BufferPool {
  /** Memory from the heap, a span for each piece. */
  readonly #free: Span[][] = makeShelf();
  #kept = 0;
  /** What the Nic lends, and which parts of it are neither in use nor on the shelf. */
  readonly #lent: Span;
  readonly #uncut: Buddies;
  /** Where on the shelf of what is lent pieces begin, and how many are on it. */
  readonly #lentFree: number[][] = makeShelf();
  #shelved = 0;
  /** Views of what is lent that programs work on, by where they begin. */
  readonly #views = new Map<number, Uint8Array>();
  /** Bytes handed out and not yet taken back. */
  inUse = 0;

  constructor(lent: Uint8Array = new Uint8Array(0)) {
    this.#lent = new Span(lent);
    this.#uncut = new Buddies(lent.length >> SMALLEST);
  }

  /** Gives `piece`, which has nothing, exactly `sizeFor(bytes)` bytes. Their content is undefined. */
  acquire(bytes: number, piece: Piece): void {
    const size = sizeFor(bytes);
    const shift = 31 - Math.clz32(size);
    const start = this.#lentStart(shift);
    if (start >= 0) {
      piece.span = this.#lent;
      piece.start = start;
    } else {
      piece.span = this.#fromHeap(size, shift);
    }
    piece.size = size;
    this.inUse += size;
  }

  /** Takes back what `piece` has. */
  release(piece: Piece): void {
    const { span, start, size } = piece;
    if (size === 0) return;
    const shift = 31 - Math.clz32(size);
    this.inUse -= size;
    if (span === this.#lent) {
      this.#shelved++;
      this.#lentFree[shift].push(start);
    } else if (this.#kept + size <= KEEP) {
      this.#kept += size;
      this.#free[shift].push(span);
    }
    piece.drop();
  }

  /** The bytes of a piece, for a program that is to work on them and on nothing else: a view that was made before, if there is one. */
  viewOf({ span, start, size }: Piece): Uint8Array {
    if (span !== this.#lent) return span.bytes;
    let view = this.#views.get(start);
    if (view === undefined || view.length !== size) {
      // alloc: for places that such programs have not used before, or in another size
      view = span.bytes.subarray(start, start + size);
      this.#views.set(start, view);
    }
    return view;
  }

  #fromHeap(size: number, shift: number): Span {
    const span = this.#free[shift].pop();
    if (span === undefined) return new Span(new Uint8Array(size));
    this.#kept -= size;
    return span;
  }

  /** Takes a piece of what the Nic lends: where it begins, or -1. */
  #lentStart(shift: number): number {
    if (this.#lentFree[shift].length === 0) return this.#cut(shift);
    this.#shelved--;
    return this.#lentFree[shift].pop()!;
  }

  /** Cuts one from what is uncut; where no piece is large enough, those on the shelf are joined with their neighbours first. */
  #cut(shift: number): number {
    let unit = this.#uncut.take(shift - SMALLEST);
    if (unit < 0 && this.#shelved > 0) unit = this.#joinShelf(shift - SMALLEST);
    return unit < 0 ? -1 : unit << SMALLEST;
  }

  /**
   * Gives pieces of the shelf back to be joined, the smallest first, until there is one of `1 << level` units: its first unit, or -1.
   * Each has been put there since the last time, so that one costs no more than a walk up the tree.
   */
  #joinShelf(level: number): number {
    // What is cut anew is shown anew: no more views are kept than there were pieces at a time.
    this.#views.clear();
    for (let shift = SMALLEST; shift <= LARGEST; shift++) {
      const free = this.#lentFree[shift];
      if (free.length === 0) continue;
      for (const start of free) this.#uncut.give(start >> SMALLEST, shift - SMALLEST);
      this.#shelved -= free.length;
      free.length = 0;
      const unit = this.#uncut.take(level);
      if (unit >= 0) return unit;
    }
    return -1;
  }
}
