// Watches a server's loop from within while it is under load: memory each second, the longest time between two turns
// that was not spent in waiting, and the longest pause of the garbage collector. It keeps what it sees in arrays that
// are there from the start.

import { PerformanceObserver } from 'node:perf_hooks';
import type { Nic } from '../../src/nic/nic.js';
import { executedMs } from './executed.js';
import { Pace } from './pace.js';

const SECONDS = 600;
const LONG_MS = 1;
/** How often the pace is taken, so that it is known what is usual. */
const PACE_MS = 20;
/** Long turns, and long collections, of which is kept when they were. */
const KEPT = 10_000;

/** One second of a server's life. */
export interface WatchSample {
  /** When the second was over, in ms since 1970. */
  readonly at: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** The longest turn, and how many took more than a millisecond. */
  readonly turnMs: number;
  readonly longTurns: number;
  /** Those of them right after which the machine took more than twice its usual time for pieces of arithmetic. */
  readonly slowTurns: number;
  /**
   * How often the pace was taken, long turn or not, and how often the machine was slow then: what chance alone makes
   * of slow turns.
   */
  readonly looks: number;
  readonly slowLooks: number;
  /**
   * The longest of the others without the time in which other processes had the CPU, threads of V8 being the server's
   * own; and how many of them took more than a millisecond then.
   */
  readonly ownTurnMs: number;
  readonly ownLongTurns: number;
  /**
   * The longest collection, the longest by the own time of the turns that they were in (none of a slow one), and how
   * many there were.
   */
  readonly gcMs: number;
  readonly ownGcMs: number;
  readonly collections: number;
}

