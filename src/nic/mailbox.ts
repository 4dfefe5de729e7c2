// Frames from one core to another, off the data path: for each core a ring in shared memory, into which every other core may write
// and from which that core alone reads. A full ring refuses, so that whoever writes can count it. The scheme is that of a bounded
// queue with a turn number per slot: a slot whose turn has come belongs to exactly one thread.

/** Frames that one mailbox holds, a power of two. */
const SLOTS = 256;
/** Words ahead of the slots: the turns of the next frame to be written and to be read, and who is to be woken. */
const TAIL = 0;
const HEAD = 1;
const WAKE = 2;
const HEADER_WORDS = 16;
/** Words ahead of the bytes of a slot: its turn, and the length of its frame. */
const TURN = 0;
const LENGTH = 1;
const SLOT_HEADER_WORDS = 2;

/** Memory for the mailboxes of a number of cores, for frames of `frameBytes` at most. */
export function createMailboxes(cores: number, frameBytes: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(cores * boxWords(slotWords(frameBytes)) * 4);
  const words = new Int32Array(memory);
  for (let core = 0; core < cores; core++) resetMailbox(words, core, slotWords(frameBytes));
  return memory;
}

function slotWords(frameBytes: number): number {
  return SLOT_HEADER_WORDS + ((frameBytes + 3) >> 2);
}

function boxWords(slot: number): number {
  return HEADER_WORDS + SLOTS * slot;
}

function resetMailbox(words: Int32Array, core: number, slot: number): void {
  const base = core * boxWords(slot);
  Atomics.store(words, base + TAIL, 0);
  Atomics.store(words, base + HEAD, 0);
  Atomics.store(words, base + WAKE, -1);
  for (let i = 0; i < SLOTS; i++) Atomics.store(words, base + HEADER_WORDS + i * slot + TURN, i);
}

/** The mailboxes as one core sees them. */
export class Mailboxes {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #slot: number;
  readonly #box: number;
  readonly #frameBytes: number;
  readonly #base: number;
  #head: number;

  /** `memory` is of `createMailboxes` with the same `frameBytes`; `core` is whose mailbox is read. */
  constructor(memory: SharedArrayBuffer, frameBytes: number, core: number) {
    this.#words = new Int32Array(memory);
    this.#bytes = new Uint8Array(memory);
    this.#frameBytes = frameBytes;
    this.#slot = slotWords(frameBytes);
    this.#box = boxWords(this.#slot);
    this.#base = core * this.#box;
    // One that comes after a core that died goes on where that one was, which may have been between two lines of `skip`.
    this.#head = Atomics.load(this.#words, this.#base + HEAD);
    if (Atomics.load(this.#words, this.#headSlot + TURN) === ((this.#head + SLOTS) | 0)) this.#advance();
  }

  /** Opens this core's mailbox: others may write, and wake it by this descriptor. -1 closes it. */
  open(wakeFd: number): void {
    Atomics.store(this.#words, this.#base + WAKE, wakeFd);
  }

  /**
   * Copies a frame into the mailbox of `core`.
   * @returns the descriptor to wake it by, or -1 when nobody reads it, it is full, or the frame is too long
   */
  put(core: number, memory: Uint8Array, offset: number, length: number): number {
    const words = this.#words;
    const base = core * this.#box;
    const wakeFd = Atomics.load(words, base + WAKE);
    if (wakeFd < 0 || length > this.#frameBytes) return -1;
    for (;;) {
      const tail = Atomics.load(words, base + TAIL);
      const at = base + HEADER_WORDS + (tail & (SLOTS - 1)) * this.#slot;
      const behind = (Atomics.load(words, at + TURN) - tail) | 0;
      if (behind < 0) return -1;
      if (behind > 0 || Atomics.compareExchange(words, base + TAIL, tail, (tail + 1) | 0) !== tail) continue;
      words[at + LENGTH] = length;
      this.#bytes.set(memory.subarray(offset, offset + length), (at + SLOT_HEADER_WORDS) << 2);
      Atomics.store(words, at + TURN, (tail + 1) | 0);
      return wakeFd;
    }
  }

  /** Length of the frame that waits longest, or -1 when none waits. */
  peek(): number {
    const at = this.#headSlot;
    return Atomics.load(this.#words, at + TURN) === ((this.#head + 1) | 0) ? this.#words[at + LENGTH]! : -1;
  }

  /** Copies that frame to `offset` of `memory` and makes room for another. Only after `peek` has said that there is one. */
  take(memory: Uint8Array, offset: number): void {
    const at = this.#headSlot;
    const from = (at + SLOT_HEADER_WORDS) << 2;
    memory.set(this.#bytes.subarray(from, from + this.#words[at + LENGTH]!), offset);
    this.skip();
  }

  /** Makes room without a look at the frame. */
  skip(): void {
    Atomics.store(this.#words, this.#headSlot + TURN, (this.#head + SLOTS) | 0);
    this.#advance();
  }

  #advance(): void {
    this.#head = (this.#head + 1) | 0;
    Atomics.store(this.#words, this.#base + HEAD, this.#head);
  }

  get #headSlot(): number {
    return this.#base + HEADER_WORDS + (this.#head & (SLOTS - 1)) * this.#slot;
  }
}
