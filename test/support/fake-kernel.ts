// The other side of an XdpNic's rings, in memory: it delivers and takes frames as the kernel does, so that
// the ring driver can be tested without one.

import { closeSync, openSync } from 'node:fs';
import { ConsumerRing, ProducerRing, type RingLayout } from '../../src/nic/ring.js';
import { XdpNic } from '../../src/nic/xdp-nic.js';
import type { XdpProgram } from '../../src/nic/xdp-program.js';

/** A ring over plain memory, its indices at `start`. */
export function fakeLayout(size: number, entryWords: number, start = 0): RingLayout {
  const words = new Int32Array(16 + size * entryWords);
  words[0] = start;
  words[4] = start;
  return { words, producer: 0, consumer: 4, flags: 8, entries: 16, size };
}

export interface FakeKernelOptions {
  readonly frames?: number;
  readonly frameSize?: number;
  readonly largeFrames?: number;
  readonly largeSize?: number;
  readonly gap?: number;
  readonly txSize?: number;
  /** Frames that a kick may send. */
  readonly txBudget?: number;
  /** Where the indices of all rings begin. */
  readonly start?: number;
  readonly spinUs?: number;
  readonly bell?: Int32Array;
}

/** A packet that was sent, and the options of its first descriptor. */
export interface Transmitted {
  readonly bytes: number[];
  readonly options: number;
  /** Where in its chunk each of its buffers begins. */
  readonly starts: number[];
}

/** What the kernel leaves free ahead of a received packet. */
const RX_HEADROOM = 256;
const FILL_TARGET = 64;

/** The kernel's side. */
export class FakeKernel {
  readonly nic: XdpNic;
  closed = 0;
  readonly #memory: Buffer;
  readonly #frameSize: number;
  readonly #fill: ConsumerRing;
  readonly #comp: ProducerRing;
  readonly #rx: ProducerRing;
  readonly #tx: ConsumerRing;
  readonly #txLayout: RingLayout;
  readonly #sent: number[] = [];

  constructor(options: FakeKernelOptions = {}) {
    const { frames = 256, frameSize = 2048, largeFrames = 0, largeSize = 0, gap = 0 } = options;
    const { txSize = 512, txBudget = 256, start = 0 } = options;
    this.#frameSize = frameSize;
    this.#memory = Buffer.alloc(frames * frameSize + largeFrames * largeSize);
    const fill = fakeLayout(64, 2, start);
    const comp = fakeLayout(512, 2, start);
    const rx = fakeLayout(64, 4, start);
    const tx = fakeLayout(txSize, 4, start);
    this.#fill = new ConsumerRing(fill);
    this.#comp = new ProducerRing(comp);
    this.#rx = new ProducerRing(rx);
    this.#tx = new ConsumerRing(tx);
    this.#txLayout = tx;
    // Kicks and wake-ups go to a file that swallows them; it polls as readable, so a sleep must be on
    // something else.
    const fd = openSync('/dev/null', 'r+');
    const program = {
      counts: () => ({ redirected: 0, passed: 0 }),
      close: () => {
        this.closed++;
      },
    };
    this.nic = new XdpNic({
      socket: {
        fd,
        memory: this.#memory,
        spare: new Uint8Array(0),
        fill: new ProducerRing(fill),
        comp: new ConsumerRing(comp),
        rx: new ConsumerRing(rx),
        tx: new ProducerRing(tx),
        zeroCopy: false,
        txBudget,
        statistics: () => ({}),
        close: () => {
          this.closed++;
          closeSync(fd);
        },
      },
      program: program as unknown as XdpProgram,
      arena: {
        frameSize,
        frames,
        largeSize,
        largeFrames,
        sendLarge: largeFrames > 0,
        gap,
        fillTarget: FILL_TARGET,
      },
      capabilities: {
        linkType: 'ethernet',
        mtu: 1500,
        mac: new Uint8Array(6),
        txChecksum: true,
        rxPartialChecksum: false,
        mode: 'fake',
      },
      queue: 0,
      spinUs: options.spinUs ?? 10,
      busyPoll: false,
      ...(options.bell === undefined ? {} : { bell: options.bell }),
    });
  }

  /** Frames of all owners. */
  total(): number {
    const { free, fill, held, tx } = this.nic.owners();
    return free + fill + held + tx;
  }

  /** Delivers a packet, in as many frames as it takes; false when the fill or the rx ring has no room. */
  deliver(bytes: readonly number[]): boolean {
    const room = this.#frameSize - RX_HEADROOM;
    const count = Math.max(1, Math.ceil(bytes.length / room));
    const filled = this.#fill.peek(count);
    if (filled < count || this.#rx.reserve(count) === 0) {
      this.#fill.cancel(filled);
      return false;
    }
    for (let i = 0; i < count; i++) {
      const address = this.#fill.address((this.#fill.index + i) | 0) + RX_HEADROOM;
      const part = bytes.slice(i * room, (i + 1) * room);
      this.#memory.set(part, address);
      this.#rx.setDescriptor((this.#rx.index + i) | 0, address, part.length, i + 1 < count ? 1 : 0);
    }
    this.#fill.release(count);
    this.#rx.submit(count);
    return true;
  }

  /** Counts what has been handed over and not been taken. */
  handedOver(): number {
    return (
      (this.#txLayout.words[this.#txLayout.producer]! - this.#txLayout.words[this.#txLayout.consumer]!) | 0
    );
  }

  /** Takes all packets that were handed over. */
  transmitted(): Transmitted[] {
    const packets: Transmitted[] = [];
    let current: Transmitted | undefined;
    const count = this.#tx.peek(this.#tx.size);
    for (let i = 0; i < count; i++) {
      const index = (this.#tx.index + i) | 0;
      const address = this.#tx.descriptorAddress(index);
      const options = this.#tx.descriptorOptions(index);
      current ??= { bytes: [], options, starts: [] };
      current.bytes.push(...this.#memory.subarray(address, address + this.#tx.descriptorLength(index)));
      current.starts.push(address % this.#frameSize);
      this.#sent.push(address);
      if ((options & 1) !== 0) continue;
      packets.push(current);
      current = undefined;
    }
    this.#tx.release(count);
    return packets;
  }

  /** Completes `count` of the descriptors that were taken, all unless given. */
  complete(count = this.#sent.length): void {
    for (const address of this.#sent.splice(0, count)) {
      this.#comp.reserve(1);
      this.#comp.setAddress(this.#comp.index, address);
      this.#comp.submit(1);
    }
  }
}
