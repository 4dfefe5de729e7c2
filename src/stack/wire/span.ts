// A run of bytes with the views that copying needs, made once per arena or buffer. `copy` moves payload between two of them, by
// whatever is fastest without making garbage of each packet. (Frames between two arenas are not its affair: src/nic/copy.ts.)

/** Bytes and, once they are needed, the views over the same memory: a buffer that is passed once may need none. */
export class Span {
  readonly bytes: Uint8Array;
  /** Distance of byte 0 from the word boundary at or before it, 0 to 7. */
  readonly phase: number;
  /** The underlying buffer, and where in it byte 0 is. */
  readonly buffer: ArrayBufferLike;
  readonly base: number;
  #view: DataView | undefined = undefined;
  #words: BigInt64Array | undefined = undefined;
  #whole: Uint8Array | undefined;

  /** `whole` is a view of the whole underlying buffer, if there is one already. */
  constructor(bytes: Uint8Array, whole?: Uint8Array) {
    this.bytes = bytes;
    this.buffer = bytes.buffer;
    this.base = bytes.byteOffset;
    this.phase = bytes.byteOffset & 7;
    this.#whole = whole;
  }

  get view(): DataView {
    this.#view ??= new DataView(this.buffer, this.base, this.bytes.byteLength);
    return this.#view;
  }

  /** 64-bit words of the underlying buffer, from the word boundary at or before byte 0. */
  get words(): BigInt64Array {
    this.#words ??= new BigInt64Array(
      this.buffer,
      this.base - this.phase,
      (this.phase + this.bytes.byteLength) >> 3,
    );
    return this.#words;
  }

  /** The underlying buffer, all of it. */
  get whole(): Uint8Array {
    this.#whole ??= new Uint8Array(this.buffer);
    return this.#whole;
  }
}

/** Below this length a byte loop is as fast as anything else. */
const SMALL = 24;
/** From this length on a native move is faster than a loop: within one buffer, which takes no view, and between two, which takes one. */
const MOVED_WITHIN = 64;
const MOVED_BETWEEN = 512;
/** As that, where eight bytes can be copied at a time: a view for each would be garbage. */
const MOVED_ALIGNED = 2048;

/**
 * Copies `length` bytes from `src` at `srcOffset` to `dst` at `dstOffset`. The two ranges must lie within their spans and
 * must not overlap. Measured on Node 20 for 1,448 bytes: 31 ns within one buffer, 105 ns between two
 * when both sides are aligned alike, 45 ns and a view of 100 bytes otherwise.
 */
export function copy(dst: Span, dstOffset: number, src: Span, srcOffset: number, length: number): void {
  if (length < SMALL) copyBytewise(dst.bytes, dstOffset, src.bytes, srcOffset, length);
  else if (length >= MOVED_WITHIN && dst.buffer === src.buffer) {
    const start = src.base + srcOffset;
    dst.whole.copyWithin(dst.base + dstOffset, start, start + length);
  } else copyBetween(dst, dstOffset, src, srcOffset, length);
}

function copyBetween(dst: Span, dstOffset: number, src: Span, srcOffset: number, length: number): void {
  const isAlike = ((dstOffset + dst.phase - srcOffset - src.phase) & 7) === 0;
  if (length >= (isAlike ? MOVED_ALIGNED : MOVED_BETWEEN)) {
    // alloc: for long pieces only, of which there are few
    const part = length === src.bytes.length ? src.bytes : src.bytes.subarray(srcOffset, srcOffset + length);
    dst.bytes.set(part, dstOffset);
  } else if (isAlike) copyWords(dst, dstOffset, src, srcOffset, length);
  else copyHalves(dst, dstOffset, src, srcOffset, length);
}

/** Eight bytes at a time: both sides sit alike within a word. */
function copyWords(dst: Span, dstOffset: number, src: Span, srcOffset: number, length: number): void {
  const head = -(srcOffset + src.phase) & 7;
  copyBytewise(dst.bytes, dstOffset, src.bytes, srcOffset, head);
  const to = dst.words;
  const from = src.words;
  let d = (dstOffset + dst.phase + head) >> 3;
  let s = (srcOffset + src.phase + head) >> 3;
  const count = (length - head) >> 3;
  const stop = s + count;
  for (; s < stop - 3; s += 4, d += 4) {
    to[d] = from[s];
    to[d + 1] = from[s + 1];
    to[d + 2] = from[s + 2];
    to[d + 3] = from[s + 3];
  }
  while (s < stop) to[d++] = from[s++];
  const done = head + (count << 3);
  copyBytewise(dst.bytes, dstOffset + done, src.bytes, srcOffset + done, length - done);
}

/** Four bytes at a time, however the two sides are aligned. */
function copyHalves(dst: Span, dstOffset: number, src: Span, srcOffset: number, length: number): void {
  const to = dst.view;
  const from = src.view;
  const end = length & ~3;
  for (let at = 0; at < end; at += 4) to.setInt32(dstOffset + at, from.getInt32(srcOffset + at, true), true);
  copyBytewise(dst.bytes, dstOffset + end, src.bytes, srcOffset + end, length - end);
}

function copyBytewise(
  to: Uint8Array,
  dstOffset: number,
  from: Uint8Array,
  srcOffset: number,
  length: number,
): void {
  for (let i = 0; i < length; i++) to[dstOffset + i] = from[srcOffset + i];
}

/** Larger buffers are not remembered, in bytes. */
const LARGEST_KEPT = 1 << 20;

/** Remembers the span of the last buffer that a caller passed, so that a program reusing one buffer costs no views. */
export class SpanCache {
  #last = new Span(new Uint8Array(0));
  #length = 0;

  of(bytes: Uint8Array): Span {
    // A buffer that can be resized may have been.
    if (this.#last.bytes === bytes && this.#length === bytes.length) return this.#last;
    const span = new Span(bytes);
    // A large buffer is not kept alive for the sake of a few views.
    if (span.buffer.byteLength <= LARGEST_KEPT) {
      this.#last = span;
      this.#length = bytes.length;
    }
    return span;
  }
}
