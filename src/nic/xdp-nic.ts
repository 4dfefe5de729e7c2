// A Nic on one queue of a real interface: moves frames between the stack and the four rings of an AF_XDP
// socket. Frames are never copied, except that a packet which arrives in several buffers is put together in
// one large frame (assembly.ts). open-xdp-nic.ts makes it, xdp-waiter.ts waits for it.
//
// Every frame has exactly one owner, and each arrow below is one place in this file:
//
//     free ── refill ──> fill ring ──> kernel ──> rx ring ── receive ──> held ── release ──> free
//     free ── reserve ──> held ── submit ──> tx ring ──> kernel ──> comp ring ── reap ──> free

import { writeSync } from 'node:fs';
import { Assembly } from './assembly.js';
import { FramePool } from './frame-pool.js';
import { type Nic, type NicCapabilities, RX_STRIDE } from './nic.js';
import { forgetNic } from './open-nics.js';
import { TX_METADATA_LENGTH, XDP_PKT_CONTD, XDP_TX_METADATA, XDP_TXMD_FLAGS_CHECKSUM } from './os/layouts.js';
import { close, eventfd } from './os/syscalls.js';
import type { ConsumerRing, ProducerRing } from './ring.js';
import { type FrameOwners, type NicSocket, TX_HEADROOM, type XdpNicParts } from './xdp-nic-parts.js';
import type { XdpProgram } from './xdp-program.js';
import {
  makeStatistics,
  namedStatistics,
  RX_BYTES,
  RX_PACKETS,
  TX_BYTES,
  TX_KICKS,
  TX_KICKS_REFUSED,
  TX_PACKETS,
  TX_RING_FULL,
} from './xdp-statistics.js';
import { Waiter } from './xdp-waiter.js';

/** Frames that a kick is for at most, where it may send as many: a call of 1.5 to 3 µs. More are not faster. */
const KICK_GROUP = 64;

/**
 * Frames that are given to the kernel at once, or an eighth of its share; fewer are not worth touching the
 * ring.
 */
const REFILL_BATCH = 64;

/** How soon to offer frames again that the kernel would not take. */
const KICK_RETRY_US = 1_000;

const NOTHING = new Uint8Array(1);

// Owners of a frame.
const FREE = 0;
const FILL = 1;
const HELD = 2;
const TX = 3;

/**
 * One queue of an interface. All methods belong to the thread that opened it; only `wakeFd` may be used from
 * others.
 */
export class XdpNic implements Nic {
  readonly capabilities: NicCapabilities;
  readonly memory: Uint8Array;
  readonly view: DataView;
  readonly spare: Uint8Array;
  /** The program behind the interface's queues, for its addresses and for further queues. */
  readonly program: XdpProgram;
  readonly queue: number;
  /** Another thread wakes this Nic out of `wait` with `wakeNic(wakeFd)`. */
  readonly wakeFd: number;

  readonly #socket: NicSocket;
  /** Readable when a frame may be there, for a program that waits for several Nics at once. */
  readonly fd: number;
  readonly #fill: ProducerRing;
  readonly #comp: ConsumerRing;
  readonly #rx: ConsumerRing;
  readonly #tx: ProducerRing;
  readonly #ownsWakeFd: boolean;
  readonly #waiter: Waiter;
  readonly #stats: Float64Array;

  /** Small frames. */
  readonly #pool: FramePool;
  readonly #largePool: FramePool;
  /** Frames for sending: one of the two. */
  readonly #txPool: FramePool;
  readonly #assembly: Assembly;
  readonly #owner: Uint8Array;
  /** Descriptors of a frame that the kernel still has to complete. */
  readonly #uncompleted: Uint8Array;
  readonly #frames: number;
  readonly #frameShift: number;
  readonly #frameMask: number;
  readonly #largeBase: number;
  readonly #largeSize: number;
  readonly #gap: number;
  readonly #fillTarget: number;
  readonly #refillBatch: number;
  readonly #alwaysKick: boolean;
  readonly #busyPoll: boolean;

