// The free frames of an arena: a stack in one Int32Array, so that taking and giving back allocates nothing
// and the frame used last (still in the cache) goes out first. A frame is named by its number. Called by
// xdp-nic.

/** A stack of free frame numbers. */
export class FramePool {
  /** Frames that are free. */
  available: number;
  readonly capacity: number;
  readonly #frames: Int32Array;

  /** Makes a pool that holds the frames `first` to `first + count - 1`, all free. */
  constructor(count: number, first = 0) {
    if (!Number.isInteger(count) || count < 0) throw new RangeError(`a pool of ${count} frames`);
    this.capacity = count;
    this.available = count;
    this.#frames = new Int32Array(count);
    // The lowest number on top: a lightly used arena touches few pages.
    for (let i = 0; i < count; i++) this.#frames[i] = first + count - 1 - i;
  }

  /** Takes a frame: its number, or -1 when none is free. */
  take(): number {
    if (this.available === 0) return -1;
    this.available--;
    return this.#frames[this.available]!;
  }

  /** Gives a frame back. Giving back more than were taken is a bug of the caller and throws. */
  give(frame: number): void {
    if (this.available === this.capacity) throw new RangeError('a frame was given back twice');
    this.#frames[this.available] = frame;
    this.available++;
  }
}
