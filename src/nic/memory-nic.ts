// A device without hardware: an arena in ordinary memory, frames put in by `inject` and taken out by a hook or by `take`.
// Simulations, scripts, fuzzers and the testing host drive the stack through it, on the same data path as a real device.
// It keeps exact account of its frames and guards the bytes between them, which `check` verifies.

import { completeChecksum } from './checksum-offload.js';
import { copyBytes } from './copy.js';
import type { Nic, NicCapabilities } from './nic.js';
import { RX_STRIDE } from './nic.js';

/** What a memory Nic is to be. */
export interface MemoryNicOptions {
  /** Default `ethernet`. */
  linkType?: 'ethernet' | 'ip';
  /** Largest IP packet that can be sent, in bytes, 68 to 65,535. Default 1,500. */
  mtu?: number;
  /** 6 bytes. Default 02:00:00:00:00:01; zero for linkType `ip`. */
  mac?: Uint8Array;
  /** Frames for each direction. Default 1,024. */
  frames?: number;
  /** Frames for received packets larger than the MTU, up to 65,535 bytes. Default 16. */
  bigFrames?: number;
  /** Bytes of memory behind the frames for whoever uses the Nic (Nic.spare), at most 1 GiB. Default 0. */
  spareBytes?: number;
  /** Offer to compute checksums on submit. Default false. */
  txChecksum?: boolean;
  /** Say that the peer may leave its checksums partial (see NicCapabilities). Default false. */
  rxPartialChecksum?: boolean;
  /** Throw at once when the caller misuses a frame, instead of counting it. Default false. */
  strict?: boolean;
}

/** How many frames are where: see `MemoryNic.check`. */
export interface FrameAccount {
  /** Injected and not yet received. */
  rxQueued: number;
  /** Received and not yet released. */
  rxHeld: number;
  /** Reserved and neither submitted nor released. */
  txReserved: number;
  /** Submitted and not yet flushed. */
  txSubmitted: number;
}

/** Called for each frame that leaves, in order. The bytes are the caller's only until it returns. */
export type TransmitHook = (memory: Uint8Array, offset: number, length: number) => void;

const MAX_IP_PACKET = 65_535;
const ETHERNET_HEADER = 14;

/** Bytes before each frame and after the last one, which nobody may write. */
const GUARD = 64;
const GUARD_BYTE = 0xa5;

// States of a frame.
const FREE = 0;
const RX_QUEUED = 1;
const RX_HELD = 2;
const TX_RESERVED = 3;
const TX_SUBMITTED = 4;

/** Frames of one size and one purpose: a stretch of the arena, a stack of those that are free, and the state of each. */
class FrameArea {
  readonly base: number;
  readonly capacity: number;
  readonly stride: number;
  readonly count: number;
  readonly end: number;
  readonly state: Uint8Array;
  readonly free: Int32Array;
  freeCount: number;

  constructor(base: number, capacity: number, count: number) {
    this.base = base;
    this.capacity = capacity;
    this.stride = GUARD + Math.ceil(capacity / GUARD) * GUARD;
    this.count = count;
    this.end = base + count * this.stride;
    this.state = new Uint8Array(count);
    this.free = new Int32Array(count);
    for (let i = 0; i < count; i++) this.free[i] = count - 1 - i;
    this.freeCount = count;
  }

  /** Takes a free frame: its offset, or -1. */
  take(state: number): number {
    if (this.freeCount === 0) return -1;
    const index = this.free[--this.freeCount];
    this.state[index] = state;
    return this.base + index * this.stride + GUARD;
  }

  /** The number of the frame that begins at `offset`, or -1. */
  indexOf(offset: number): number {
    const distance = offset - GUARD - this.base;
    if (distance < 0 || offset >= this.end) return -1;
    const index = (distance / this.stride) | 0;
    return index * this.stride === distance ? index : -1;
  }

  give(index: number): void {
    this.state[index] = FREE;
    this.free[this.freeCount++] = index;
  }
}

/** The in-memory device. */
export class MemoryNic implements Nic {
  readonly capabilities: NicCapabilities;
  readonly memory: Uint8Array;
  readonly view: DataView;
  readonly spare: Uint8Array;

  /** Gets each frame that is sent, at `flush`. While it is undefined, frames are kept for `take`. */
  onTransmit: TransmitHook | undefined;
  /** What `wait` does: the simulation moves time here. While it is undefined, `wait` returns at once. */
  idle: ((timeoutUs: number) => void) | undefined;

  private readonly strict: boolean;
  private readonly maxFrame: number;
  private readonly rxArea: FrameArea;
  private readonly bigArea: FrameArea;
  private readonly txArea: FrameArea;
  /** Received frames in order: offset, length, flags; a ring with room for every frame there is. */
  private readonly rxRing: Int32Array;
  private rxHead: number;
  private rxCount: number;
  /** Submitted frames in order: offset, length; a ring too. */
  private readonly txRing: Int32Array;
  private txHead: number;
  private txCount: number;
  private sent: Uint8Array[];
  private closed: boolean;

