// One direction of an imperfect network: what becomes of each frame, and when it comes out. `simulated-wire` and `fault-nic`
// carry the frames and ask here. The order is that of netem(8): loss, duplication, damage, then the queue before a link of
// limited rate, then delay; a reordered frame is late by more than those behind it. Every decision comes from the seed.

import type { Random } from '../stack/random.js';
import { below, chance, createRandom } from '../stack/random.js';
import { ipStart, setCe } from './checksum-offload.js';

/** Properties of one direction. Probabilities go from 0 to 1. */
export interface PathOptions {
  /** Probability that a frame is lost. Default 0. */
  loss?: number;
  /** Probability that a frame comes twice. Default 0. */
  duplicate?: number;
  /** Probability that a frame is held back by `reorderDelayUs`, so that others overtake it. Default 0. */
  reorder?: number;
  /** How long a reordered frame is held back in addition, in microseconds. Default 1,000. */
  reorderDelayUs?: number;
  /** Probability that one bit behind the link header is flipped. What is not IP is lost instead. Default 0. */
  corrupt?: number;
  /** Time from the last bit sent to arrival, in microseconds. Default 0. */
  delayUs?: number;
  /** Largest random addition to the delay, in microseconds; it does not reorder. Default 0. */
  jitterUs?: number;
  /** Rate of the link in bits per second, counted on the frame without preamble and check sequence. Default Infinity. */
  bandwidthBps?: number;
  /** Frames that may wait for the link, the one being sent not counted; the next one is dropped. Default 1,000. */
  queueFrames?: number;
  /** Bytes that may wait for the link. Default Infinity. */
  queueBytes?: number;
  /** A frame that finds so many others waiting for the link is marked CE if its sender speaks ECN (RFC 3168). Default Infinity. */
  markFrames?: number;
  /** Probability that a frame is marked CE all the same. Default 0. */
  mark?: number;
}

/** What happened on a path since it was made. What comes out is `frames - lost + duplicated - overflowed`. */
export interface PathCounts {
  /** Frames that entered. */
  frames: number;
  /** Frames lost by chance, dropped by a script, or damaged without a checksum that would tell. */
  lost: number;
  /** Frames, duplicates among them, dropped because the queue was full. */
  overflowed: number;
  /** Frames that were doubled. */
  duplicated: number;
  /** Frames that were held back. */
  reordered: number;
  /** Frames with a bit flipped. */
  corrupted: number;
  /** Frames marked CE. */
  marked: number;
}

const DEFAULTS: Required<PathOptions> = {
  loss: 0,
  duplicate: 0,
  reorder: 0,
  reorderDelayUs: 1_000,
  corrupt: 0,
  delayUs: 0,
  jitterUs: 0,
  bandwidthBps: Number.POSITIVE_INFINITY,
  queueFrames: 1_000,
  queueBytes: Number.POSITIVE_INFINITY,
  markFrames: Number.POSITIVE_INFINITY,
  mark: 0,
};
const PROBABILITIES = ['loss', 'duplicate', 'reorder', 'corrupt', 'mark'];
const LIMITS = ['bandwidthBps', 'queueFrames', 'queueBytes', 'markFrames'];

const BITS_US = 8_000_000;

/** Checks properties of a path. @throws RangeError that names the option, after `name` */
export function checkPathOptions(options: PathOptions, name: string): void {
  for (const [key, value] of Object.entries(options)) {
    if (!(key in DEFAULTS)) throw new RangeError(`${name}.${key} is not an option of a path`);
    if (value === undefined) continue;
    if (PROBABILITIES.includes(key)) {
      if (!(value >= 0 && value <= 1))
        throw new RangeError(`${name}.${key} must be from 0 to 1, not ${value}`);
    } else {
      const least = key === 'bandwidthBps' ? 1 : 0;
      const limit = LIMITS.includes(key) && value === Number.POSITIVE_INFINITY;
      if (!limit && !(Number.isSafeInteger(value) && value >= least)) {
        throw new RangeError(`${name}.${key} must be an integer from ${least} on, not ${value}`);
      }
    }
  }
}

