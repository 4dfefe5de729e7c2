// Sequence arithmetic against the definition of RFC 9293 3.4, on integers that do not go round.

import fc from 'fast-check';
import t from 'tap';
import * as seq from '../../src/stack/tcp/seq.js';

const SEED = 0x5e9;
const HALF = 2 ** 31;

const number = fc.integer({ min: -HALF, max: HALF - 1 });
/** Distances that can be told: less than half of the space. */
const near = fc.oneof(fc.integer({ min: -HALF + 1, max: HALF - 1 }), fc.integer({ min: -3, max: 3 }));

t.test('a number and one that lies a known distance away compare by that distance', async (t) => {
  fc.assert(
    fc.property(number, near, (a, distance) => {
      const b = Number(BigInt.asIntN(32, BigInt(a) + BigInt(distance)));
      t.equal(seq.add(a, distance), b);
      return (
        seq.diff(b, a) === distance &&
        seq.lt(a, b) === distance > 0 &&
        seq.leq(a, b) === distance >= 0 &&
        seq.gt(a, b) === distance < 0 &&
        seq.geq(a, b) === distance <= 0 &&
        seq.max(a, b) === (distance > 0 ? b : a) &&
        seq.min(a, b) === (distance < 0 ? b : a)
      );
    }),
    { seed: SEED, numRuns: 2000 },
  );
});

t.test('a window holds what lies between its edges', async () => {
  fc.assert(
    fc.property(number, near, fc.integer({ min: 0, max: HALF - 1 }), (first, distance, size) => {
      const inside = distance >= 0 && distance < size;
      return seq.inWindow(seq.add(first, distance), first, size) === inside;
    }),
    { seed: SEED, numRuns: 2000 },
  );
});
