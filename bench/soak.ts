// A minute at full load, seen from within the server: does its memory grow, and how long does it pause.

import type { WatchSample } from './peers/loop-watch.js';
import type { Stops } from './peers/spinner.js';
import { spreadOf } from './statistics.js';

/** Seconds after which a server is what it will be, and how many are averaged at both ends of the rest. */
const SETTLED = 10;
const SPAN = 10;
/**
 * Growth that is none: V8 makes the place for young objects larger and smaller, and nobody looks right after a
 * collection.
 */
const STILL_BYTES = 3 << 20;
const STILL_SHARE = 0.05;
/** The longest pause that is meant to be. */
export const PAUSE_GOAL_MS = 1;

/** What a soak has shown. */
export interface Soak {
  readonly samples: readonly WatchSample[];
  /** Resident memory at the end of second 10 and at the end, in bytes, each a median of some seconds. */
  readonly rssBefore: number;
  readonly rssAfter: number;
  /** The same of the heap, each the least of some seconds: what is left by collections. */
  readonly heapBefore: number;
  readonly heapAfter: number;
  readonly grows: boolean;
  /**
   * The longest turn of the loop and the longest collection from second 10 on, in ms; and turns beyond a millisecond.
   */
  readonly pauseMs: number;
  readonly gcMs: number;
  /**
   * The longest collection by the own time of the turns that they were in; in one that met a slow machine it cannot
   * be told apart.
   */
  readonly ownGcMs: number;
  readonly longTurns: number;
  /**
   * Of these, how many met a slow machine, and how many of the others were long without what else had the CPU; the
   * longest of those.
   */
  readonly slowTurns: number;
  /**
   * Share of moments, 20 ms apart, at which the machine was slow: that of the long turns would be the same if they
   * met it by chance.
   */
  readonly slowShare: number;
  readonly ownLongTurns: number;
  readonly ownPauseMs: number;
  /** From second 10 on. */
  readonly seconds: number;
  /** What the machine does to a program that only computes; undefined when that was not measured. */
  readonly machine?: Stops;
}

/** Reads what a server has told at its end, for the time from `from` to `to`. */
export function readSoak(said: string, from: number, to: number, machine?: Stops): Soak {
  const line = said.split('\n').find((one) => one.startsWith('[{'));
  if (line === undefined) throw new Error('the server has not told what it has watched');
  const samples = (JSON.parse(line) as WatchSample[]).filter(({ at }) => at - 1000 >= from && at <= to);
  return { ...summarize(samples), ...(machine === undefined ? {} : { machine }) };
}

/** Makes a verdict of samples, one for each second under load. */
export function summarize(samples: readonly WatchSample[]): Soak {
  const settled = samples.slice(SETTLED);
  if (settled.length < 2) throw new Error(`a soak takes more than ${samples.length} s`);
  const span = Math.min(SPAN, Math.ceil(settled.length / 2));
  const first = settled.slice(0, span);
  const last = settled.slice(-span);
  const [rssBefore, rssAfter] = [first, last].map((part) => {
    return spreadOf(part.map(({ rssBytes }) => rssBytes)).median;
  });
  const [heapBefore, heapAfter] = [first, last].map((part) =>
    Math.min(...part.map(({ heapBytes }) => heapBytes)),
  );
  const isGrowth = (before: number, after: number): boolean => {
    return after - before > Math.max(STILL_BYTES, before * STILL_SHARE);
  };
  const total = (of: (sample: WatchSample) => number): number =>
    settled.reduce((sum, one) => sum + of(one), 0);
  return {
    samples,
    rssBefore,
    rssAfter,
    heapBefore,
    heapAfter,
    grows: isGrowth(rssBefore, rssAfter) || isGrowth(heapBefore, heapAfter),
    pauseMs: Math.max(...settled.map(({ turnMs }) => turnMs)),
    ownPauseMs: Math.max(...settled.map(({ ownTurnMs }) => ownTurnMs)),
    gcMs: Math.max(...settled.map(({ gcMs }) => gcMs)),
    ownGcMs: Math.max(...settled.map(({ ownGcMs }) => ownGcMs)),
    longTurns: total(({ longTurns }) => longTurns),
    slowTurns: total(({ slowTurns }) => slowTurns),
    slowShare:
      total(({ slowLooks }) => slowLooks) /
      Math.max(
        1,
        total(({ looks }) => looks),
      ),
    ownLongTurns: total(({ ownLongTurns }) => ownLongTurns),
    seconds: settled.length,
  };
}