/** Decides on the frames of one direction. `enter` leaves its decision in fields, so that it allocates nothing. */
export class Path {
  readonly options: Required<PathOptions>;
  readonly counts: PathCounts;

  /** Decision: when the frame arrives, in microseconds; -1 when it does not. */
  dueUs: number;
  /** Decision: when its duplicate arrives; -1 when there is none. */
  duplicateDueUs: number;
  /** Decision: the frame is to be damaged by `damage`. */
  corrupt: boolean;
  /** Decision: the frame has met congestion, and is to be marked by `markCongestion`. */
  congested: boolean;

  private readonly name: string;
  private readonly random: Random;
  /** A random number that says which bit of the frame is flipped. */
  private draw: number;
  /** Any probability or jitter is set, so that chance must be asked. */
  private uncertain: boolean;
  /** The link has sent everything at `freeUs` plus `freePart / bandwidthBps` of a microsecond. */
  private freeUs: number;
  private freePart: number;
  /** No frame that is not reordered arrives before this. */
  private lastDueUs: number;
  /** Frames that wait for the link, first in first out: when their sending begins, and their lengths. A ring. */
  private begins: Float64Array;
  private lengths: Int32Array;
  private head: number;
  private waiting: number;
  private waitingBytes: number;

  /**
   * @param name what the path is called in messages
   * @throws RangeError that names the option, when one is out of its range or unknown
   */
  constructor(options: PathOptions, seed: number, name: string) {
    this.options = { ...DEFAULTS };
    this.counts = { frames: 0, lost: 0, overflowed: 0, duplicated: 0, reordered: 0, corrupted: 0, marked: 0 };
    this.dueUs = Number.NEGATIVE_INFINITY;
    this.duplicateDueUs = Number.NEGATIVE_INFINITY;
    this.corrupt = false;
    this.congested = false;
    this.name = name;
    this.random = createRandom(seed);
    this.draw = 0;
    this.uncertain = false;
    this.freeUs = Number.NEGATIVE_INFINITY;
    this.freePart = 0;
    this.lastDueUs = Number.NEGATIVE_INFINITY;
    this.begins = new Float64Array(64);
    this.lengths = new Int32Array(64);
    this.head = 0;
    this.waiting = 0;
    this.waitingBytes = 0;
    this.configure(options);
  }

  /** Changes properties from now on; frames on their way are not concerned. @throws RangeError that names the option */
  configure(options: PathOptions): void {
    checkPathOptions(options, this.name);
    // The part is counted in units of the old rate.
    if (this.freePart > 0) this.freeUs++;
    this.freePart = 0;
    for (const [key, value] of Object.entries(options)) {
      if (value !== undefined) this.options[key as keyof PathOptions] = value;
    }
    const { loss, duplicate, reorder, corrupt, jitterUs, mark } = this.options;
    this.uncertain = loss + duplicate + reorder + corrupt + jitterUs + mark > 0;
  }

  /** Decides on a frame of `length` bytes that enters at `now`. The answer is in `dueUs`, `duplicateDueUs` and `corrupt`. */
  enter(now: number, length: number): void {
    const options = this.options;
    const counts = this.counts;
    counts.frames++;
    this.dueUs = -1;
    this.duplicateDueUs = -1;
    this.corrupt = false;
    this.congested = false;
    if (!this.uncertain) {
      this.dueUs = this.arrival(now, length, 0, false);
      return;
    }
    // The same number of draws for every frame: what happens to one does not shift the fate of the next.
    const lost = chance(this.random, options.loss);
    const duplicated = chance(this.random, options.duplicate);
    const reordered = chance(this.random, options.reorder);
    const corrupted = chance(this.random, options.corrupt);
    const jitterUs = below(this.random, options.jitterUs + 1);
    // Drawn only where it can be, so that seeds from before there was marking still mean the same.
    const marked = options.mark > 0 && chance(this.random, options.mark);
    this.draw = this.random();
    if (lost) {
      counts.lost++;
      return;
    }
    this.dueUs = this.arrival(now, length, jitterUs, reordered);
    if (this.dueUs >= 0) {
      this.corrupt = corrupted;
      if (marked) this.congested = true;
      if (reordered) counts.reordered++;
    }
    if (duplicated) {
      counts.duplicated++;
      this.duplicateDueUs = this.arrival(now, length, jitterUs, false);
    }
  }

