// Watches a server's loop from within while it is under load: memory each second, the longest time between two turns that was not spent
// in waiting, and the longest pause of the garbage collector. It keeps what it sees in arrays that are there from the start.

import { closeSync, openSync, readSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';
import type { Nic } from '../../src/nic/nic.js';
import { Pace } from './pace.js';

const SECONDS = 600;
const LONG_MS = 1;
/** How often the pace is taken, so that it is known what is usual. */
const PACE_MS = 20;

/** One second of a server's life. */
export interface WatchSample {
  /** When the second was over, in ms since 1970. */
  readonly at: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** The longest turn, and how many took more than a millisecond. */
  readonly turnMs: number;
  readonly longTurns: number;
  /** Those of them right after which the machine took more than twice its usual time for a piece of arithmetic. */
  readonly slowTurns: number;
  /**
   * The longest of the others without the time in which something else had the CPU, which is taken off a little too much, never too
   * little; and how many of them took more than a millisecond.
   */
  readonly ownTurnMs: number;
  readonly ownLongTurns: number;
  /** The longest collection, and how many there were. */
  readonly gcMs: number;
  readonly collections: number;
}

/**
 * How long the main thread has not been executing, as the scheduler tells (/proc/self/schedstat): something else had its CPU, be it a
 * thread, an interrupt or, where the hypervisor tells it, another machine.
 */
class Absence {
  readonly #fd: number;
  readonly #text = Buffer.alloc(128);
  #lastExecuted = 0;
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
    this.sinceLast(performance.now());
  }

  /** Milliseconds since the last call, of which it slept `sleptMs` because it wanted to. */
  sinceLast(now: number, sleptMs = 0): number {
    if (this.#fd < 0) return 0;
    const length = readSync(this.#fd, this.#text, 0, this.#text.length, 0);
    const executed = Number(this.#text.toString('latin1', 0, length).split(' ')[0]) / 1e6;
    const absent = now - this.#last - (executed - this.#lastExecuted) - sleptMs;
    this.#lastExecuted = executed;
    this.#last = now;
    return Math.max(0, absent);
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
  readonly #slowTurns = new Int32Array(SECONDS);
  readonly #ownLongTurns = new Int32Array(SECONDS);
  readonly #absence = new Absence();
  readonly #pace = new Pace();
  readonly #gcMs = new Float64Array(SECONDS);
  readonly #collections = new Int32Array(SECONDS);
  #count = 0;
  #last = performance.now();
  #nextAt = performance.now() + 1000;
  #waitedMs = 0;
  /** What it has slept since its absence was last asked for. */
  #sleptMs = 0;
  #paceAt = 0;

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
    this.#sleptMs += this.#waitedMs;
    this.#waitedMs = 0;
    const i = this.#count;
    if (i === SECONDS) return;
    if (took > this.#turnMs[i]) this.#turnMs[i] = took;
    if (took <= LONG_MS && took > this.#ownTurnMs[i]) this.#ownTurnMs[i] = took;
    if (took > LONG_MS) this.#judge(i, took, now);
    if (now >= this.#paceAt) {
      this.#paceAt = now + PACE_MS;
      this.#pace.take();
      // Often, so that little else is taken off a long turn.
      this.#absence.sinceLast(performance.now());
      this.#sleptMs = 0;
      this.#last = performance.now();
    }
    if (now < this.#nextAt) return;
    this.#nextAt += 1000;
    const { rss, heapUsed } = process.memoryUsage();
    this.#at[i] = performance.timeOrigin + now;
    this.#rss[i] = rss;
    this.#heap[i] = heapUsed;
    this.#count++;
    this.#absence.sinceLast(performance.now());
    this.#sleptMs = 0;
    // Looking at the own memory is none of the server's work.
    this.#last = performance.now();
  }

  /** A long turn: the server's own, or the machine's? */
  #judge(i: number, took: number, now: number): void {
    const own = Math.max(0, took - this.#absence.sinceLast(now, this.#sleptMs));
    this.#sleptMs = 0;
    this.#longTurns[i]++;
    if (this.#pace.isSlow()) this.#slowTurns[i]++;
    else {
      if (own > LONG_MS) this.#ownLongTurns[i]++;
      if (own > this.#ownTurnMs[i]) this.#ownTurnMs[i] = own;
    }
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
      slowTurns: this.#slowTurns[i],
      ownLongTurns: this.#ownLongTurns[i],
      gcMs: this.#gcMs[i],
      collections: this.#collections[i],
    }));
  }
}