  private rxPackets: number;
  private rxBytes: number;
  private rxDropped: number;
  private txPackets: number;
  private txBytes: number;
  private txNoFrames: number;
  private txErrors: number;
  private frameMisuse: number;

  /** @throws RangeError that names the option */
  constructor(options: MemoryNicOptions = {}) {
    const { linkType = 'ethernet', mtu = 1_500, frames = 1_024, bigFrames = 16, spareBytes = 0 } = options;
    if (linkType !== 'ethernet' && linkType !== 'ip')
      throw new RangeError(`linkType must be ethernet or ip, not ${linkType}`);
    checkInteger('mtu', mtu, 68, MAX_IP_PACKET);
    checkInteger('frames', frames, 1, 1 << 16);
    checkInteger('bigFrames', bigFrames, 0, 1 << 12);
    checkInteger('spareBytes', spareBytes, 0, 1 << 30);
    const ethernet = linkType === 'ethernet';
    const mac = options.mac ?? Uint8Array.of(ethernet ? 2 : 0, 0, 0, 0, 0, ethernet ? 1 : 0);
    if (mac.length !== 6) throw new RangeError(`mac must have 6 bytes, not ${mac.length}`);
    this.capabilities = {
      linkType,
      mtu,
      mac,
      txChecksum: options.txChecksum ?? false,
      rxPartialChecksum: options.rxPartialChecksum ?? false,
      mode: 'memory',
    };
    this.strict = options.strict ?? false;
    const linkHeader = ethernet ? ETHERNET_HEADER : 0;
    this.maxFrame = linkHeader + mtu;
    this.rxArea = new FrameArea(0, this.maxFrame, frames);
    this.bigArea = new FrameArea(this.rxArea.end, linkHeader + MAX_IP_PACKET, bigFrames);
    this.txArea = new FrameArea(this.bigArea.end, this.maxFrame, frames);
    const length = this.txArea.end + GUARD;
    const spareAt = Math.ceil(length / GUARD) * GUARD;
    const buffer = new ArrayBuffer(spareAt + spareBytes);
    this.memory = new Uint8Array(buffer, 0, length);
    this.view = new DataView(buffer, 0, length);
    this.spare = new Uint8Array(buffer, spareAt);
    for (const area of [this.rxArea, this.bigArea, this.txArea]) {
      for (let at = area.base; at <= area.end; at += area.stride)
        this.memory.fill(GUARD_BYTE, at, at + GUARD);
    }
    this.onTransmit = undefined;
    this.idle = undefined;
    this.rxRing = new Int32Array((frames + bigFrames) * RX_STRIDE);
    this.rxHead = 0;
    this.rxCount = 0;
    this.txRing = new Int32Array(frames * 2);
    this.txHead = 0;
    this.txCount = 0;
    this.sent = [];
    this.closed = false;
    this.rxPackets = 0;
    this.rxBytes = 0;
    this.rxDropped = 0;
    this.txPackets = 0;
    this.txBytes = 0;
    this.txNoFrames = 0;
    this.txErrors = 0;
    this.frameMisuse = 0;
  }

  /**
   * Hands the device a frame from the network: it is copied and waits for `receive`. It may be larger than the MTU.
   *
   * @param flags receive flags, RX_CHECKSUM_GOOD for example
   * @returns false when it was dropped (rx_dropped): no frame is free, it is too long, or the device is closed
   */
  inject(bytes: Uint8Array, flags = 0): boolean {
    const offset = this.receiveInto(bytes.length, flags);
    if (offset < 0) return false;
    this.memory.set(bytes, offset);
    return true;
  }

  /** The same for a frame that is a part of `source`. */
  injectFrom(source: Uint8Array, start: number, length: number, flags = 0): boolean {
    const offset = this.receiveInto(length, flags);
    if (offset < 0) return false;
    copyBytes(this.memory, offset, source, start, length);
    return true;
  }

  /** Returns the frames sent since the last call, each in an array of its own, and forgets them. See `onTransmit`. */
  take(): Uint8Array[] {
    const sent = this.sent;
    this.sent = [];
    return sent;
  }

  receive(batch: Int32Array): number {
    const count = Math.min(this.rxCount, (batch.length / RX_STRIDE) | 0);
    const ring = this.rxRing;
    for (let i = 0; i < count; i++) {
      const from = this.rxHead;
      const to = i * RX_STRIDE;
      const offset = ring[from];
      batch[to] = offset;
      batch[to + 1] = ring[from + 1];
      batch[to + 2] = ring[from + 2];
      const area = this.areaOf(offset);
      area.state[area.indexOf(offset)] = RX_HELD;
      this.rxHead = from + RX_STRIDE === ring.length ? 0 : from + RX_STRIDE;
    }
    this.rxCount -= count;
    return count;
  }

  release(offset: number): void {
    const area = this.areaOf(offset);
    const index = area.indexOf(offset);
    const state = index < 0 ? FREE : area.state[index];
    if (state === RX_HELD || state === TX_RESERVED) area.give(index);
    else this.misuse('release', offset, state);
  }

  reserve(): number {
    const offset = this.closed ? -1 : this.txArea.take(TX_RESERVED);
    if (offset < 0) this.txNoFrames++;
    return offset;
  }

