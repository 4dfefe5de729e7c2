// Frames from one core to another, off the data path. Each core has a mailbox in shared memory: a ring for every other core, which that
// one alone writes and the owner alone reads, and a bell that all of them ring. A core may be killed between any two instructions:
// what it was writing is not there then, what it had written is there whole, and nobody waits for it. Whoever comes after it, as a
// writer or as a reader, goes on at the positions in the shared memory.

import { copyBytes } from './copy.js';

/** What `put` says when the frame was not taken: nobody reads the mailbox, the ring is full, or the frame is too long. */
export const REFUSED = -2;
/** What `put` says when the frame was taken and its reader has been woken for an earlier one, at which it has not looked yet. */
export const TAKEN = -1;

/**
 * Frames that a ring holds: a power of two. There are cores² rings, so they get shorter with more cores: four receive batches where
 * memory allows it, which is up to 13 cores with frames of 1,514 bytes (66 MB), and a short burst where there are very many cores. Pages
 * cost nothing until they are written.
 */
const MOST_SLOTS = 256;
const LEAST_SLOTS = 8;
const MOST_BYTES = 64 << 20;

/** Words of a cache line. What different cores write lies in different ones. */
const LINE = 16;
/** Words ahead of the rings of a mailbox: who is to be woken, or -1 when it is closed, and whether its bell has been rung. */
const WAKE = 0;
const BELL = 1;
/** Words ahead of the slots of a ring: how many frames have been read and written so far, modulo 2^32. */
const HEAD = 0;
const TAIL = LINE;
const RING_HEADER = 2 * LINE;
/** Words ahead of the bytes of a slot: the length of its frame. */
const SLOT_HEADER = 1;

/** Where things are, in words. */
interface Layout {
  readonly slots: number;
  readonly slot: number;
  readonly ring: number;
  readonly box: number;
}

function layoutOf(cores: number, frameBytes: number): Layout {
  const slot = Math.ceil((SLOT_HEADER + Math.ceil(frameBytes / 4)) / LINE) * LINE;
  let slots = MOST_SLOTS;
  while (slots > LEAST_SLOTS && cores * cores * slots * slot * 4 > MOST_BYTES) slots >>= 1;
  const ring = RING_HEADER + slots * slot;
  return { slots, slot, ring, box: LINE + cores * ring };
}

/** Memory for the mailboxes of a number of cores, for frames of `frameBytes` at most. All are closed. */
export function createMailboxes(cores: number, frameBytes: number): SharedArrayBuffer {
  const { box } = layoutOf(cores, frameBytes);
  const memory = new SharedArrayBuffer(cores * box * 4);
  const words = new Int32Array(memory);
  for (let core = 0; core < cores; core++) Atomics.store(words, core * box + WAKE, -1);
  return memory;
}

/** The mailboxes as one core sees them. */
export class Mailboxes {
  /** Frames that wait from one core at most. */
  readonly slots: number;
  /** The bell of this core, a word: not 0 when it has been rung. */
  readonly bell: Int32Array;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #layout: Layout;
  readonly #cores: number;
  readonly #frameBytes: number;
  readonly #core: number;
  readonly #base: number;
  /** The core whose frame `peek` has found. */
  #from = 0;

  /** `memory` is of `createMailboxes` with the same `cores` and `frameBytes`; `core` is whose mailbox is read. */
  constructor(memory: SharedArrayBuffer, cores: number, frameBytes: number, core: number) {
    this.#words = new Int32Array(memory);
    this.#bytes = new Uint8Array(memory);
    this.#layout = layoutOf(cores, frameBytes);
    this.slots = this.#layout.slots;
    this.#cores = cores;
    this.#frameBytes = frameBytes;
    this.#core = core;
    this.#base = core * this.#layout.box;
    this.bell = this.#words.subarray(this.#base + BELL, this.#base + BELL + 1);
  }

