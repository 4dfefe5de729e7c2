// Options of connections: one record for all that have the same, however they have come to it, and no more memory the more often they
// are changed.

import t from 'tap';
import { change, type Tuning, UNTUNED } from '../../src/stack/tcp/tuning.js';

t.test('what is set and set back is what it was', async (t) => {
  const corked = change(UNTUNED, 'cork', true);
  t.not(corked, UNTUNED);
  t.equal(
    change(corked, 'cork', false),
    UNTUNED,
    'cork and uncork for ever are two records, not a chain of them',
  );
  t.equal(change(UNTUNED, 'cork', true), corked);
});

t.test('the order of the options does not matter', async (t) => {
  const one = change(change(UNTUNED, 'nodelay', true), 'keepIdleUs', 5);
  t.equal(change(change(UNTUNED, 'keepIdleUs', 5), 'nodelay', true), one);
  t.match(one, { nodelay: true, keepIdleUs: 5, cork: false });
});

t.test('beyond so many different ones each is right, and is forgotten with its connection', async (t) => {
  let tuning: Tuning = UNTUNED;
  for (let us = 1; us <= 3000; us++) {
    tuning = change(tuning, 'userTimeoutUs', us);
    if (tuning.userTimeoutUs !== us) t.fail(`${tuning.userTimeoutUs} is not ${us}`);
  }
  const own = change(tuning, 'cork', true);
  t.same(own, { ...UNTUNED, userTimeoutUs: 3000, cork: true });
  t.not(change(tuning, 'cork', true), own, 'nobody has kept it');
  t.equal(change(own, 'cork', true), own);
  const { userTimeoutUs } = UNTUNED;
  t.equal(
    change(change(own, 'cork', false), 'userTimeoutUs', userTimeoutUs),
    UNTUNED,
    'known ones are found again',
  );
});