  submit(offset: number, length: number, checksumStart: number, checksumOffset: number): void {
    const area = this.txArea;
    const index = area.indexOf(offset);
    if (index < 0 || area.state[index] !== TX_RESERVED) {
      this.misuse('submit', offset, index < 0 ? FREE : area.state[index]);
      return;
    }
    if (length <= 0 || length > this.maxFrame || (checksumStart > 0 && !this.capabilities.txChecksum)) {
      this.txErrors++;
      area.give(index);
      if (this.strict)
        throw new Error(`a frame of ${length} bytes, checksum from ${checksumStart}, cannot be sent`);
      return;
    }
    if (checksumStart > 0) {
      const start = offset + checksumStart;
      completeChecksum(this.view, start, offset + length, start + checksumOffset);
    }
    area.state[index] = TX_SUBMITTED;
    const at = (this.txHead + this.txCount * 2) % this.txRing.length;
    this.txRing[at] = offset;
    this.txRing[at + 1] = length;
    this.txCount++;
  }

  flush(): void {
    // A hook may submit and flush in its turn.
    while (this.txCount > 0) {
      const offset = this.txRing[this.txHead];
      const length = this.txRing[this.txHead + 1];
      this.txHead = this.txHead + 2 === this.txRing.length ? 0 : this.txHead + 2;
      this.txCount--;
      this.txPackets++;
      this.txBytes += length;
      if (this.onTransmit === undefined) this.sent.push(this.memory.slice(offset, offset + length));
      else this.onTransmit(this.memory, offset, length);
      this.txArea.give(this.txArea.indexOf(offset));
    }
  }

  wait(timeoutUs: number): void {
    if (this.rxCount === 0 && this.idle !== undefined) this.idle(timeoutUs);
  }

  statistics(): Record<string, number> {
    return {
      rx_packets: this.rxPackets,
      rx_bytes: this.rxBytes,
      rx_dropped: this.rxDropped,
      tx_packets: this.txPackets,
      tx_bytes: this.txBytes,
      tx_no_frames: this.txNoFrames,
      tx_errors: this.txErrors,
      frame_misuse: this.frameMisuse,
    };
  }

  close(): void {
    this.closed = true;
    this.rxCount = 0;
    this.txCount = 0;
    this.sent = [];
  }

  /**
   * Verifies that every frame is accounted for, that none was released or submitted that was not out, and that nobody
   * wrote outside a frame. For tests.
   *
   * @returns how many frames are out, and where
   * @throws Error that says what is wrong
   */
  check(): FrameAccount {
    if (this.frameMisuse > 0)
      throw new Error(`${this.frameMisuse} frames were released or submitted that were not out`);
    const counts = [0, 0, 0, 0, 0];
    for (const area of [this.rxArea, this.bigArea, this.txArea]) {
      const free = new Set(area.free.subarray(0, area.freeCount));
      if (free.size !== area.freeCount) throw new Error('a frame is free twice');
      for (let index = 0; index < area.count; index++) {
        const state = area.state[index];
        counts[state]++;
        if ((state === FREE) !== free.has(index))
          throw new Error(`frame ${index} is in state ${state} and yet free`);
      }
      for (let at = area.base; at <= area.end; at += area.stride) {
        for (let i = at; i < at + GUARD; i++) {
          if (this.memory[i] !== GUARD_BYTE) throw new Error(`byte ${i}, between two frames, was written`);
        }
      }
    }
    const account = {
      rxQueued: counts[RX_QUEUED],
      rxHeld: counts[RX_HELD],
      txReserved: counts[TX_RESERVED],
      txSubmitted: counts[TX_SUBMITTED],
    };
    if (!this.closed && (account.rxQueued !== this.rxCount || account.txSubmitted !== this.txCount)) {
      throw new Error('the rings do not hold the frames that they should');
    }
    return account;
  }

  /** Takes a frame for `length` bytes that arrive and queues it; -1 when the bytes are to be dropped. */
  private receiveInto(length: number, flags: number): number {
    const area = length <= this.maxFrame ? this.rxArea : this.bigArea;
    const offset = this.closed || length === 0 || length > area.capacity ? -1 : area.take(RX_QUEUED);
    if (offset < 0) {
      this.rxDropped++;
      return -1;
    }
    const ring = this.rxRing;
    const at = (this.rxHead + this.rxCount * RX_STRIDE) % ring.length;
    ring[at] = offset;
    ring[at + 1] = length;
    ring[at + 2] = flags;
    this.rxCount++;
    this.rxPackets++;
    this.rxBytes += length;
    return offset;
  }

  private areaOf(offset: number): FrameArea {
    if (offset < this.rxArea.end) return this.rxArea;
    return offset < this.bigArea.end ? this.bigArea : this.txArea;
  }

  private misuse(verb: string, offset: number, state: number): void {
    this.frameMisuse++;
    if (this.strict)
      throw new Error(`${verb} of ${offset}, which is not a frame that is out (state ${state})`);
  }
}

function checkInteger(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name} must be an integer from ${least} to ${most}, not ${value}`);
  }
}
