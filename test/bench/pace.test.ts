// How fast the machine is, and how often it stops a program that only computes.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Pace } from '../../bench/peers/pace.js';
import { type Stops, spin } from '../../bench/peers/spinner.js';

/** A clock that pieces of work move on: the next ones take what is in the list, and then 1 ms. */
function scripted(pieces: number[]) {
  let now = 0;
  const work = (): void => {
    now += pieces.shift() ?? 1;
  };
  return { clock: () => now, pace: new Pace(() => now, work) };
}

t.test('a machine is slow that takes more than twice what is usual', async (t) => {
  const pieces: number[] = [];
  const { pace } = scripted(pieces);
  t.equal(pace.usualMs, 1);
  pieces.push(1.9, 2.1, 10, 1);
  t.same([pace.isSlow(), pace.isSlow(), pace.isSlow(), pace.isSlow()], [false, true, true, false]);
  pieces.push(...new Array<number>(16).fill(5));
  for (let i = 0; i < 16; i++) pace.take();
  t.equal(pace.usualMs, 5, 'most of the last pieces say what is usual');
  pieces.push(9);
  t.equal(pace.isSlow(), false);
});

t.test('stops and slow pieces are counted', async (t) => {
  const pieces: number[] = [];
  const { pace, clock } = scripted(pieces);
  pieces.push(1, 5, 1, 2.5, 1.5, 1, 2.1, 0.9);
  t.same(spin(0.015, pace, clock), { seconds: 0.015, stops: 3, longestMs: 5, slow: 0 });
});

t.test('the program prints what it has met', async (t) => {
  const program = fileURLToPath(new URL('../../bench/peers/spinner.js', import.meta.url));
  const { stdout } = spawnSync(process.execPath, [program, '0.2'], { encoding: 'utf8' });
  const { seconds, longestMs } = JSON.parse(stdout) as Stops;
  t.equal(seconds, 0.2);
  t.ok(longestMs > 0);
});
