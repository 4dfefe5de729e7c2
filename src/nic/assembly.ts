// Puts a packet that arrives in several buffers together in one large frame. A packet of a single buffer never comes here.

import type { FramePool } from './frame-pool.js';
import { TX_HEADROOM } from './xdp-nic-parts.js';
import { RX_LINEARIZED, RX_TOO_LONG } from './xdp-statistics.js';

/** Where the large frames are. */
export interface LargeFrames {
  readonly memory: Uint8Array;
  readonly pool: FramePool;
  /** The number of the first one, the offset of its first byte, and the bytes of each. */
  readonly first: number;
  readonly base: number;
  readonly size: number;
}

/** The packet that is being put together, if there is one. */
export class Assembly {
  /** More buffers of a packet are to come. */
  isOpen = false;
  /** How long the packet is so far; what has been dropped included. */
  length = 0;
  readonly #frames: LargeFrames;
  readonly #stats: Float64Array;
  /** Its frame, or -1: there was none, or it was too small. */
  #frame = -1;

  constructor(frames: LargeFrames, stats: Float64Array) {
    this.#frames = frames;
    this.#stats = stats;
  }

  /** Frames that the packet holds. */
  get held(): number {
    return this.isOpen && this.#frame >= 0 ? 1 : 0;
  }

  /**
   * Adds a buffer, which is free after it: the packet's offset when it is complete, with its length in `length`; -1 when it is not, or
   * had to be dropped.
   */
  add(address: number, length: number, isLast: boolean): number {
    const { memory, pool, size } = this.#frames;
    if (!this.isOpen) {
      this.isOpen = true;
      this.length = 0;
      this.#frame = pool.take();
    }
    const frame = this.#frame;
    const end = this.length + length;
    if (frame >= 0 && TX_HEADROOM + end <= size) {
      memory.copyWithin(this.#offsetOf(frame) + this.length, address, address + length);
    } else if (frame >= 0) {
      pool.give(frame);
      this.#frame = -1;
    }
    this.length = end;
    if (!isLast) return -1;
    this.isOpen = false;
    if (this.#frame < 0) {
      this.#stats[RX_TOO_LONG]! += 1;
      return -1;
    }
    this.#stats[RX_LINEARIZED]! += 1;
    return this.#offsetOf(frame);
  }

  #offsetOf(frame: number): number {
    const { first, base, size } = this.#frames;
    return base + (frame - first) * size + TX_HEADROOM;
  }
}
