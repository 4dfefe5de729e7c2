// The rings that an AF_XDP socket shares with the kernel, with libxdp's verbs: a producer (fill, tx) calls
// reserve, writes its entries and calls submit; a consumer (rx, comp) calls peek, reads its entries and calls
// release. Each ring has one word that only we write and one that only the other side writes; both are
// touched once per batch, through Atomics, and cached in between. Works over any Int32Array, so tests need no
// kernel. Reference: Documentation/networking/af_xdp.rst.
//
//     words:   ... producer ... consumer ... flags ... | entry 0 | entry 1 | ... | entry size-1 |
//
// Indices run freely through all int32 values and are masked only to find an entry. Addresses are offsets
// into an arena below 2 GiB, so the high word of each 64-bit address stays 0 and is never written.

/** Ring flag: the other side sleeps and wants a system call. Equals XDP_RING_NEED_WAKEUP. */
export const NEED_WAKEUP = 1;

/** Words of an entry of the fill and comp rings: a 64-bit address. */
export const ADDRESS_WORDS = 2;

/** Words of an entry of the rx and tx rings, struct xdp_desc: 64-bit address, length, options. */
export const DESCRIPTOR_WORDS = 4;

/** Where a ring lies in its memory, in 32-bit words. */
export interface RingLayout {
  readonly words: Int32Array;
  readonly producer: number;
  readonly consumer: number;
  readonly flags: number;
  readonly entries: number;
  /** Number of entries, a power of two. */
  readonly size: number;
}

function checkedSize(size: number): number {
  if (!Number.isInteger(size) || size < 1 || (size & (size - 1)) !== 0) {
    throw new RangeError(`a ring needs a power of two of entries, not ${size}`);
  }
  return size;
}

/** The side of a ring that puts entries in: fill and tx. */
export class ProducerRing {
  readonly size: number;
  /** The first entry of the last `reserve`; entry i of it is at `index + i`. */
  index: number;
  readonly #words: Int32Array;
  readonly #producerWord: number;
  readonly #consumerWord: number;
  readonly #flagsWord: number;
  readonly #entries: number;
  readonly #mask: number;
  /** First entry not yet reserved. */
  #cachedProducer: number;
  /** What the other side has taken, plus `size`: so the free entries are one subtraction away. */
  #cachedLimit: number;
  /** What has been submitted. */
  #submitted: number;

  constructor(layout: RingLayout) {
    this.size = checkedSize(layout.size);
    this.index = 0;
    this.#words = layout.words;
    this.#producerWord = layout.producer;
    this.#consumerWord = layout.consumer;
    this.#flagsWord = layout.flags;
    this.#entries = layout.entries;
    this.#mask = this.size - 1;
    this.#cachedProducer = Atomics.load(this.#words, this.#producerWord);
    this.#cachedLimit = (Atomics.load(this.#words, this.#consumerWord) + this.size) | 0;
    this.#submitted = this.#cachedProducer;
  }

  /** Claims `count` entries, the first at `index`: `count`, or 0 when so many are not free. */
  reserve(count: number): number {
    if (((this.#cachedLimit - this.#cachedProducer) | 0) < count) {
      this.#cachedLimit = (Atomics.load(this.#words, this.#consumerWord) + this.size) | 0;
      if (((this.#cachedLimit - this.#cachedProducer) | 0) < count) return 0;
    }
    this.index = this.#cachedProducer;
    this.#cachedProducer = (this.#cachedProducer + count) | 0;
    return count;
  }

  /** Writes an entry of a fill ring. */
  setAddress(index: number, address: number): void {
    this.#words[this.#entries + (index & this.#mask) * ADDRESS_WORDS] = address;
  }

  /** Writes an entry of a tx ring. */
  setDescriptor(index: number, address: number, length: number, options: number): void {
    const at = this.#entries + (index & this.#mask) * DESCRIPTOR_WORDS;
    this.#words[at] = address;
    this.#words[at + 2] = length;
    this.#words[at + 3] = options;
  }

  /** Hands the next `count` reserved entries over, in the order in which they were reserved. */
  submit(count: number): void {
    this.#submitted = (this.#submitted + count) | 0;
    Atomics.store(this.#words, this.#producerWord, this.#submitted);
  }

  /** Counts the submitted entries that the other side has not taken yet. */
  outstanding(): number {
    return (this.#submitted - Atomics.load(this.#words, this.#consumerWord)) | 0;
  }

  /** True when the other side wants a system call to go on. */
  needsWakeup(): boolean {
    return (Atomics.load(this.#words, this.#flagsWord) & NEED_WAKEUP) !== 0;
  }
}

/** The side of a ring that takes entries out: rx and comp. */
export class ConsumerRing {
  readonly size: number;
  /** The first entry of the last `peek`; entry i of it is at `index + i`. */
  index: number;
  readonly #words: Int32Array;
  readonly #producerWord: number;
  readonly #consumerWord: number;
  readonly #entries: number;
  readonly #mask: number;
  /** What the other side has put in, as last seen. */
  #cachedProducer: number;
  /** First entry not yet peeked at. */
  #cachedConsumer: number;
  /** What has been released. */
  #released: number;

  constructor(layout: RingLayout) {
    this.size = checkedSize(layout.size);
    this.index = 0;
    this.#words = layout.words;
    this.#producerWord = layout.producer;
    this.#consumerWord = layout.consumer;
    this.#entries = layout.entries;
    this.#mask = this.size - 1;
    this.#cachedProducer = Atomics.load(this.#words, this.#producerWord);
    this.#cachedConsumer = Atomics.load(this.#words, this.#consumerWord);
    this.#released = this.#cachedConsumer;
  }

  /** Looks at up to `count` entries, the first at `index`: how many there are. */
  peek(count: number): number {
    let ready = (this.#cachedProducer - this.#cachedConsumer) | 0;
    if (ready === 0) {
      this.#cachedProducer = Atomics.load(this.#words, this.#producerWord);
      ready = (this.#cachedProducer - this.#cachedConsumer) | 0;
    }
    const seen = Math.min(ready, count);
    this.index = this.#cachedConsumer;
    this.#cachedConsumer = (this.#cachedConsumer + seen) | 0;
    return seen;
  }

  /** Puts the last `count` entries looked at back, to be seen again by the next `peek`. */
  cancel(count: number): void {
    this.#cachedConsumer = (this.#cachedConsumer - count) | 0;
  }

  /** The address of an entry, low word. */
  address(index: number): number {
    return this.#words[this.#entries + (index & this.#mask) * ADDRESS_WORDS]!;
  }

  /** The address of a descriptor, low word. */
  descriptorAddress(index: number): number {
    return this.#words[this.#entries + (index & this.#mask) * DESCRIPTOR_WORDS]!;
  }

  /** The length of a descriptor. */
  descriptorLength(index: number): number {
    return this.#words[this.#entries + (index & this.#mask) * DESCRIPTOR_WORDS + 2]!;
  }

  /** The options of a descriptor. */
  descriptorOptions(index: number): number {
    return this.#words[this.#entries + (index & this.#mask) * DESCRIPTOR_WORDS + 3]!;
  }

  /** Gives `count` entries that were looked at back to the other side. */
  release(count: number): void {
    this.#released = (this.#released + count) | 0;
    Atomics.store(this.#words, this.#consumerWord, this.#released);
  }

  /** True when there is something to peek at; always looks at the other side's index. */
  ready(): boolean {
    return Atomics.load(this.#words, this.#producerWord) !== this.#cachedConsumer;
  }
}