  /**
   * Opens this core's mailbox: others may write, and wake it by this descriptor. What a predecessor has not read is thrown away: it
   * may be of any age, and the frames that the kernel had for it are lost too. The bell stays as it is, and is answered before this
   * core sleeps.
   */
  open(wakeFd: number): void {
    const words = this.#words;
    for (let core = 0; core < this.#cores; core++) {
      const ring = this.#ringOf(this.#core, core);
      Atomics.store(words, ring + HEAD, Atomics.load(words, ring + TAIL));
    }
    Atomics.store(words, this.#base + WAKE, wakeFd);
  }

  /** Closes this core's mailbox: others are refused. */
  close(): void {
    Atomics.store(this.#words, this.#base + WAKE, -1);
  }

  /**
   * Copies a frame into the mailbox of `core`.
   * @returns the descriptor to wake it by, TAKEN when it need not be woken, or REFUSED
   */
  put(core: number, memory: Uint8Array, offset: number, length: number): number {
    const words = this.#words;
    if (length > this.#frameBytes || Atomics.load(words, core * this.#layout.box + WAKE) < 0) return REFUSED;
    const ring = this.#ringOf(core, this.#core);
    // Nobody else writes it.
    const tail = words[ring + TAIL]!;
    const { slots } = this.#layout;
    if (((tail - Atomics.load(words, ring + HEAD)) | 0) >= slots) return REFUSED;
    const at = this.#slotOf(ring, tail);
    words[at] = length;
    copyBytes(this.#bytes, (at + SLOT_HEADER) * 4, memory, offset, length);
    // What stands above is seen by whoever sees this.
    Atomics.store(words, ring + TAIL, (tail + 1) | 0);
    return this.ring(core);
  }

  /**
   * Rings the bell of `core`, as `put` does after the frame is there.
   * @returns the descriptor to wake it by, or TAKEN when it need not be woken or nobody listens
   */
  ring(core: number): number {
    const box = core * this.#layout.box;
    const isRinging = Atomics.exchange(this.#words, box + BELL, 1) !== 0;
    return isRinging ? TAKEN : Atomics.load(this.#words, box + WAKE);
  }

  /**
   * Tells whether the bell has been rung since it was asked last. Whoever hears it looks until `peek` says that nothing waits: a frame
   * that comes after that look rings it again.
   */
  answer(): boolean {
    const at = this.#base + BELL;
    return Atomics.load(this.#words, at) !== 0 && Atomics.exchange(this.#words, at, 0) !== 0;
  }

  /** Length of the frame that is next, or -1 when none waits. Cores that have some take turns, and each has its own in order. */
  peek(): number {
    const words = this.#words;
    for (let left = this.#cores; left > 0; left--) {
      const ring = this.#ringOf(this.#core, this.#from);
      const head = words[ring + HEAD]!;
      if (Atomics.load(words, ring + TAIL) !== head) return words[this.#slotOf(ring, head)]!;
      this.#next();
    }
    return -1;
  }

  /** Copies that frame to `offset` of `memory` and makes room for another. Only after `peek` has said that there is one. */
  take(memory: Uint8Array, offset: number): void {
    const ring = this.#ringOf(this.#core, this.#from);
    const at = this.#slotOf(ring, this.#words[ring + HEAD]!);
    copyBytes(memory, offset, this.#bytes, (at + SLOT_HEADER) * 4, this.#words[at]!);
    this.skip();
  }

  /** Makes room without a look at the frame. */
  skip(): void {
    const at = this.#ringOf(this.#core, this.#from) + HEAD;
    Atomics.store(this.#words, at, (this.#words[at]! + 1) | 0);
    this.#next();
  }

  #next(): void {
    this.#from = this.#from + 1 === this.#cores ? 0 : this.#from + 1;
  }

  #ringOf(reader: number, writer: number): number {
    const { box, ring } = this.#layout;
    return reader * box + LINE + writer * ring;
  }

  #slotOf(ring: number, position: number): number {
    return ring + RING_HEADER + (position & (this.#layout.slots - 1)) * this.#layout.slot;
  }
}