  /** Counts a frame that a script drops before it enters. */
  drop(): void {
    this.counts.frames++;
    this.counts.lost++;
  }

  /**
   * Flips one bit of the frame decided on last, behind the link header. Returns false when the frame is to be lost instead: it is not IP, so
   * that no checksum tells its receiver, as the check sequence of a real frame would have.
   */
  damage(memory: Uint8Array, view: DataView, offset: number, length: number, linkHeader: number): boolean {
    if (ipStart(view, offset, length, linkHeader) < 0) {
      this.counts.lost++;
      return false;
    }
    const bit = (this.draw >>> 0) % ((length - linkHeader) * 8);
    memory[offset + linkHeader + (bit >>> 3)] ^= 1 << (bit & 7);
    this.counts.corrupted++;
    return true;
  }

  /** Marks the frame decided on last, if its sender speaks ECN. */
  markCongestion(view: DataView, offset: number, length: number, linkHeader: number): void {
    if (setCe(view, offset, length, linkHeader)) this.counts.marked++;
  }

  /** Queues a frame for the link. Returns when it arrives, or -1 when the queue is full. */
  private arrival(now: number, length: number, jitterUs: number, reordered: boolean): number {
    const options = this.options;
    let sentUs = now;
    if (options.bandwidthBps !== Number.POSITIVE_INFINITY) {
      sentUs = this.transmit(now, length);
      if (sentUs < 0) {
        this.counts.overflowed++;
        return -1;
      }
    }
    const dueUs = sentUs + options.delayUs + jitterUs;
    if (reordered) return dueUs + options.reorderDelayUs;
    this.lastDueUs = Math.max(this.lastDueUs, dueUs);
    return this.lastDueUs;
  }

  /** Returns the microsecond at which the last bit of the frame is sent, rounded up, or -1 when the queue is full. */
  private transmit(now: number, length: number): number {
    const { bandwidthBps, queueFrames, queueBytes } = this.options;
    while (this.waiting > 0 && this.begins[this.head] <= now) {
      this.waitingBytes -= this.lengths[this.head];
      this.head = (this.head + 1) & (this.begins.length - 1);
      this.waiting--;
    }
    const beginsUs = this.freePart > 0 ? this.freeUs + 1 : this.freeUs;
    if (beginsUs <= now) {
      this.freeUs = now;
      this.freePart = 0;
    } else {
      if (this.waiting >= this.options.markFrames) this.congested = true;
      if (this.waiting >= queueFrames || this.waitingBytes + length > queueBytes) return -1;
      this.enqueue(beginsUs, length);
    }
    // Whole microseconds and the rest apart, both integers: no rounding error, however long the link is busy.
    const work = this.freePart + length * BITS_US;
    this.freeUs += Math.floor(work / bandwidthBps);
    this.freePart = work % bandwidthBps;
    return this.freePart > 0 ? this.freeUs + 1 : this.freeUs;
  }

  private enqueue(beginsUs: number, length: number): void {
    const room = this.begins.length;
    if (this.waiting === room) {
      const begins = new Float64Array(2 * room);
      const lengths = new Int32Array(2 * room);
      for (let i = 0; i < room; i++) {
        begins[i] = this.begins[(this.head + i) & (room - 1)];
        lengths[i] = this.lengths[(this.head + i) & (room - 1)];
      }
      this.begins = begins;
      this.lengths = lengths;
      this.head = 0;
    }
    const tail = (this.head + this.waiting) & (this.begins.length - 1);
    this.begins[tail] = beginsUs;
    this.lengths[tail] = length;
    this.waiting++;
    this.waitingBytes += length;
  }
}
