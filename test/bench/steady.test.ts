// A warm-up ends when the rate is steady.

import t from 'tap';
import { Steady, WINDOW_MS } from '../../bench/generator/steady.js';

/** After which window the warm-up is over; -1 when it is not. */
function overAfter(rates: readonly number[], leastMs = 0, mostMs = 1e9): number {
  const steady = new Steady(leastMs, mostMs);
  return rates.findIndex((rate, i) => steady.add(rate, (i + 1) * WINDOW_MS)) + 1 || -1;
}

t.test('a warm-up ends when three windows are near the best one', async (t) => {
  t.equal(overAfter([100, 100, 100, 100]), 3, 'steady from the start');
  t.equal(overAfter([10, 30, 60, 90, 100, 101, 99, 100]), 7, 'one that becomes faster');
  t.equal(overAfter([100, 100, 50, 100, 99, 98]), 6, 'a slow window begins anew');
  t.equal(overAfter([1, 2, 4, 8, 16, 32]), -1);
  t.equal(overAfter([0, 0, 0, 0, 10, 10, 10]), 7, 'one that is slow to start');
});

t.test('nor sooner than the least, nor later than the most', async (t) => {
  t.equal(overAfter([100, 100, 100, 100, 100, 100], 5 * WINDOW_MS), 5);
  t.equal(overAfter([1, 2, 4, 8, 16, 32], 0, 4 * WINDOW_MS), 4);
});
