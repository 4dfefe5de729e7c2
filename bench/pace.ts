// How much slower than usual the machine was at some time. Hardware that is too hot, or a hypervisor, slows all CPUs down at once for some
// ms, and nothing in the machine tells of it but work that takes longer: that of the load generator on the other CPU, here.

import type { Pace } from './generator/job.js';
import { spreadOf } from './statistics.js';

/** So many times the usual is slow. */
const SLOW = 2;

export class MachinePace {
  readonly #from: number;
  /** How many times the usual in each millisecond; at least 1, as a quick machine makes nothing of the server's shorter. */
  readonly #slowness: Float64Array;

  /** Throws an Error when nothing is told. */
  constructor({ from, ns }: Pace) {
    const known = ns.filter((one) => one > 0);
    if (known.length === 0) throw new Error('the generator has not told how fast the machine was');
    const usual = spreadOf(known).median;
    this.#from = from;
    this.#slowness = Float64Array.from(ns, (_, i) => Math.max(1, leastNear(ns, i) / usual));
  }

  /** The mean from one time to another, as process.hrtime counts, in ms; 1 for what lies outside of what is known. */
  slownessOf(from: number, to: number): number {
    const first = Math.floor(from - this.#from);
    const last = Math.floor(to - this.#from);
    let sum = 0;
    for (let ms = first; ms <= last; ms++) sum += this.#slowness[ms] ?? 1;
    return sum / (last - first + 1);
  }

  /** The share of all milliseconds that were slow. */
  get slowShare(): number {
    return this.#slowness.filter((one) => one > SLOW).length / this.#slowness.length;
  }
}

/** What is told of a millisecond; where that is nothing, as the generator was off its CPU, the lesser of the next ones on both sides. */
function leastNear(ns: readonly number[], at: number): number {
  if (ns[at] > 0) return ns[at];
  let [before, after] = [at, at];
  while (before >= 0 && ns[before] === 0) before--;
  while (after < ns.length && ns[after] === 0) after++;
  return Math.min(ns[before] ?? ns[after], ns[after] ?? ns[before]);
}
