// One AF_XDP socket: its frame memory (UMEM), its four rings and its queue, opened in the calling thread's
// network namespace. It moves no frames; xdp-nic.ts does. Reference: Documentation/networking/af_xdp.rst,
// xsk-tx-metadata.rst.

import { type Holdings, holdingsOf } from './holdings.js';
import { explainBind, explainSocket } from './nic-error.js';
import * as xdp from './os/layouts.js';
import {
  AF_XDP,
  bind,
  close,
  getsockopt,
  type Mapping,
  mapAnonymous,
  mapShared,
  SOCK_RAW,
  SOL_SOCKET,
  SystemError,
  setNonBlocking,
  setsockopt,
  setsockoptInt,
  sleepMs,
  socket,
} from './os/syscalls.js';
import { ADDRESS_WORDS, ConsumerRing, DESCRIPTOR_WORDS, ProducerRing, type RingLayout } from './ring.js';

/** What a socket is made of. */
export interface XdpSocketOptions {
  readonly iface: string;
  readonly ifindex: number;
  readonly queue: number;
  // For the words of an error:
  /** RX queues of the interface. */
  readonly queues: number;
  /** Its namespace as the user calls it. */
  readonly netns?: string | undefined;
  /** The command that gives it so many queues, if there is one. */
  readonly queuesCommand?: (queues: number) => string | undefined;
  /** Bytes of frame memory, a multiple of `frameSize`. */
  readonly length: number;
  /** Bytes of memory behind it. */
  readonly spare: number;
  /** 2048 or 4096. */
  readonly frameSize: number;
  /** `zerocopy` or `copy` alone, or `auto`: zero-copy where the driver has it. */
  readonly copyMode: 'auto' | 'zerocopy' | 'copy';
  readonly txMetadata: boolean;
  /**
   * Packets may take several descriptors (XDP_USE_SG, kernel 6.6): `wanted` does without where the kernel
   * must.
   */
  readonly multiBuffer: 'no' | 'wanted' | 'needed';
  readonly fillSize: number;
  readonly compSize: number;
  readonly rxSize: number;
  readonly txSize: number;
  /** Microseconds for SO_BUSY_POLL with SO_PREFER_BUSY_POLL; 0 for none. */
  readonly busyPollUs: number;
  /**
   * Is told what the socket holds, again with each thing more, so that the thread may end at any point of its beginning. Whoever
   * listens unmaps the memory when the thread is no more.
   */
  readonly onHold?: (holdings: Holdings) => void;
}

/**
 * What one kick may send in copy mode where the kernel lets it be set: then no kick ends in an exception with
 * work left over.
 */
const TX_BUDGET = 256;
/** What it sends where that cannot be set (before Linux 6.17). */
const TX_BUDGET_FIXED = 32;

/** How long the kernel may take to let go of a queue whose socket has been closed. */
const BUSY_RETRIES = 20;
const BUSY_RETRY_MS = 10;

const SNDBUF_BYTES = 64 * 1024 * 1024;

const RING_FLAGS_LENGTH = 4;

/** An AF_XDP socket bound to a queue. */
export class XdpSocket {
  readonly fd: number;
  /** The frame memory, and what is mapped behind it. */
  readonly memory: Uint8Array;
  readonly spare: Uint8Array;
  readonly fill: ProducerRing;
  readonly comp: ConsumerRing;
  readonly rx: ConsumerRing;
  readonly tx: ProducerRing;
  readonly zeroCopy: boolean;
  /** Frames that one kick may send in copy mode. */
  readonly txBudget: number;
  /** True when the 24 bytes ahead of a sent frame can ask for its checksum. */
  readonly txMetadata: boolean;
  /** What is mapped: the frame memory and the rings. */
  readonly mappings: Mapping[] = [];
  readonly #onHold: ((holdings: Holdings) => void) | undefined;
  #closed = false;

