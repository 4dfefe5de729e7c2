// How an XdpNic waits for frames: awake, by looks at the ring, and asleep, until the socket is readable or another thread wakes it.

import { readSync, writeSync } from 'node:fs';
import { POLLIN, Poller, sleepMs } from './os/syscalls.js';
import type { ConsumerRing, ProducerRing } from './ring.js';
import type { NicSocket } from './xdp-nic-parts.js';
import { RX_WAKEUPS, SLEEPS } from './xdp-statistics.js';

/**
 * A call that blocks costs several microseconds and a wake-up more: what is shorter than this is waited out
 * awake.
 */
const SHORTEST_SLEEP_US = 50;

/** No single sleep is longer, so that a worker can be ended. */
const LONGEST_SLEEP_US = 100_000;

/** Looks at the ring between two looks at the clock. */
const LOOKS = 32;

const NOTHING = new Uint8Array(1);

/** What a Waiter waits with. */
export interface WaiterParts {
  readonly socket: NicSocket;
  /** The eventfd to be woken by. */
  readonly wakeFd: number;
  /** Not 0 while another thread has something for this one. */
  readonly bell: Int32Array | undefined;
  readonly spinUs: number;
  /** Ask the kernel to poll the device on every look. */
  readonly busyPoll: boolean;
  readonly stats: Float64Array;
}

/** Waits for one socket. */
export class Waiter {
  readonly #fd: number;
  readonly #rx: ConsumerRing;
  readonly #fill: ProducerRing;
  readonly #wakeFd: number;
  readonly #bell: Int32Array | undefined;
  readonly #spinUs: number;
  readonly #busyPoll: boolean;
  readonly #stats: Float64Array;
  readonly #poller: Poller;
  readonly #wakeBuffer = new Uint8Array(8);

  constructor({ socket, wakeFd, bell, spinUs, busyPoll, stats }: WaiterParts) {
    this.#fd = socket.fd;
    this.#rx = socket.rx;
    this.#fill = socket.fill;
    this.#wakeFd = wakeFd;
    this.#bell = bell;
    this.#spinUs = spinUs;
    this.#busyPoll = busyPoll;
    this.#stats = stats;
    this.#poller = new Poller([socket.fd, wakeFd], POLLIN);
  }

  /** Waits up to `timeoutUs` for a frame or to be woken; asleep no longer than `longestUs`, if that is less. */
  wait(timeoutUs: number, longestUs: number): void {
    const awakeUs = timeoutUs < this.#spinUs + SHORTEST_SLEEP_US ? timeoutUs : this.#spinUs;
    if (this.#spin(awakeUs)) return;
    const sleepUs = Math.min(timeoutUs - awakeUs, longestUs, LONGEST_SLEEP_US);
    if (sleepUs > 0) this.#sleep(sleepUs);
  }

  /**
   * An empty read(2) reaches the socket's recvmsg: it wakes the driver, or polls it when busy polling is on.
   */
  wakeReceiver(): void {
    this.#stats[RX_WAKEUPS]! += 1;
    try {
      readSync(this.#fd, NOTHING, 0, 1, null);
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
      if (this.#busyPoll || this.#fill.needsWakeup()) this.wakeReceiver();
      for (let i = 0; i < LOOKS; i++) if (this.#rx.ready()) return true;
    } while (performance.now() < until);
    return false;
  }

  #sleep(us: number): void {
    this.#stats[SLEEPS]! += 1;
    if (this.#poller.wait(us) <= 0) return;
    if ((this.#poller.events(1) & POLLIN) !== 0) readSync(this.#wakeFd, this.#wakeBuffer, 0, 8, null);
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