  #fillCount: number;
  #heldCount: number;
  #txCount: number;
  readonly #kickGroup: number;
  /** Descriptors written to the tx ring and not yet handed over. */
  #pending: number;
  /** The kernel has been handed descriptors that it may not have taken. */
  #kickWanted: boolean;
  #closed: boolean;

  constructor(parts: XdpNicParts) {
    const { socket, arena } = parts;
    this.capabilities = parts.capabilities;
    this.memory = socket.memory;
    this.spare = socket.spare;
    this.view = new DataView(socket.memory.buffer, socket.memory.byteOffset, socket.memory.length);
    this.program = parts.program;
    this.queue = parts.queue;
    this.#ownsWakeFd = parts.wakeFd === undefined;
    this.wakeFd = parts.wakeFd ?? eventfd();
    this.#socket = socket;
    this.fd = socket.fd;
    this.#fill = socket.fill;
    this.#comp = socket.comp;
    this.#rx = socket.rx;
    this.#tx = socket.tx;
    this.#stats = makeStatistics();
    this.#pool = new FramePool(arena.frames);
    this.#largePool = new FramePool(arena.largeFrames, arena.frames);
    this.#txPool = arena.sendLarge ? this.#largePool : this.#pool;
    this.#owner = new Uint8Array(arena.frames + arena.largeFrames);
    this.#uncompleted = new Uint8Array(arena.frames + arena.largeFrames);
    this.#frames = arena.frames;
    this.#frameShift = Math.log2(arena.frameSize) | 0;
    this.#frameMask = arena.frameSize - 1;
    this.#largeBase = arena.frames * arena.frameSize;
    this.#largeSize = arena.largeSize;
    this.#assembly = new Assembly(
      {
        memory: socket.memory,
        pool: this.#largePool,
        first: arena.frames,
        base: this.#largeBase,
        size: arena.largeSize,
      },
      this.#stats,
    );
    this.#gap = arena.gap;
    this.#fillTarget = arena.fillTarget;
    this.#refillBatch = Math.min(REFILL_BATCH, Math.max(1, arena.fillTarget >> 3));
    // In copy mode nothing is sent without a call, whatever the flag says.
    this.#alwaysKick = !socket.zeroCopy;
    this.#busyPoll = parts.busyPoll;
    this.#waiter = new Waiter({
      socket,
      wakeFd: this.wakeFd,
      bell: parts.bell,
      spinUs: parts.spinUs,
      busyPoll: parts.busyPoll,
      stats: this.#stats,
    });
    this.#kickGroup = Math.min(KICK_GROUP, socket.txBudget);
    this.#fillCount = 0;
    this.#heldCount = 0;
    this.#txCount = 0;
    this.#pending = 0;
    this.#kickWanted = false;
    this.#closed = false;
    this.#refill();
  }

  receive(batch: Int32Array): number {
    if (this.#closed) return 0;
    if (this.#fillTarget - this.#fillCount >= this.#refillBatch) this.#refill();
    const rx = this.#rx;
    const seen = rx.peek((batch.length / RX_STRIDE) | 0);
    if (seen === 0) {
      if (this.#busyPoll || this.#fill.needsWakeup()) this.#waiter.wakeReceiver();
      return 0;
    }
    const assembly = this.#assembly;
    const first = rx.index;
    let count = 0;
    let at = 0;
    let bytes = 0;
    for (let i = 0; i < seen; i++) {
      const index = (first + i) | 0;
      const address = rx.descriptorAddress(index);
      const options = rx.descriptorOptions(index);
      let offset = address;
      let length = rx.descriptorLength(index);
      this.#owner[address >> this.#frameShift] = HELD;
      if (assembly.isOpen || (options & XDP_PKT_CONTD) !== 0) {
        offset = this.#assemble(address, length, (options & XDP_PKT_CONTD) === 0);
        if (offset < 0) continue;
        length = assembly.length;
      }
      batch[at] = offset;
      batch[at + 1] = length;
      batch[at + 2] = 0;
      at += RX_STRIDE;
      count++;
      bytes += length;
    }
    rx.release(seen);
    this.#fillCount -= seen;
    this.#heldCount += seen;
    this.#stats[RX_PACKETS]! += count;
    this.#stats[RX_BYTES]! += bytes;
    return count;
  }

  release(offset: number): void {
    if (this.#closed) return;
    const frame = this.#frameOf(offset);
    if (this.#owner[frame] !== HELD)
      throw new RangeError(`release of a frame that is not held (offset ${offset})`);
    this.#heldCount--;
    this.#free(frame);
  }

  reserve(): number {
    if (this.#closed) return -1;
    // What the fill ring lacks is spoken for: a sender must not be able to stop the receiver.
    if (!this.#mayReserve()) {
      if (this.#txCount === 0) return -1;
      this.#reap();
      if (!this.#mayReserve()) return -1;
    }
    const frame = this.#txPool.take();
    this.#owner[frame] = HELD;
    this.#heldCount++;
    return this.#baseOf(frame) + TX_HEADROOM;
  }

  submit(offset: number, length: number, checksumStart: number, checksumOffset: number): void {
    if (this.#closed) return;
    const frame = this.#frameOf(offset);
    if (this.#owner[frame] !== HELD)
      throw new RangeError(`submit of a frame that is not held (offset ${offset})`);
    const end = this.#baseOf(frame) + (frame < this.#frames ? this.#frameMask + 1 : this.#largeSize);
    // A descriptor stays within its chunk: what is longer takes one for each chunk that it touches.
    const first = this.#frameMask + 1 - (offset & this.#frameMask);
    const chunks = length <= first ? 1 : 1 + Math.ceil((length - first) / (this.#frameMask + 1 - this.#gap));
    if (length < 1 || offset + length + (chunks - 1) * this.#gap > end)
      throw new RangeError(`a frame at ${offset} cannot be ${length} bytes`);
    let options = 0;
    if (checksumStart > 0) {
      const metadata = offset - TX_METADATA_LENGTH;
      this.view.setInt32(metadata, XDP_TXMD_FLAGS_CHECKSUM, true);
      this.view.setInt32(metadata + 4, 0, true);
      this.view.setInt32(metadata + 8, checksumStart | (checksumOffset << 16), true);
      options = XDP_TX_METADATA;
    }
    const tx = this.#tx;
    this.#heldCount--;
    if (tx.reserve(chunks) === 0) {
      this.#dropFull(frame);
      return;
    }
    if (chunks === 1) tx.setDescriptor(tx.index, offset, length, options);
    else this.#writeChunks(offset, length, options, first, chunks);
    this.#owner[frame] = TX;
    this.#uncompleted[frame] = chunks;
    this.#txCount++;
    this.#pending += chunks;
    this.#stats[TX_PACKETS]! += 1;
    this.#stats[TX_BYTES]! += length;
    if (this.#pending >= this.#kickGroup) this.#handOver();
  }

  flush(): void {
    if (this.#closed) return;
    if (this.#pending > 0 || this.#kickWanted) this.#handOver();
    if (this.#txCount > 0) this.#reap();
  }

  wait(timeoutUs: number): void {
    if (this.#closed || this.#rx.ready()) return;
    if (this.#fillCount < this.#fillTarget) this.#refill();
    if (!(timeoutUs > 0)) return;
    // What the kernel would not take must be offered again soon, whatever comes in.
    this.#waiter.wait(timeoutUs, this.#kickWanted ? KICK_RETRY_US : timeoutUs);
  }

  /** Counts the frames by owner. The sum is the number of frames; anything else is a bug here. */
  owners(): FrameOwners {
    return {
      free: this.#pool.available + this.#largePool.available,
      fill: this.#fillCount,
      held: this.#heldCount + this.#assembly.held,
      tx: this.#txCount,
    };
  }

  /**
   * Counters of the ring driver, of the socket (`xsk_…`, XDP_STATISTICS) and of the program (`xdp_…`, all
   * queues).
   */
  statistics(): Record<string, number> {
    const found = namedStatistics(this.#stats);
    if (this.#closed) return found;
    const { redirected, passed } = this.program.counts();
    return { ...found, xdp_redirected: redirected, xdp_passed: passed, ...this.#socket.statistics() };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    forgetNic(this);
    // First the gate, so that nothing more is redirected, then the socket.
    this.program.close();
    this.#socket.close();
    if (this.#ownsWakeFd) close(this.wakeFd);
  }

  /** Adds a buffer to a packet of several and frees it: the packet's offset once it is complete, -1 before that, or if it was dropped. */
  #assemble(address: number, length: number, isLast: boolean): number {
    const offset = this.#assembly.add(address, length, isLast);
    this.#heldCount--;
    this.#free(address >> this.#frameShift);
    if (offset < 0) return -1;
    this.#owner[this.#frameOf(offset)] = HELD;
    this.#heldCount++;
    return offset;
  }

  #frameOf(offset: number): number {
    if (offset < this.#largeBase) return offset >> this.#frameShift;
    return this.#frames + (((offset - this.#largeBase) / this.#largeSize) | 0);
  }

  #baseOf(frame: number): number {
    if (frame < this.#frames) return frame << this.#frameShift;
    return this.#largeBase + (frame - this.#frames) * this.#largeSize;
  }

  #free(frame: number): void {
    this.#owner[frame] = FREE;
    if (frame < this.#frames) this.#pool.give(frame);
    else this.#largePool.give(frame);
  }

  #mayReserve(): boolean {
    const spokenFor = this.#txPool === this.#pool ? this.#fillTarget - this.#fillCount : 0;
    return this.#txPool.available > spokenFor;
  }

  /** Gives the kernel free frames to receive into. */
  #refill(): void {
    const wanted = this.#fillTarget - this.#fillCount;
    const fill = this.#fill;
    const count = fill.reserve(Math.min(wanted, this.#pool.available));
    if (count === 0) return;
    const first = fill.index;
    for (let i = 0; i < count; i++) {
      const frame = this.#pool.take();
      this.#owner[frame] = FILL;
      fill.setAddress((first + i) | 0, frame << this.#frameShift);
    }
    fill.submit(count);
    this.#fillCount += count;
  }

  /** Hands what is pending over to the kernel and makes it send. */
  #handOver(): void {
    if (this.#pending > 0) {
      this.#tx.submit(this.#pending);
      this.#pending = 0;
    }
    this.#kickWanted = false;
    if (!this.#alwaysKick && !this.#tx.needsWakeup()) return;
    this.#stats[TX_KICKS]! += 1;
    try {
      // An empty write(2) reaches the socket's sendmsg: a kick without a call through ffi-rs.
      writeSync(this.fd, NOTHING, 0, 0);
    } catch {
      // EAGAIN, EBUSY, ENOBUFS: the device is full. ENETDOWN: the link is down. What is left goes with the
      // next flush.
      this.#stats[TX_KICKS_REFUSED]! += 1;
      this.#kickWanted = this.#tx.outstanding() > 0;
    }
  }

  /** Takes back the frames that the kernel has sent. */
  #reap(): void {
    const comp = this.#comp;
    for (;;) {
      const count = comp.peek(comp.size);
      if (count === 0) return;
      const first = comp.index;
      for (let i = 0; i < count; i++) {
        const frame = this.#frameOf(comp.address((first + i) | 0));
        const left = this.#uncompleted[frame]! - 1;
        this.#uncompleted[frame] = left;
        if (left !== 0) continue;
        this.#txCount--;
        this.#free(frame);
      }
      comp.release(count);
    }
  }

  /** Drops a frame for which the tx ring has no room, as a device does whose queue is full. */
  #dropFull(frame: number): void {
    this.#stats[TX_RING_FULL]! += 1;
    this.#free(frame);
    this.#handOver();
  }

  #writeChunks(offset: number, length: number, options: number, first: number, chunks: number): void {
    const tx = this.#tx;
    const gap = this.#gap;
    const room = this.#frameMask + 1 - gap;
    tx.setDescriptor(tx.index, offset, first, XDP_PKT_CONTD | options);
    // From the end on, so that what makes room for a gap moves into what has moved already.
    for (let i = chunks - 1; i > 0; i--) {
      const from = offset + first + (i - 1) * room;
      const part = Math.min(room, offset + length - from);
      const at = from + i * gap;
      if (gap > 0) this.memory.copyWithin(at, from, from + part);
      tx.setDescriptor((tx.index + i) | 0, at, part, i + 1 < chunks ? XDP_PKT_CONTD : 0);
    }
  }
}
