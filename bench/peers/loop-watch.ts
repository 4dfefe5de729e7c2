// Watches a server's loop from within while it is under load: memory each second, and the times between two turns that were not spent in
// waiting, collections of garbage included: an observer of those would have work in the turns that they make long. It keeps what it sees
// in arrays that are there from the start.

import type { Nic } from '../../src/nic/nic.js';
import { executedMs } from './executed.js';

const SECONDS = 600;
/** A turn that is long, in ms. */
export const LONG_MS = 1;
/** Long turns that are kept. */
const KEPT = 10_000;
const WORDS = 5;

/** A turn of more than a millisecond. */
export interface LongTurn {
  /** As process.hrtime counts, in ms. */
  readonly from: number;
  readonly to: number;
  /** By the clock, without what the Nic slept. */
  readonly tookMs: number;
  /** Without the time in which other processes had the CPU; threads of V8 are the server's own. */
  readonly ownMs: number;
}

/** One second of a server's life. */
export interface WatchSample {
  /** When the second was over, in ms since 1970. */
  readonly at: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** The longest turn, by the clock. */
  readonly turnMs: number;
  readonly longTurns: readonly LongTurn[];
}

/** Where a watch has its times from, in ms. */
export interface WatchClock {
  now(): number;
  executed(): number;
}

/** Samples, one a second. */
export class LoopWatch {
  readonly #at = new Float64Array(SECONDS);
  readonly #rss = new Float64Array(SECONDS);
  readonly #heap = new Float64Array(SECONDS);
  readonly #turnMs = new Float64Array(SECONDS);
  /** Of long turns: the second, from, to, how long, and the own time. */
  readonly #turns = new Float64Array(WORDS * KEPT);
  readonly #clock: WatchClock;
  #count = 0;
  #turnCount = 0;
  #last: number;
  #nextAt: number;
  #waitedMs = 0;
  /** What had been executed before this turn. */
  #executedMs: number;

  /** What the Nic sleeps is no pause. */
  constructor(
    nic: Pick<Nic, 'wait'>,
    clock: WatchClock = { now: () => performance.now(), executed: executedMs },
  ) {
    this.#clock = clock;
    this.#last = clock.now();
    this.#nextAt = this.#last + 1000;
    this.#executedMs = clock.executed();
    const wait = nic.wait.bind(nic);
    nic.wait = (timeoutUs) => {
      const from = clock.now();
      wait(timeoutUs);
      this.#waitedMs += clock.now() - from;
    };
  }

  /** To be called once in each turn of the loop. */
  turn(): void {
    const from = this.#last;
    const now = this.#clock.now();
    const took = now - from - this.#waitedMs;
    this.#last = now;
    this.#waitedMs = 0;
    const i = this.#count;
    if (i === SECONDS) return;
    if (took > this.#turnMs[i]) this.#turnMs[i] = took;
    if (took > LONG_MS) this.#keep(i, from, now, took);
    if (now >= this.#nextAt) this.#endSecond(i, now);
    this.#executedMs = this.#clock.executed();
  }

  #keep(i: number, from: number, to: number, took: number): void {
    if (this.#turnCount === KEPT) return;
    const own = Math.min(took, this.#clock.executed() - this.#executedMs);
    this.#turns.set([i, from, to, took, own], WORDS * this.#turnCount++);
  }

  #endSecond(i: number, now: number): void {
    this.#nextAt += 1000;
    const { rss, heapUsed } = process.memoryUsage();
    this.#at[i] = performance.timeOrigin + now;
    this.#rss[i] = rss;
    this.#heap[i] = heapUsed;
    this.#count++;
    // Watching is none of the server's work.
    this.#last = this.#clock.now();
  }

  samples(): WatchSample[] {
    // Both clocks are the same one, from different beginnings.
    const origin = Number(process.hrtime.bigint()) / 1e6 - performance.now();
    const longTurns: LongTurn[][] = Array.from({ length: this.#count + 1 }, () => []);
    for (let k = 0; k < this.#turnCount; k++) {
      const [i, from, to, tookMs, ownMs] = this.#turns.subarray(WORDS * k);
      longTurns[i].push({ from: origin + from, to: origin + to, tookMs, ownMs });
    }
    return Array.from({ length: this.#count }, (_, i) => ({
      at: this.#at[i],
      rssBytes: this.#rss[i],
      heapBytes: this.#heap[i],
      turnMs: this.#turnMs[i],
      longTurns: longTurns[i],
    }));
  }
}
