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
  t.ok(samples.length > 0);
  const turns = samples.flatMap(({ longTurns }) => longTurns);
  t.ok(turns.length > 0 && long > 0, `${turns.length} long turns of ${long}`);
  // Some may really have been interrupted.
  const own = turns.filter(({ ownMs }) => ownMs > 1).length;
  t.ok(own * 2 >= turns.length, `${own} of them are its own`);
  const now = Number(process.hrtime.bigint()) / 1e6;
  const times = [...turns.flatMap(({ from, to }) => [from, to]), now];
  t.same(
    times.toSorted((a, b) => a - b),
    times,
    'one after another, by the clock of everybody',
  );
  t.ok(now - times[0] < SECONDS * 2000);
});
