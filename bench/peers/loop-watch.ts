// Watches a server's loop from within while it is under load: memory each second, the longest time between two turns that was not spent
// in waiting, and the longest pause of the garbage collector. It keeps what it sees in arrays that are there from the start.

import { closeSync, openSync, readSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';
import type { Nic } from '../../src/nic/nic.js';

const SECONDS = 600;
const LONG_MS = 1;

/** One second of a server's life. */
export interface WatchSample {
  /** When the second was over, in ms since 1970. */
  readonly at: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** The longest turn, and how many took more than a millisecond. */
  readonly turnMs: number;
  /** The longest without the time in which something else had the CPU: that is taken off a little too much, never too little. */
  readonly ownTurnMs: number;
  readonly longTurns: number;
  /** The longest collection, and how many there were. */
  readonly gcMs: number;
  readonly collections: number;
}

/** How long the main thread has been ready to run and has waited for its CPU, as the scheduler tells (/proc/…/schedstat). */
class RunDelay {
  readonly #fd: number;
  readonly #text = Buffer.alloc(128);
  #last = 0;

  constructor() {
    let fd = -1;
    try {
      fd = openSync('/proc/self/schedstat', 'r');
      process.once('exit', () => closeSync(fd));
    } catch {
      // A kernel that does not count it: all turns are the server's own.
    }
    this.#fd = fd;
    this.sinceLast();
  }

  /** Milliseconds since the last call. */
  sinceLast(): number {
    if (this.#fd < 0) return 0;
    const length = readSync(this.#fd, this.#text, 0, this.#text.length, 0);
    const total = Number(this.#text.toString('latin1', 0, length).split(' ')[1]) / 1e6;
    const delay = total - this.#last;
    this.#last = total;
    return delay;
  }
}

/** Samples, one a second. */
export class LoopWatch {
  readonly #at = new Float64Array(SECONDS);
  readonly #rss = new Float64Array(SECONDS);
  readonly #heap = new Float64Array(SECONDS);
  readonly #turnMs = new Float64Array(SECONDS);
  readonly #ownTurnMs = new Float64Array(SECONDS);
  readonly #longTurns = new Int32Array(SECONDS);
  readonly #delay = new RunDelay();
  readonly #gcMs = new Float64Array(SECONDS);
  readonly #collections = new Int32Array(SECONDS);
  #count = 0;
  #last = performance.now();
  #nextAt = performance.now() + 1000;
  #waitedMs = 0;

  /** What the Nic sleeps is no pause. */
  constructor(nic: Nic) {
    const wait = nic.wait.bind(nic);
    nic.wait = (timeoutUs) => {
      const from = performance.now();
      wait(timeoutUs);
      this.#waitedMs += performance.now() - from;
    };
    const observer = new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) this.#collected(startTime, duration);
    });
    observer.observe({ entryTypes: ['gc'] });
  }

  /** To be called once in each turn of the loop. */
  turn(): void {
    const now = performance.now();
    const took = now - this.#last - this.#waitedMs;
    this.#last = now;
    this.#waitedMs = 0;
    const i = this.#count;
    if (i === SECONDS) return;
    if (took > this.#turnMs[i]) this.#turnMs[i] = took;
    if (took > LONG_MS) this.#longTurns[i]++;
    if (took > this.#ownTurnMs[i]) {
      const own = took > LONG_MS ? Math.max(0, took - this.#delay.sinceLast()) : took;
      if (own > this.#ownTurnMs[i]) this.#ownTurnMs[i] = own;
    }
    if (now < this.#nextAt) return;
    this.#nextAt += 1000;
    const { rss, heapUsed } = process.memoryUsage();
    this.#at[i] = performance.timeOrigin + now;
    this.#rss[i] = rss;
    this.#heap[i] = heapUsed;
    this.#count++;
    this.#delay.sinceLast();
    // Looking at the own memory is none of the server's work.
    this.#last = performance.now();
  }

  /** A collection is heard of a little later, at the next turn of Node's event loop. */
  #collected(startTime: number, ms: number): void {
    const start = performance.timeOrigin + startTime;
    let i = this.#count;
    while (i > 0 && this.#at[i - 1] > start) i--;
    if (i === SECONDS) return;
    this.#collections[i]++;
    if (ms > this.#gcMs[i]) this.#gcMs[i] = ms;
  }

  samples(): WatchSample[] {
    return Array.from({ length: this.#count }, (_, i) => ({
      at: this.#at[i],
      rssBytes: this.#rss[i],
      heapBytes: this.#heap[i],
      turnMs: this.#turnMs[i],
      ownTurnMs: this.#ownTurnMs[i],
      longTurns: this.#longTurns[i],
      gcMs: this.#gcMs[i],
      collections: this.#collections[i],
    }));
  }
}
