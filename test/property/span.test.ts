// `copy` against `set`: any lengths and places, within one buffer and between two, and nothing is written beside.

import fc from 'fast-check';
import t from 'tap';
import { copy, Span } from '../../src/stack/wire/span.js';

const SEED = 0x59a;
const SIZE = 6000;
const place = fc.integer({ min: 0, max: 40 });
const length = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 400, max: 2500 }));

t.test('copy moves exactly the bytes that it is told to', async () => {
  fc.assert(
    fc.property(place, place, place, place, length, fc.boolean(), (a, b, from, to, count, isOne) => {
      const near = Uint8Array.from({ length: 2 * SIZE }, (_, i) => i * 31);
      const far = isOne ? near : Uint8Array.from({ length: 2 * SIZE }, (_, i) => i * 17);
      const target = new Span(near.subarray(a, a + SIZE));
      const source = new Span(far.subarray(SIZE + b, SIZE + b + SIZE - 40));
      const expected = near.slice();
      expected.set(source.bytes.subarray(from, from + count), a + to);
      copy(target, to, source, from, count);
      return near.every((byte, i) => byte === expected[i]);
    }),
    { seed: SEED, numRuns: 2000 },
  );
});