/** Where a watch has its times from. */
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
  readonly #ownTurnMs = new Float64Array(SECONDS);
  readonly #longTurns = new Int32Array(SECONDS);
  readonly #slowTurns = new Int32Array(SECONDS);
  readonly #ownLongTurns = new Int32Array(SECONDS);
  readonly #looks = new Int32Array(SECONDS);
  readonly #slowLooks = new Int32Array(SECONDS);
  /** From, to and the own time, of long turns; start and length, of long collections. */
  readonly #turns = new Float64Array(3 * KEPT);
  readonly #longCollections = new Float64Array(2 * KEPT);
  readonly #clock: WatchClock;
  readonly #pace: Pace;
  readonly #gcMs = new Float64Array(SECONDS);
  readonly #ownGcMs = new Float64Array(SECONDS);
  readonly #collections = new Int32Array(SECONDS);
  #count = 0;
  #turnCount = 0;
  #longCollectionCount = 0;
  #last: number;
  #nextAt: number;
  #waitedMs = 0;
  #paceAt = 0;
  /** What had been executed before this turn. */
  #executedMs: number;

  /** What the Nic sleeps is no pause. */
  constructor(
    nic: Pick<Nic, 'wait'>,
    clock: WatchClock = { now: () => performance.now(), executed: executedMs },
    pace = new Pace(),
  ) {
    this.#clock = clock;
    this.#pace = pace;
    this.#last = clock.now();
    this.#nextAt = this.#last + 1000;
    this.#executedMs = clock.executed();
    const wait = nic.wait.bind(nic);
    nic.wait = (timeoutUs) => {
      const from = clock.now();
      wait(timeoutUs);
      this.#waitedMs += clock.now() - from;
    };
    const observer = new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) this.collected(startTime, duration);
    });
    observer.observe({ entryTypes: ['gc'] });
  }

  /** To be called once in each turn of the loop. */
  turn(): void {
    const now = this.#clock.now();
    const took = now - this.#last - this.#waitedMs;
    const from = this.#last;
    this.#last = now;
    this.#waitedMs = 0;
    const i = this.#count;
    if (i === SECONDS) return;
    if (took > this.#turnMs[i]) this.#turnMs[i] = took;
    if (took > LONG_MS) this.#judge(i, took, from, now);
    else if (took > this.#ownTurnMs[i]) this.#ownTurnMs[i] = took;
    if (now >= this.#paceAt) this.#look(i, now);
    if (now >= this.#nextAt) this.#endSecond(i, now);
    this.#executedMs = this.#clock.executed();
  }

  /** A long turn: the server's own, or the machine's? */
  #judge(i: number, took: number, from: number, now: number): void {
    const executed = this.#clock.executed() - this.#executedMs;
    const isSlow = this.#pace.isSlow();
    const own = isSlow ? 0 : Math.min(took, executed);
    this.#longTurns[i]++;
    if (isSlow) this.#slowTurns[i]++;
    if (own > LONG_MS) this.#ownLongTurns[i]++;
    if (own > this.#ownTurnMs[i]) this.#ownTurnMs[i] = own;
    if (this.#turnCount < KEPT) this.#turns.set([from, now, own], 3 * this.#turnCount++);
    this.#leaveOut();
  }

  /** Whatever the turn was like: how is the machine? */
  #look(i: number, now: number): void {
    this.#paceAt = now + PACE_MS;
    this.#looks[i]++;
    if (this.#pace.isSlow()) this.#slowLooks[i]++;
    this.#pace.take();
    this.#leaveOut();
  }

  #endSecond(i: number, now: number): void {
    this.#nextAt += 1000;
    const { rss, heapUsed } = process.memoryUsage();
    this.#at[i] = performance.timeOrigin + now;
    this.#rss[i] = rss;
    this.#heap[i] = heapUsed;
    this.#count++;
    this.#leaveOut();
  }

  /** Watching is none of the server's work. */
  #leaveOut(): void {
    this.#last = this.#clock.now();
  }

  /** A collection is heard of a little later, at the next turn of Node's event loop. */
  collected(startTime: number, ms: number): void {
    const start = performance.timeOrigin + startTime;
    let i = this.#count;
    while (i > 0 && this.#at[i - 1] > start) i--;
    if (i === SECONDS) return;
    this.#collections[i]++;
    if (ms > this.#gcMs[i]) this.#gcMs[i] = ms;
    // What the turn was like that a long one was in may not be known yet.
    if (ms > LONG_MS && this.#longCollectionCount < KEPT) {
      this.#longCollections.set([startTime, ms], 2 * this.#longCollectionCount++);
    } else if (ms > this.#ownGcMs[i]) this.#ownGcMs[i] = ms;
  }

  /** Gives long collections to their seconds: none is more of the server's own than the turn that it was in. */
  #judgeCollections(): void {
    for (let k = 0; k < this.#longCollectionCount; k++) {
      const [startTime, took] = this.#longCollections.subarray(2 * k);
      const ms = Math.min(took, this.#ownTimeAt(startTime));
      const i = this.#at.findIndex((at, j) => j === this.#count || at > performance.timeOrigin + startTime);
      if (i >= 0 && ms > this.#ownGcMs[i]) this.#ownGcMs[i] = ms;
    }
  }

  /** The own time of the long turn at some time; without a limit when there was none. */
  #ownTimeAt(time: number): number {
    for (let k = 0; k < this.#turnCount; k++) {
      const [from, to, own] = this.#turns.subarray(3 * k);
      if (time >= from && time < to) return own;
    }
    return Number.POSITIVE_INFINITY;
  }

  samples(): WatchSample[] {
    this.#judgeCollections();
    return Array.from({ length: this.#count }, (_, i) => ({
      at: this.#at[i],
      rssBytes: this.#rss[i],
      heapBytes: this.#heap[i],
      turnMs: this.#turnMs[i],
      ownTurnMs: this.#ownTurnMs[i],
      longTurns: this.#longTurns[i],
      slowTurns: this.#slowTurns[i],
      ownLongTurns: this.#ownLongTurns[i],
      looks: this.#looks[i],
      slowLooks: this.#slowLooks[i],
      gcMs: this.#gcMs[i],
      ownGcMs: this.#ownGcMs[i],
      collections: this.#collections[i],
    }));
  }
}
