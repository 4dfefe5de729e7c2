// How fast the machine is, how often it stops a program that only computes, and whose the pauses of a server are.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { MachinePace } from '../../bench/pace.js';
import { LoopWatch } from '../../bench/peers/loop-watch.js';
import { type Stops, spin } from '../../bench/peers/spinner.js';

t.test('a machine is as slow as pieces of arithmetic take longer than usual', async (t) => {
  const pace = new MachinePace({ from: 100, ns: [10, 10, 10, 40, 120, 5, 10, 10] });
  t.equal(pace.slownessOf(100.2, 101.9), 1);
  t.equal(pace.slownessOf(103.1, 103.9), 4);
  t.equal(pace.slownessOf(102.5, 104.5), (1 + 4 + 12) / 3, 'the mean of what it touches');
  t.equal(pace.slownessOf(105, 105.5), 1, 'a quick machine is not told from a usual one');
  t.equal(pace.slownessOf(10, 11), 1, 'nor is one of which nothing is known');
  t.equal(pace.slowShare, 0.25);
});

t.test(
  'where the generator was off its CPU, the machine was no slower than on both sides of that',
  async (t) => {
    const pace = new MachinePace({ from: 0, ns: [0, 30, 0, 0, 20, 10, 10, 10, 10, 0] });
    t.same(
      [0, 1, 2, 3, 4, 9].map((ms) => pace.slownessOf(ms, ms + 0.5)),
      [3, 3, 2, 2, 2, 1],
    );
    t.throws(() => new MachinePace({ from: 0, ns: [0, 0] }), {
      message: 'the generator has not told how fast the machine was',
    });
  },
);

t.test('stops of a program that only computes are counted', async (t) => {
  const pieces = [0.1, 5, 0.1, 2.5, 1, 0.1];
  let now = 0;
  const piece = (): void => {
    now += pieces.shift() ?? 0.1;
  };
  const clock = (): number => now;
  t.same(spin(0.008, piece, clock, clock), { seconds: 0.008, stops: 2, longestMs: 5 });
  pieces.push(0.1, 5, 1);
  const halfOf = (): number => now / 2;
  t.match(spin(0.006, piece, clock, halfOf), { stops: 1, longestMs: 2.5 }, 'other work is no stop');
});

t.test('a long turn is kept with what others had of it', async (t) => {
  let [now, executed] = [0, 0];
  const pass = (ms: number): void => {
    now += ms;
  };
  const waits = { wait: (_timeoutUs: number) => pass(5) };
  const watch = new LoopWatch(waits, { now: () => now, executed: () => executed });
  const turn = (ms: number, own = ms): void => {
    pass(ms);
    executed += own;
    watch.turn();
  };
  turn(0.5);
  waits.wait(5000);
  turn(0.25);
  turn(3, 0.75);
  turn(1000);
  turn(1000);
  const [first, second] = watch.samples();
  t.equal(first.turnMs, 1000);
  t.same(
    first.longTurns.map(({ from, to, tookMs, ownMs }) => [Math.round(to - from), tookMs, ownMs]),
    [
      [3, 3, 0.75],
      [1000, 1000, 1000],
    ],
  );
  t.equal(second.longTurns.length, 1, 'each second has its own');
});

t.test('the program prints what it has met', async (t) => {
  const program = fileURLToPath(new URL('../../bench/peers/spinner.js', import.meta.url));
  const { stdout } = spawnSync(process.execPath, [program, '0.2'], { encoding: 'utf8' });
  const { seconds, longestMs } = JSON.parse(stdout) as Stops;
  t.equal(seconds, 0.2);
  t.ok(longestMs > 0);
});
