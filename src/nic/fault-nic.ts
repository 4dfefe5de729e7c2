// Wraps any Nic and is a Nic: on the way in and on the way out it loses, doubles, reorders, damages, delays and slows down
// frames, from a seed. A frame that is late stays where it is, in the arena of the Nic inside, so nothing is copied and what
// is on its way is bounded by the frames of that Nic, as it is by the memory of a router.

import { completeChecksum, completePartialChecksum } from './checksum-offload.js';
import { DelayLine } from './delay-line.js';
import type { Nic, NicCapabilities } from './nic.js';
import { RX_CHECKSUM_GOOD, RX_STRIDE } from './nic.js';
import { Path, type PathCounts, type PathOptions } from './path.js';

/** The faults of each direction. */
export interface FaultOptions {
  /** What chance is drawn from. Default 1. */
  seed?: number;
  /** What befalls received frames. */
  rx?: PathOptions;
  /** What befalls frames that are sent. */
  tx?: PathOptions;
}

/** Frames taken from the Nic inside at a time. */
const BATCH = 64;

/** A frame on its way takes four integers: offset, length, then flags (rx), or checksum start and offset (tx). */
const HELD = 4;

/** The wrapper. */
export class FaultNic implements Nic {
  readonly capabilities: NicCapabilities;
  readonly memory: Uint8Array;
  readonly view: DataView;
  readonly spare?: Uint8Array;

  private readonly inner: Nic;
  private readonly clock: () => number;
  private readonly linkHeader: number;
  private readonly maxFrame: number;
  private readonly rx: Path;
  private readonly tx: Path;
  private readonly rxLine: DelayLine;
  private readonly txLine: DelayLine;
  private readonly batch: Int32Array;
  private rxHeld: Int32Array;
  private txHeld: Int32Array;
  /** Submitted and not yet flushed, HELD integers each. */
  private pending: Int32Array;
  private pendingCount: number;
  private unduplicated: number;

  /**
   * @param clock returns the time in microseconds; virtual time serves as well as real time
   * @throws RangeError that names the option
   */
  constructor(inner: Nic, options: FaultOptions, clock: () => number) {
    for (const key of Object.keys(options)) {
      if (!['seed', 'rx', 'tx'].includes(key))
        throw new RangeError(`${key} is not an option of the fault Nic`);
    }
    const { seed = 1, rx = {}, tx = {} } = options;
    this.capabilities = { ...inner.capabilities, mode: `${inner.capabilities.mode}+fault` };
    this.memory = inner.memory;
    this.view = inner.view;
    if (inner.spare !== undefined) this.spare = inner.spare;
    this.inner = inner;
    this.clock = clock;
    this.linkHeader = inner.capabilities.linkType === 'ethernet' ? 14 : 0;
    this.maxFrame = this.linkHeader + inner.capabilities.mtu;
    this.rx = new Path(rx, seed, 'rx');
    this.tx = new Path(tx, ~seed, 'tx');
    this.rxLine = new DelayLine();
    this.txLine = new DelayLine();
    this.batch = new Int32Array(BATCH * RX_STRIDE);
    this.rxHeld = new Int32Array(this.rxLine.capacity * HELD);
    this.txHeld = new Int32Array(this.txLine.capacity * HELD);
    this.pending = new Int32Array(BATCH * HELD);
    this.pendingCount = 0;
    this.unduplicated = 0;
  }

  /** Changes faults from now on; frames on their way are not concerned. @throws RangeError that names the option */
  configure(options: Omit<FaultOptions, 'seed'>): void {
    if (options.rx !== undefined) this.rx.configure(options.rx);
    if (options.tx !== undefined) this.tx.configure(options.tx);
  }

  /** What happened to received frames. */
  get rxCounts(): Readonly<PathCounts> {
    return this.rx.counts;
  }

  /** What happened to sent frames. */
  get txCounts(): Readonly<PathCounts> {
    return this.tx.counts;
  }

  /** Returns when a frame on its way is next due, in microseconds; Infinity when there is none. */
  nextEvent(): number {
    return Math.min(this.rxLine.nextDue(), this.txLine.nextDue());
  }

  receive(batch: Int32Array): number {
    const now = this.clock();
    if (this.txLine.nextDue() <= now) {
      this.sendDue(now);
      this.inner.flush();
    }
    const room = (batch.length / RX_STRIDE) | 0;
    let count = 0;
    let taken = BATCH;
    // Until the batch is full or the Nic inside is empty: a count of zero must mean that there is nothing.
    for (;;) {
      while (count < room && this.rxLine.nextDue() <= now) {
        const held = this.rxLine.shift() * HELD;
        const to = count++ * RX_STRIDE;
        batch[to] = this.rxHeld[held];
        batch[to + 1] = this.rxHeld[held + 1];
        batch[to + 2] = this.rxHeld[held + 2];
      }
      if (count === room || taken < BATCH) return count;
      taken = this.inner.receive(this.batch);
      for (let i = 0; i < taken; i++) {
        const from = i * RX_STRIDE;
        this.enterRx(now, this.batch[from], this.batch[from + 1], this.batch[from + 2]);
      }
    }
  }

