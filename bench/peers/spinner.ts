// A program that only computes, for SECONDS: how often the machine stops it says what no program can do better.
// Prints a line of JSON.

import { fileURLToPath } from 'node:url';
import { executedMs } from './executed.js';
import { Pace, SLOW } from './pace.js';

/** What a program that only computes has met. */
export interface Stops {
  readonly seconds: number;
  /** How often the piece of work was done. */
  readonly pieces: number;
  /**
   * Pieces that took more than a millisecond longer than usual, and the longest, in ms: without the time in which
   * something else had the CPU.
   */
  readonly stops: number;
  readonly longestMs: number;
  /** Share of the time that went into pieces done by a slow machine. */
  readonly slow: number;
}

const STOP_MS = 1;
/** Pieces after which is asked again what is usual. */
const LOOK_EVERY = 1000;

/** Computes for some seconds. */
export function spin(
  seconds: number,
  pace: Pace = new Pace(),
  now = () => performance.now(),
  executed = executedMs,
): Stops {
  let [pieces, stops, longestMs, slowMs] = [0, 0, 0, 0];
  let usualMs = pace.usualMs;
  const end = now() + seconds * 1000;
  while (now() < end) {
    // The last pieces may all have been slow.
    if (pieces % LOOK_EVERY === 0) usualMs = Math.min(usualMs, pace.usualMs);
    const before = executed();
    const took = pace.take();
    const ms = Math.min(took, executed() - before);
    if (ms > usualMs + STOP_MS) stops++;
    else if (ms > SLOW * usualMs) slowMs += ms;
    if (ms > longestMs) longestMs = ms;
    pieces++;
  }
  return { seconds, pieces, stops, longestMs, slow: slowMs / (seconds * 1000) };
}

const [, program, word] = process.argv;
if (program === fileURLToPath(import.meta.url)) console.log(JSON.stringify(spin(Number(word))));
