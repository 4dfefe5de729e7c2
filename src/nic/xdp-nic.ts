// A Nic on one queue of a real interface: moves frames between the stack and the four rings of an AF_XDP
// socket. Frames are never copied, except that a packet which arrives in several buffers is put together in
// one large frame. open-xdp-nic.ts makes it.
//
// Every frame has exactly one owner, and each arrow below is one place in this file:
//
//     free ── refill ──> fill ring ──> kernel ──> rx ring ── receive ──> held ── release ──> free
//     free ── reserve ──> held ── submit ──> tx ring ──> kernel ──> comp ring ── reap ──> free

import { readSync, writeSync } from 'node:fs';
import { FramePool } from './frame-pool.js';
import { type Nic, type NicCapabilities, RX_STRIDE } from './nic.js';
import {
  TX_METADATA_LENGTH,
  UMEM_HEADROOM,
  XDP_PKT_CONTD,
  XDP_TX_METADATA,
  XDP_TXMD_FLAGS_CHECKSUM,
} from './os/layouts.js';
import { close, eventfd, POLLIN, Poller, sleepMs } from './os/syscalls.js';
import type { ConsumerRing, ProducerRing } from './ring.js';
import type { XdpProgram } from './xdp-program.js';
import type { XdpSocket } from './xdp-socket.js';

/** Room ahead of an outgoing frame, for the TX metadata; a whole cache line, and what aligns the payload. */
export const TX_HEADROOM = 64 + UMEM_HEADROOM;

/** What one kick sends at most in copy mode, unless the kernel was told otherwise; more is not faster. */
const KICK_GROUP = 32;

/**
 * Frames that are given to the kernel at once, or an eighth of its share; fewer are not worth touching the
 * ring.
 */
const REFILL_BATCH = 64;

/**
 * A call that blocks costs several microseconds and a wake-up more: what is shorter than this is waited out
 * awake.
 */
const SHORTEST_SLEEP_US = 50;

/** No single sleep is longer, so that a worker can be ended. */
const LONGEST_SLEEP_US = 100_000;
/** How soon to offer frames again that the kernel would not take. */
const KICK_RETRY_US = 1_000;

/** Looks at the ring between two looks at the clock. */
const LOOKS = 32;

const NOTHING = new Uint8Array(1);

// Owners of a frame.
const FREE = 0;
const FILL = 1;
const HELD = 2;
const TX = 3;

// Slots of the statistics. A Float64Array counts far beyond 2^31 without allocating.
const RX_PACKETS = 0;
const RX_BYTES = 1;
const TX_PACKETS = 2;
const TX_BYTES = 3;
const TX_RING_FULL = 4;
const TX_KICKS = 5;
const TX_KICKS_REFUSED = 6;
const RX_WAKEUPS = 7;
const RX_LINEARIZED = 8;
const RX_TOO_LONG = 9;
const SLEEPS = 10;
const STATISTIC_NAMES = [
  'rx_packets',
  'rx_bytes',
  'tx_packets',
  'tx_bytes',
  'tx_ring_full',
  'tx_kicks',
  'tx_kicks_refused',
  'rx_wakeups',
  'rx_linearized',
  'rx_too_long',
  'sleeps',
] as const;

/** How many frames each owner has; the sum is always the same. */
export interface FrameOwners {
  readonly free: number;
  readonly fill: number;
  readonly held: number;
  readonly tx: number;
}

/**
 * How the arena is divided: small frames for the kernel to receive into, then large ones for packets of
 * several buffers.
 */
export interface ArenaLayout {
  /** Bytes of a small frame, a power of two: the chunk size of the UMEM. */
  readonly frameSize: number;
  readonly frames: number;
  /** Bytes of a large frame, a multiple of `frameSize`; 0 when there are none. */
  readonly largeSize: number;
  readonly largeFrames: number;
  /** Frames for sending are large ones, because the MTU needs it. */
  readonly sendLarge: boolean;
  /** Bytes that the kernel wants free ahead of each buffer of a packet that is sent, where that can ask for its checksum. */
  readonly gap: number;
  /** Small frames that the kernel should have to receive into. */
  readonly fillTarget: number;
}

/** The part of a socket that its Nic uses. */
type NicSocket = Omit<XdpSocket, 'txMetadata' | 'mappings'>;