  release(offset: number): void {
    this.inner.release(offset);
  }

  reserve(): number {
    return this.inner.reserve();
  }

  submit(offset: number, length: number, checksumStart: number, checksumOffset: number): void {
    const at = this.pendingCount * HELD;
    if (at === this.pending.length) this.pending = doubled(this.pending);
    this.pending[at] = offset;
    this.pending[at + 1] = length;
    this.pending[at + 2] = checksumStart;
    this.pending[at + 3] = checksumOffset;
    this.pendingCount++;
  }

  flush(): void {
    const now = this.clock();
    for (let i = 0; i < this.pendingCount; i++) {
      const at = i * HELD;
      this.enterTx(now, this.pending[at], this.pending[at + 1], this.pending[at + 2], this.pending[at + 3]);
    }
    this.pendingCount = 0;
    this.sendDue(now);
    this.inner.flush();
  }

  wait(timeoutUs: number): void {
    const untilDue = this.nextEvent() - this.clock();
    if (untilDue > 0) this.inner.wait(Math.min(timeoutUs, untilDue));
  }

  /** Those of the Nic inside, and what was done here: `fault_rx_lost`, `fault_tx_duplicated`, … */
  statistics(): Record<string, number> {
    const all = this.inner.statistics();
    for (const [name, value] of Object.entries(this.rx.counts)) all[`fault_rx_${name}`] = value;
    for (const [name, value] of Object.entries(this.tx.counts)) all[`fault_tx_${name}`] = value;
    all.fault_no_frames = this.unduplicated;
    return all;
  }

  close(): void {
    this.inner.close();
  }

  private enterRx(now: number, offset: number, length: number, flags: number): void {
    const path = this.rx;
    path.enter(now, length);
    // The duplicate first: it is a copy of the frame before the damage. Equal times keep the order of `hold`.
    const copy = path.duplicateDueUs >= 0 ? this.duplicate(offset, length) : -1;
    let keep = path.dueUs >= 0;
    let after = flags;
    if (keep && path.congested) path.markCongestion(this.view, offset, length, this.linkHeader);
    if (keep && path.corrupt) {
      if (this.capabilities.rxPartialChecksum)
        completePartialChecksum(this.view, offset, length, this.linkHeader);
      keep = path.damage(this.memory, this.view, offset, length, this.linkHeader);
      after &= ~RX_CHECKSUM_GOOD;
    }
    if (keep) this.holdRx(path.dueUs, offset, length, after);
    else this.inner.release(offset);
    if (copy >= 0) this.holdRx(path.duplicateDueUs, copy, length, flags);
  }

  private enterTx(now: number, offset: number, length: number, start: number, field: number): void {
    const path = this.tx;
    path.enter(now, length);
    const copy = path.duplicateDueUs >= 0 ? this.duplicate(offset, length) : -1;
    let keep = path.dueUs >= 0;
    let checksumStart = start;
    if (keep && path.congested) path.markCongestion(this.view, offset, length, this.linkHeader);
    if (keep && path.corrupt) {
      if (start > 0) completeChecksum(this.view, offset + start, offset + length, offset + start + field);
      checksumStart = 0;
      keep = path.damage(this.memory, this.view, offset, length, this.linkHeader);
    }
    if (keep) this.holdTx(path.dueUs, offset, length, checksumStart, field);
    else this.inner.release(offset);
    if (copy >= 0) this.holdTx(path.duplicateDueUs, copy, length, start, field);
  }

  /** Copies a frame into another one of the Nic inside; -1 when it has none to spare, or none as large. */
  private duplicate(offset: number, length: number): number {
    const copy = length <= this.maxFrame ? this.inner.reserve() : -1;
    if (copy < 0) this.unduplicated++;
    else this.memory.copyWithin(copy, offset, offset + length);
    return copy;
  }

  private holdRx(dueUs: number, offset: number, length: number, flags: number): void {
    const at = this.rxLine.add(dueUs) * HELD;
    if (at >= this.rxHeld.length) this.rxHeld = doubled(this.rxHeld);
    this.rxHeld[at] = offset;
    this.rxHeld[at + 1] = length;
    this.rxHeld[at + 2] = flags;
  }

  private holdTx(dueUs: number, offset: number, length: number, start: number, field: number): void {
    const at = this.txLine.add(dueUs) * HELD;
    if (at >= this.txHeld.length) this.txHeld = doubled(this.txHeld);
    this.txHeld[at] = offset;
    this.txHeld[at + 1] = length;
    this.txHeld[at + 2] = start;
    this.txHeld[at + 3] = field;
  }

  private sendDue(now: number): void {
    while (this.txLine.nextDue() <= now) {
      const at = this.txLine.shift() * HELD;
      const held = this.txHeld;
      this.inner.submit(held[at], held[at + 1], held[at + 2], held[at + 3]);
    }
  }
}

function doubled(old: Int32Array): Int32Array {
  const larger = new Int32Array(old.length * 2);
  larger.set(old);
  return larger;
}
