// A program that only computes, for SECONDS: how often the machine stops it says what no program can do better. Prints a line of JSON.

import { fileURLToPath } from 'node:url';
import { Pace, SLOW } from './pace.js';

/** What a program that only computes has met. */
export interface Stops {
  readonly seconds: number;
  /** Pieces of work that took more than a millisecond longer than usual, and the longest, in ms. */
  readonly stops: number;
  readonly longestMs: number;
  /** Share of the time that went into pieces done by a slow machine. */
  readonly slow: number;
}

const STOP_MS = 1;
/** Pieces after which is asked again what is usual. */
const LOOK_EVERY = 1000;

/** Computes for some seconds. */
export function spin(seconds: number, pace: Pace = new Pace(), now = () => performance.now()): Stops {
  let stops = 0;
  let longestMs = 0;
  let slowMs = 0;
  const start = now();
  let usualMs = pace.usualMs;
  for (let at = start, count = 0; at < start + seconds * 1000; at = now(), count++) {
    if (count % LOOK_EVERY === 0) usualMs = pace.usualMs;
    const ms = pace.take();
    if (ms > usualMs + STOP_MS) stops++;
    else if (ms > SLOW * usualMs) slowMs += ms;
    if (ms > longestMs) longestMs = ms;
  }
  return { seconds, stops, longestMs, slow: slowMs / (seconds * 1000) };
}

const [, program, word] = process.argv;
if (program === fileURLToPath(import.meta.url)) console.log(JSON.stringify(spin(Number(word))));
