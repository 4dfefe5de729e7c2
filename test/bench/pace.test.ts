// How fast the machine is, how often it stops a program that only computes, and whose the pauses of a server are.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { LoopWatch } from '../../bench/peers/loop-watch.js';
import { Pace } from '../../bench/peers/pace.js';
import { type Stops, spin } from '../../bench/peers/spinner.js';

/** A clock that pieces of work move on: the next ones take what is in the list, and then what is usual. */
function scripted(pieces: number[], usualMs = 1) {
  let now = 0;
  const pass = (ms: number): void => {
    now += ms;
  };
  return {
    clock: () => now,
    pass,
    pace: new Pace(
      () => now,
      () => pass(pieces.shift() ?? usualMs),
    ),
  };
}

t.test('a machine is slow that takes more than twice what is usual', async (t) => {
  const pieces: number[] = [];
  const { pace } = scripted(pieces);
  t.equal(pace.usualMs, 1);
  pieces.push(1.75, 2.25, 10, 1, 2.25, 10, 3, 1);
  const told = [pace.isSlow(), pace.isSlow(), pace.isSlow(), pace.isSlow()];
  t.same(told, [false, false, true, false], 'pieces one after another, not one that was interrupted');
  pieces.push(...new Array<number>(16).fill(5));
  for (let i = 0; i < 16; i++) pace.take();
  t.equal(pace.usualMs, 5, 'most of the last pieces say what is usual');
  pieces.push(9, 9, 9);
  t.equal(pace.isSlow(), false);
});

t.test('stops and slow pieces are counted', async (t) => {
  const pieces: number[] = [];
  const { pace, clock } = scripted(pieces);
  pieces.push(1, 5, 1, 2.5, 1.5, 1, 2.1, 0.9);
  const stops = { seconds: 0.015, pieces: 8, stops: 3, longestMs: 5, slow: 0 };
  t.same(spin(0.015, pace, clock, clock), stops);
  pieces.push(1, 5, 1, 1);
  const halfOf = (): number => clock() / 2;
  t.match(spin(0.008, pace, clock, halfOf), { pieces: 4, stops: 1, longestMs: 2.5 }, 'other work is no stop');
});

t.test('a long turn may be due to the machine, to other work, or to the server', async (t) => {
  const pieces: number[] = [];
  const { pace, clock, pass } = scripted(pieces, 0.03);
  let executed = 0;
  const waits = { wait: () => pass(5) };
  const watch = new LoopWatch(waits, { now: clock, executed: () => executed }, pace);
  const turn = (ms: number, own = ms): void => {
    pass(ms);
    executed += own;
    watch.turn();
  };
  turn(0.5);
  t.equal(clock() > 1.4, true, 'the pace was taken');
  turn(0.75);
  waits.wait();
  turn(0.25);
  const absentFrom = clock();
  turn(3, 0.75);
  watch.collected(absentFrom + 1, 1.5);
  turn(2);
  const slowFrom = clock();
  pieces.push(0.3, 0.3, 0.3);
  turn(4);
  watch.collected(slowFrom + 1, 2.5);
  const quickFrom = clock();
  turn(0.2);
  watch.collected(quickFrom, 0.1);
  turn(1000);
  const [sample] = watch.samples();
  t.match(sample, { longTurns: 4, slowTurns: 1, ownLongTurns: 2, turnMs: 1000, ownTurnMs: 1000 });
  t.match(sample, { collections: 3, gcMs: 2.5, ownGcMs: 0.75 });
  t.ok(sample.looks >= 2 && sample.slowLooks === 0);
});

t.test('the program prints what it has met', async (t) => {
  const program = fileURLToPath(new URL('../../bench/peers/spinner.js', import.meta.url));
  const { stdout } = spawnSync(process.execPath, [program, '0.2'], { encoding: 'utf8' });
  const { seconds, pieces, longestMs } = JSON.parse(stdout) as Stops;
  t.equal(seconds, 0.2);
  t.ok(pieces > 10);
  t.ok(longestMs > 0);
});
