// A histogram of times with a bounded relative error, in one typed array: every power of two of tenths of a microsecond is
// divided into 32 equal parts, so a quantile is told within 3 %.

const PART_BITS = 5;
const PARTS = 1 << PART_BITS;
/** 2^26 tenths of a microsecond are 6.7 s; what is longer counts as that. */
const POWERS = 26;

/** Counts of times in microseconds. */
export class Histogram {
  private readonly counts = new Int32Array((POWERS - PART_BITS + 1) * PARTS);
  private total = 0;
  private largest = 0;

  /** Counts one time. */
  add(us: number): void {
    this.counts[indexOf(us)]++;
    this.total++;
    if (us > this.largest) this.largest = us;
  }

  /** Counts what another one has counted as well. */
  addAll(other: Histogram): void {
    for (let i = 0; i < this.counts.length; i++) this.counts[i] += other.counts[i];
    this.total += other.total;
    if (other.largest > this.largest) this.largest = other.largest;
  }

  clear(): void {
    this.counts.fill(0);
    this.total = 0;
    this.largest = 0;
  }

  get max(): number {
    return this.largest;
  }

  /** The time, in microseconds, that the share `q` of all did not exceed; 0 when there are none. */
  quantile(q: number): number {
    if (this.total === 0) return 0;
    let left = Math.max(1, Math.ceil(q * this.total));
    for (let index = 0; index < this.counts.length; index++) {
      left -= this.counts[index];
      if (left <= 0) return Math.min(upperEdge(index), this.largest);
    }
    return this.largest;
  }
}

function indexOf(us: number): number {
  const tenths = Math.min(Math.max(0, Math.round(us * 10)), (1 << POWERS) - 1);
  if (tenths < PARTS) return tenths;
  const shift = 31 - Math.clz32(tenths) - PART_BITS;
  return (shift + 1) * PARTS + (tenths >>> shift) - PARTS;
}

function upperEdge(index: number): number {
  if (index < PARTS) return index / 10;
  const shift = Math.floor(index / PARTS) - 1;
  return (((index % PARTS) + PARTS + 1) * 2 ** shift - 1) / 10;
}
