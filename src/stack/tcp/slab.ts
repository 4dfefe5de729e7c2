// Memory for very many small records: runs of 32-bit words, handed out in a few sizes from chunks that are never moved. To the garbage
// collector a million records are a thousand arrays or two.

/** Sizes are multiples of this many words. */
const STEP = 8;
/** Words of a chunk; all records of a chunk have one size. */
const CHUNK_SHIFT = 14;
const CHUNK_MASK = (1 << CHUNK_SHIFT) - 1;
/** Chunks that a place can name: it is a positive int32. */
const CHUNK_LIMIT = 1 << (31 - CHUNK_SHIFT);
/** Ends the list of free records; no record is there, so that a place is never 0. */
const NONE = 0;

export class Slab {
  readonly #chunks: Int32Array[] = [new Int32Array(0)];
  /** By size: the first free record, whose first word leads to the next one. */
  readonly #free: number[] = [];
  /** Words in use. */
  inUse = 0;

  /** Takes room for `words` words and returns its place, which is not 0; 0 when all places are taken. */
  take(words: number): number {
    const size = Math.ceil(words / STEP);
    let place = this.#free[size] ?? NONE;
    if (place === NONE) place = this.#addChunk(size);
    if (place === NONE) return NONE;
    this.#free[size] = this.chunkOf(place)[this.offsetOf(place)];
    this.inUse += size * STEP;
    return place;
  }

  /** Gives room back that was taken for `words` words. */
  release(place: number, words: number): void {
    const size = Math.ceil(words / STEP);
    this.chunkOf(place)[this.offsetOf(place)] = this.#free[size] ?? NONE;
    this.#free[size] = place;
    this.inUse -= size * STEP;
  }

  /** The array that a record lies in, and where it begins there. */
  chunkOf(place: number): Int32Array {
    return this.#chunks[place >>> CHUNK_SHIFT];
  }

  offsetOf(place: number): number {
    return place & CHUNK_MASK;
  }

  /** Adds a chunk of records of a size, and returns the first of them. */
  #addChunk(size: number): number {
    if (this.#chunks.length === CHUNK_LIMIT) return NONE;
    const chunk = new Int32Array(CHUNK_MASK + 1);
    const base = this.#chunks.length << CHUNK_SHIFT;
    const step = size * STEP;
    for (let at = 0; at + 2 * step <= chunk.length; at += step) chunk[at] = base + at + step;
    this.#chunks.push(chunk);
    return base;
  }
}
