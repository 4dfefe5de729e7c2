// A server that watches its own loop: what it computes for long is its own, and what it sleeps is nobody's.

import t from 'tap';
import { LoopWatch } from '../../bench/peers/loop-watch.js';
import { MemoryNic } from '../../src/nic/memory-nic.js';

const SLEPT_US = 1000;
const LONG_MS = 5;
const SECONDS = 2.2;

/** A Nic that really sleeps. */
class SleepyNic extends MemoryNic {
  readonly #cell = new Int32Array(new SharedArrayBuffer(4));

  override wait(timeoutUs: number): void {
    Atomics.wait(this.#cell, 0, 0, timeoutUs / 1000);
  }
}

t.test('long turns of a server that mostly sleeps are its own', async (t) => {
  const nic = new SleepyNic();
  const watch = new LoopWatch(nic);
  const end = performance.now() + SECONDS * 1000;
  let long = 0;
  for (let turn = 0; performance.now() < end; turn++) {
    nic.wait(SLEPT_US);
    if (turn % 50 === 49) {
      for (const until = performance.now() + LONG_MS; performance.now() < until; );
      long++;
    }
    watch.turn();
  }
  const samples = watch.samples();
  const sum = (of: (sample: (typeof samples)[number]) => number): number =>
    samples.reduce((all, one) => all + of(one), 0);
  t.ok(samples.length > 0);
  const seen = sum(({ longTurns }) => longTurns);
  t.ok(seen > 0 && long > 0, `${seen} long turns of ${long}`);
  // Some may really have met a slow machine, or have been interrupted.
  const own = sum(({ ownLongTurns, slowTurns }) => ownLongTurns + slowTurns);
  t.ok(own * 2 >= seen, `${own} of them are its own or the machine's`);
});
