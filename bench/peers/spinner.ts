// A program that only computes, for SECONDS: how often the machine stops it says what no program can do better.
// Prints a line of JSON.

import { fileURLToPath } from 'node:url';
import { executedMs } from './executed.js';

/** What a program that only computes has met. */
export interface Stops {
  readonly seconds: number;
  /**
   * Pieces of work that took more than a millisecond, and the longest, in ms: without the time in which something else had the CPU.
   */
  readonly stops: number;
  readonly longestMs: number;
}

const STOP_MS = 1;
const STEPS = 20_000;

let state = 1;

/** Some tens of microseconds, in registers alone; hundreds as long as V8 does not find it worth optimising. */
function work(): void {
  let x = state;
  for (let i = 0; i < STEPS; i++) x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
  state = x;
}

/** Computes for some seconds. */
export function spin(
  seconds: number,
  piece: () => void = work,
  now = () => performance.now(),
  executed = executedMs,
): Stops {
  let [stops, longestMs] = [0, 0];
  const end = now() + seconds * 1000;
  while (now() < end) {
    const [from, before] = [now(), executed()];
    piece();
    const ms = Math.min(now() - from, executed() - before);
    if (ms > STOP_MS) stops++;
    if (ms > longestMs) longestMs = ms;
  }
  return { seconds, stops, longestMs };
}

const [, program, word] = process.argv;
if (program === fileURLToPath(import.meta.url)) console.log(JSON.stringify(spin(Number(word))));
