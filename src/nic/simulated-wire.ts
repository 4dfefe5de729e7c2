// Joins two memory Nics in virtual time. Each direction is a path of its own (delay, rate, queue, faults); frames on their
// way are copies in pooled buffers, and a virtual clock says when they arrive. A frame never arrives within the `flush` that
// sent it, not even with a delay of zero.

import { copyBytes } from './copy.js';
import { DelayLine } from './delay-line.js';
import type { MemoryNic } from './memory-nic.js';
import { Path, type PathCounts, type PathOptions } from './path.js';
import type { VirtualClock } from './virtual-clock.js';

/** Properties of a wire: of both directions, and of each one where they differ. */
export interface WireOptions extends PathOptions {
  /** What chance is drawn from. Default 1. */
  seed?: number;
  /** Properties of the direction from the first Nic to the second, before those of both. */
  aToB?: PathOptions;
  /** Properties of the other direction. */
  bToA?: PathOptions;
}

/**
 * Decides about the loss of a frame in a script: `number` counts the frames of the direction from 1 on; `frame` is its
 * bytes, valid only during the call. Returns true to drop it.
 */
export type DropRule = (number: number, frame: Uint8Array) => boolean;

/** One direction of a wire. */
export class WireDirection {
  /** A script's say about which frames are lost; they are counted as lost. */
  drop: DropRule | undefined;
  /** Frames that arrived, duplicates included. */
  delivered: number;
  /** Frames that arrived and that the receiving Nic had no room for. */
  refused: number;

  private readonly to: MemoryNic;
  private readonly clock: VirtualClock;
  private readonly path: Path;
  private readonly linkHeader: number;
  private readonly line: DelayLine;
  /** Per slot of the line: a buffer, a view of it and the length of the frame in it. */
  private readonly buffers: Uint8Array[];
  private readonly views: DataView[];
  private readonly lengths: number[];
  /** The clock's token for the next arrival, 0 when none is planned, and its time. */
  private token: number;
  private plannedUs: number;
  private readonly arrive: () => void;

  constructor(from: MemoryNic, to: MemoryNic, clock: VirtualClock, path: Path) {
    this.drop = undefined;
    this.delivered = 0;
    this.refused = 0;
    this.to = to;
    this.clock = clock;
    this.path = path;
    this.linkHeader = from.capabilities.linkType === 'ethernet' ? 14 : 0;
    this.line = new DelayLine();
    this.buffers = [];
    this.views = [];
    this.lengths = [];
    this.token = 0;
    this.plannedUs = Number.POSITIVE_INFINITY;
    this.arrive = () => {
      this.token = 0;
      this.plannedUs = Number.POSITIVE_INFINITY;
      this.deliver();
      this.plan();
    };
    from.onTransmit = (memory, offset, length) => this.send(memory, offset, length);
  }

  /** What happened to frames on the way. `frames` is how many were sent. */
  get counts(): Readonly<PathCounts> {
    return this.path.counts;
  }

  /** How many frames are on their way. */
  get inFlight(): number {
    return this.line.length;
  }

  /** Changes properties from now on. Frames on their way keep their time, and no later frame overtakes them by that. */
  configure(options: PathOptions): void {
    this.path.configure(options);
  }

  private send(memory: Uint8Array, offset: number, length: number): void {
    const path = this.path;
    if (this.drop?.(path.counts.frames + 1, memory.subarray(offset, offset + length))) {
      path.drop();
      return;
    }
    path.enter(this.clock.now, length);
    if (path.dueUs >= 0) {
      const slot = this.put(memory, offset, length, path.dueUs);
      if (path.congested) path.markCongestion(this.views[slot], 0, length, this.linkHeader);
      if (path.corrupt && !path.damage(this.buffers[slot], this.views[slot], 0, length, this.linkHeader)) {
        this.lengths[slot] = 0;
      }
    }
    if (path.duplicateDueUs >= 0) this.put(memory, offset, length, path.duplicateDueUs);
    this.plan();
  }

  private put(memory: Uint8Array, offset: number, length: number, dueUs: number): number {
    const slot = this.line.add(dueUs);
    let buffer = this.buffers[slot];
    if (buffer === undefined || buffer.length < length) {
      buffer = new Uint8Array(Math.max(2_048, length));
      this.buffers[slot] = buffer;
      this.views[slot] = new DataView(buffer.buffer);
    }
    copyBytes(buffer, 0, memory, offset, length);
    this.lengths[slot] = length;
    return slot;
  }

  private deliver(): void {
    while (this.line.nextDue() <= this.clock.now) {
      const slot = this.line.shift();
      const length = this.lengths[slot];
      // Damaged beyond recognition, see `Path.damage`.
      if (length === 0) continue;
      this.delivered++;
      if (!this.to.injectFrom(this.buffers[slot], 0, length)) this.refused++;
    }
  }

  private plan(): void {
    const dueUs = this.line.nextDue();
    if (dueUs >= this.plannedUs) return;
    if (this.token !== 0) this.clock.cancel(this.token);
    this.plannedUs = dueUs;
    this.token = this.clock.schedule(dueUs, this.arrive);
  }
}

/** Two memory Nics and what is between them. */
export class SimulatedWire {
  readonly aToB: WireDirection;
  readonly bToA: WireDirection;

  /** @throws RangeError that names the option */
  constructor(a: MemoryNic, b: MemoryNic, clock: VirtualClock, options: WireOptions = {}) {
    if (a.capabilities.linkType !== b.capabilities.linkType) {
      throw new RangeError('linkType must be the same on both sides of a wire');
    }
    const { seed = 1, aToB, bToA, ...both } = options;
    this.aToB = new WireDirection(a, b, clock, new Path({ ...both, ...aToB }, seed, 'aToB'));
    this.bToA = new WireDirection(b, a, clock, new Path({ ...both, ...bToA }, ~seed, 'bToA'));
  }
}

/** Joins two memory Nics: sets their `onTransmit`. @throws RangeError that names the option */
export function connectNics(
  a: MemoryNic,
  b: MemoryNic,
  clock: VirtualClock,
  options: WireOptions = {},
): SimulatedWire {
  return new SimulatedWire(a, b, clock, options);
}