  /**
   * Makes, maps and binds the socket.
   *
   * @throws NicError; nothing stays open
   */
  constructor(options: XdpSocketOptions) {
    this.#onHold = options.onHold;
    try {
      this.fd = socket(AF_XDP, SOCK_RAW, 0);
    } catch (error) {
      throw explainSocket(error, options.iface);
    }
    try {
      this.#onHold?.(holdingsOf(this));
      setNonBlocking(this.fd);
      const arena = this.#hold(mapAnonymous(options.length, options.onHold !== undefined, options.spare));
      this.memory = arena.buffer.subarray(0, options.length);
      this.spare = arena.buffer.subarray(options.length);
      this.txMetadata = this.#registerUmem(arena, options);
      setsockoptInt(this.fd, xdp.SOL_XDP, xdp.XDP_UMEM_FILL_RING, options.fillSize, 'fill ring');
      setsockoptInt(this.fd, xdp.SOL_XDP, xdp.XDP_UMEM_COMPLETION_RING, options.compSize, 'comp ring');
      setsockoptInt(this.fd, xdp.SOL_XDP, xdp.XDP_RX_RING, options.rxSize, 'rx ring');
      setsockoptInt(this.fd, xdp.SOL_XDP, xdp.XDP_TX_RING, options.txSize, 'tx ring');

      const answer = Buffer.alloc(xdp.MMAP_OFFSETS_LENGTH);
      const length = getsockopt(this.fd, xdp.SOL_XDP, xdp.XDP_MMAP_OFFSETS, answer, 'ring offsets');
      const offsets = xdp.readMmapOffsets(answer, length);
      const fill = this.#map(offsets.fill, options.fillSize, ADDRESS_WORDS, xdp.XDP_UMEM_PGOFF_FILL_RING);
      const comp = this.#map(
        offsets.comp,
        options.compSize,
        ADDRESS_WORDS,
        xdp.XDP_UMEM_PGOFF_COMPLETION_RING,
      );
      const rx = this.#map(offsets.rx, options.rxSize, DESCRIPTOR_WORDS, xdp.XDP_PGOFF_RX_RING);
      const tx = this.#map(offsets.tx, options.txSize, DESCRIPTOR_WORDS, xdp.XDP_PGOFF_TX_RING);
      this.fill = new ProducerRing(fill);
      this.comp = new ConsumerRing(comp);
      this.rx = new ConsumerRing(rx);
      this.tx = new ProducerRing(tx);
      this.txBudget = this.#tune(options);
    } catch (error) {
      this.close();
      throw explainSocket(error, options.iface);
    }
    try {
      this.zeroCopy = this.#bind(options);
    } catch (error) {
      this.close();
      const zeroCopyOnly = options.copyMode === 'zerocopy';
      throw explainBind(error, { ...options, zeroCopyOnly });
    }
  }

  /** Reads XDP_STATISTICS. */
  statistics(): Record<string, number> {
    const bytes = Buffer.alloc(xdp.STATISTICS_LENGTH);
    return xdp.readStatistics(bytes, getsockopt(this.fd, xdp.SOL_XDP, xdp.XDP_STATISTICS, bytes));
  }

  /** Unbinds and gives all memory back; what was mapped then reads as zeros. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    close(this.fd);
    for (const mapping of this.mappings) mapping.discard();
  }

  #hold(mapping: Mapping): Mapping {
    this.mappings.push(mapping);
    this.#onHold?.(holdingsOf(this));
    return mapping;
  }

  /** Registers the memory, with TX metadata where the kernel takes it: whether it did. */
  #registerUmem(arena: Mapping, options: XdpSocketOptions): boolean {
    const register = (metadata: boolean): void => {
      const request = xdp.umemReg(arena.address, options.length, options.frameSize, metadata);
      setsockopt(this.fd, xdp.SOL_XDP, xdp.XDP_UMEM_REG, request, 'frame memory');
    };
    if (options.txMetadata) {
      try {
        register(true);
        return true;
      } catch (error) {
        // Kernels that do not know the flag, or the longer struct, say EINVAL.
        if (!(error instanceof SystemError) || error.code !== 'EINVAL') throw error;
      }
    }
    register(false);
    return false;
  }

  #map(offsets: xdp.RingOffsets, size: number, entryWords: number, offset: number): RingLayout {
    const end = Math.max(
      offsets.descriptors + size * entryWords * 4,
      offsets.flags + RING_FLAGS_LENGTH,
      offsets.producer + 4,
      offsets.consumer + 4,
    );
    const { buffer } = this.#hold(mapShared(this.fd, end, offset, this.#onHold !== undefined));
    return {
      words: new Int32Array(buffer.buffer, buffer.byteOffset, end >> 2),
      producer: offsets.producer >> 2,
      consumer: offsets.consumer >> 2,
      flags: offsets.flags >> 2,
      entries: offsets.descriptors >> 2,
      size,
    };
  }

  /** Settings without which everything works too; how many frames one kick may send then. */
  #tune(options: XdpSocketOptions): number {
    const attempt = (option: number, value: number, level = SOL_SOCKET): boolean => {
      try {
        setsockoptInt(this.fd, level, option, value);
        return true;
      } catch {
        return false;
      }
    };
    // In copy mode every frame in flight is charged to the socket's send buffer.
    if (!attempt(xdp.SO_SNDBUFFORCE, SNDBUF_BYTES)) attempt(xdp.SO_SNDBUF, SNDBUF_BYTES);
    const budget = Math.min(TX_BUDGET, options.txSize);
    const isSet = attempt(xdp.XDP_MAX_TX_SKB_BUDGET, budget, xdp.SOL_XDP);
    if (options.busyPollUs > 0) {
      attempt(xdp.SO_PREFER_BUSY_POLL, 1);
      attempt(xdp.SO_BUSY_POLL, options.busyPollUs);
      attempt(xdp.SO_BUSY_POLL_BUDGET, 64);
    }
    return isSet ? budget : TX_BUDGET_FIXED;
  }

  /** Binds in the best mode that was asked for and that the driver takes: whether it is zero-copy. */
  #bind(options: XdpSocketOptions): boolean {
    const common = xdp.XDP_USE_NEED_WAKEUP | (options.multiBuffer === 'no' ? 0 : xdp.XDP_USE_SG);
    if (options.copyMode !== 'copy') {
      try {
        this.#bindPatiently(options, common | xdp.XDP_ZEROCOPY);
        return true;
      } catch (error) {
        const final = options.copyMode === 'zerocopy' || !(error instanceof SystemError);
        if (final || error.code === 'EBUSY' || error.code === 'ENETDOWN' || error.code === 'EPERM')
          throw error;
      }
    }
    try {
      this.#bindPatiently(options, common | xdp.XDP_COPY);
    } catch (error) {
      const unknown = error instanceof SystemError && error.code === 'EINVAL';
      if (options.multiBuffer !== 'wanted' || !unknown) throw error;
      this.#bindPatiently(options, xdp.XDP_USE_NEED_WAKEUP | xdp.XDP_COPY);
    }
    return false;
  }

  /**
   * The kernel frees the queue of a closed socket a little later, from a work queue: a fresh EBUSY is asked
   * again.
   */
  #bindPatiently(options: XdpSocketOptions, flags: number): void {
    for (let tries = 0; ; tries++) {
      try {
        bind(this.fd, xdp.sockaddrXdp(options.ifindex, options.queue, flags));
        return;
      } catch (error) {
        if (!(error instanceof SystemError) || error.code !== 'EBUSY' || tries === BUSY_RETRIES) throw error;
        sleepMs(BUSY_RETRY_MS);
      }
    }
  }
}
