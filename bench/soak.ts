// A minute at full load, seen from within the server: does its memory grow, and how long does it pause.

import type { Pace } from './generator/job.js';
import { MachinePace } from './pace.js';
import { LONG_MS, type LongTurn, type WatchSample } from './peers/loop-watch.js';
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
export const PAUSE_GOAL_MS = LONG_MS;

/** Turns that were too long, in one way of counting, and the longest. */
export interface Pauses {
  readonly turns: number;
  readonly longestMs: number;
}

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
  /** From second 10 on, by the clock. */
  readonly pauses: Pauses;
  /** Without the time in which other processes had the CPU. */
  readonly own: Pauses;
  /** That at the usual pace of the machine; undefined where nobody has told its pace. */
  readonly paced: Pauses | undefined;
  /** The share of the time in which the machine was slow. */
  readonly slowShare: number | undefined;
  /** From second 10 on. */
  readonly seconds: number;
  /** What the machine does to a program that only computes; undefined when that was not measured. */
  readonly machine?: Stops;
}

/** Reads what a server has told at its end, for the time from `from` to `to` (ms since 1970). */
export function readSoak(
  said: string,
  { from, to, pace }: { readonly from: number; readonly to: number; readonly pace?: Pace },
  machine?: Stops,
): Soak {
  const line = said.split('\n').find((one) => one.startsWith('[{'));
  if (line === undefined) throw new Error('the server has not told what it has watched');
  const samples = (JSON.parse(line) as WatchSample[]).filter(({ at }) => at - 1000 >= from && at <= to);
  return { ...summarize(samples, pace), ...(machine === undefined ? {} : { machine }) };
}

/** Makes a verdict of samples, one for each second under load. */
export function summarize(samples: readonly WatchSample[], told?: Pace): Soak {
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
  const long = settled.flatMap(({ longTurns }) => longTurns);
  const others = settled.filter(({ longTurns }) => longTurns.length === 0).map(({ turnMs }) => turnMs);
  const pausesOf = (lengthOf: (turn: LongTurn) => number): Pauses => {
    const lengths = long.map(lengthOf);
    return {
      turns: lengths.filter((ms) => ms > PAUSE_GOAL_MS).length,
      longestMs: Math.max(...lengths, ...others),
    };
  };
  const pace = told === undefined ? undefined : new MachinePace(told);
  return {
    samples,
    rssBefore,
    rssAfter,
    heapBefore,
    heapAfter,
    grows: isGrowth(rssBefore, rssAfter) || isGrowth(heapBefore, heapAfter),
    pauses: pausesOf(({ tookMs }) => tookMs),
    own: pausesOf(({ ownMs }) => ownMs),
    paced: pace && pausesOf(({ from, to, ownMs }) => ownMs / pace.slownessOf(from, to)),
    slowShare: pace?.slowShare,
    seconds: settled.length,
  };
}