/** What an XdpNic is made of. The socket is closed with the Nic, and the program let go of. */
export interface XdpNicParts {
  readonly socket: NicSocket;
  readonly program: XdpProgram;
  readonly arena: ArenaLayout;
  readonly capabilities: NicCapabilities;
  readonly queue: number;
  /** Microseconds to look at the ring before sleeping. */
  readonly spinUs: number;
  /** Ask the kernel to poll the device on every look (SO_PREFER_BUSY_POLL). */
  readonly busyPoll: boolean;
  /** The eventfd to be woken by, which stays open; one of the Nic's own when left out. */
  readonly wakeFd?: number;
  /** Not 0 while another thread has something for this one. */
  readonly bell?: Int32Array;
}

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
  readonly #bell: Int32Array | undefined;
  readonly #poller: Poller;
  readonly #wakeBuffer: Uint8Array;
  readonly #stats: Float64Array;

  /** Small frames. */
  readonly #pool: FramePool;
  readonly #largePool: FramePool;
  /** Frames for sending: one of the two. */
  readonly #txPool: FramePool;
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
  readonly #spinUs: number;

  #fillCount: number;
  #heldCount: number;
  #txCount: number;
  /** Descriptors written to the tx ring and not yet handed over. */
  #pending: number;
  /** The kernel has been handed descriptors that it may not have taken. */
  #kickWanted: boolean;
  /**
   * A packet of several buffers that is being put together: its large frame or -1, and how long it is so far.
   */
  #partial: number;
  #partialLength: number;
  #inPartial: boolean;
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
    this.#bell = parts.bell;
    this.#socket = socket;
    this.fd = socket.fd;
    this.#fill = socket.fill;
    this.#comp = socket.comp;
    this.#rx = socket.rx;
    this.#tx = socket.tx;
    this.#poller = new Poller([socket.fd, this.wakeFd], POLLIN);
    this.#wakeBuffer = new Uint8Array(8);
    this.#stats = new Float64Array(STATISTIC_NAMES.length);
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
    this.#gap = arena.gap;
    this.#fillTarget = arena.fillTarget;
    this.#refillBatch = Math.min(REFILL_BATCH, Math.max(1, arena.fillTarget >> 3));
    // In copy mode nothing is sent without a call, whatever the flag says.
    this.#alwaysKick = !socket.zeroCopy;
    this.#busyPoll = parts.busyPoll;
    this.#spinUs = parts.spinUs;
    this.#fillCount = 0;
    this.#heldCount = 0;
    this.#txCount = 0;
    this.#pending = 0;
    this.#kickWanted = false;
    this.#partial = -1;
    this.#partialLength = 0;
    this.#inPartial = false;
    this.#closed = false;
    this.#refill();
  }

  receive(batch: Int32Array): number {
    if (this.#closed) return 0;
    if (this.#fillTarget - this.#fillCount >= this.#refillBatch) this.#refill();
    const rx = this.#rx;
    const seen = rx.peek((batch.length / RX_STRIDE) | 0);
    if (seen === 0) {
      if (this.#busyPoll || this.#fill.needsWakeup()) this.#wakeReceiver();
      return 0;
    }
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
      if (this.#inPartial || (options & XDP_PKT_CONTD) !== 0) {
        offset = this.#assemble(address, length, (options & XDP_PKT_CONTD) === 0);
        if (offset < 0) continue;
        length = this.#partialLength;
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
    if (this.#pending >= KICK_GROUP) this.#handOver();
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
    const awakeUs = timeoutUs < this.#spinUs + SHORTEST_SLEEP_US ? timeoutUs : this.#spinUs;
    if (this.#spin(awakeUs)) return;
    // What the kernel would not take must be offered again soon, whatever comes in.
    const longestUs = this.#kickWanted ? KICK_RETRY_US : LONGEST_SLEEP_US;
    const sleepUs = Math.min(timeoutUs - awakeUs, longestUs);
    if (sleepUs > 0) this.#sleep(sleepUs);
  }

  /** Counts the frames by owner. The sum is the number of frames; anything else is a bug here. */
  owners(): FrameOwners {
    const partial = this.#inPartial && this.#partial >= 0 ? 1 : 0;
    return {
      free: this.#pool.available + this.#largePool.available,
      fill: this.#fillCount,
      held: this.#heldCount + partial,
      tx: this.#txCount,
    };
  }

  /**
   * Counters of the ring driver, of the socket (`xsk_…`, XDP_STATISTICS) and of the program (`xdp_…`, all
   * queues).
   */
  statistics(): Record<string, number> {
    const found: Record<string, number> = {};
    STATISTIC_NAMES.forEach((name, i) => {
      found[name] = this.#stats[i]!;
    });
    if (this.#closed) return found;
    const { redirected, passed } = this.program.counts();
    return { ...found, xdp_redirected: redirected, xdp_passed: passed, ...this.#socket.statistics() };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    openNics.delete(this);
    // First the gate, so that nothing more is redirected, then the socket.
    this.program.close();
    this.#socket.close();
    if (this.#ownsWakeFd) close(this.wakeFd);
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

  /**
   * Adds a buffer to the packet that is being put together and frees it: the packet's offset when it is
   * complete, with its length in `#partialLength`; -1 when it is not, or had to be dropped.
   */
  #assemble(address: number, length: number, last: boolean): number {
    if (!this.#inPartial) {
      this.#inPartial = true;
      this.#partialLength = 0;
      this.#partial = this.#largePool.take();
    }
    const frame = this.#partial;
    const end = this.#partialLength + length;
    if (frame >= 0 && TX_HEADROOM + end <= this.#largeSize) {
      const to = this.#baseOf(frame) + TX_HEADROOM + this.#partialLength;
      this.memory.copyWithin(to, address, address + length);
    } else if (frame >= 0) {
      this.#largePool.give(frame);
      this.#partial = -1;
    }
    this.#partialLength = end;
    this.#heldCount--;
    this.#free(address >> this.#frameShift);
    if (!last) return -1;
    this.#inPartial = false;
    if (this.#partial < 0) {
      this.#stats[RX_TOO_LONG]! += 1;
      return -1;
    }
    this.#owner[frame] = HELD;
    this.#heldCount++;
    this.#stats[RX_LINEARIZED]! += 1;
    return this.#baseOf(frame) + TX_HEADROOM;
  }

  /**
   * An empty read(2) reaches the socket's recvmsg: it wakes the driver, or polls it when busy polling is on.
   */
  #wakeReceiver(): void {
    this.#stats[RX_WAKEUPS]! += 1;
    try {
      readSync(this.fd, NOTHING, 0, 1, null);
    } catch {
      // EAGAIN and ENETDOWN: there is nothing to wake.
    }
  }

  /** Looks at the ring for some microseconds: true when a frame came, or the bell was rung. */
  #spin(us: number): boolean {
    const bell = this.#bell;
    const until = performance.now() + us / 1000;
    do {
      if (bell !== undefined && Atomics.load(bell, 0) !== 0) return true;
      if (this.#busyPoll || this.#fill.needsWakeup()) this.#wakeReceiver();
      for (let i = 0; i < LOOKS; i++) if (this.#rx.ready()) return true;
    } while (performance.now() < until);
    return false;
  }

  #sleep(us: number): void {
    this.#stats[SLEEPS]! += 1;
    if (this.#poller.wait(us) <= 0) return;
    if ((this.#poller.events(1) & POLLIN) !== 0) readSync(this.wakeFd, this.#wakeBuffer, 0, 8, null);
    // A socket whose interface has gone polls as an error for ever: that must not become a busy loop.
    else if ((this.#poller.events(0) & POLLIN) === 0) sleepMs(us < 10_000 ? us / 1000 : 10);
  }
}

const WAKE = new Uint8Array(new BigUint64Array([1n]).buffer);

/** Wakes the Nic whose `wakeFd` this is out of its `wait`; from any thread of the process. */
export function wakeNic(wakeFd: number): void {
  try {
    writeSync(wakeFd, WAKE);
  } catch {
    // Full (nobody has read for 2^64 wakes) or closed already: there is nobody to wake.
  }
}

/**
 * Nics of this thread that are open. A worker that ends leaves its descriptors to the process, so it must
 * close them.
 */
const openNics = new Set<XdpNic>();
let watchingExit = false;

/**
 * Sees to it that a Nic is closed when its thread ends. (When the process ends, the kernel closes everything
 * itself.)
 */
export function closeAtExit(nic: XdpNic): void {
  openNics.add(nic);
  if (watchingExit) return;
  watchingExit = true;
  process.once('exit', () => {
    for (const open of openNics) open.close();
  });
}
