// The list of ranges beyond a hole against a set of byte numbers: whatever arrives in whatever order, both know the same bytes.

import fc from 'fast-check';
import t from 'tap';
import { MAX_RANGES, Reassembly } from '../../src/stack/tcp/reassembly.js';
import { add, diff } from '../../src/stack/tcp/seq.js';

const SEED = 0x4ea5;
const SPACE = 400;

interface Arrival {
  /** Where it begins, counted from RCV.NXT of the beginning. */
  at: number;
  length: number;
}

const arrival: fc.Arbitrary<Arrival> = fc.record({
  at: fc.integer({ min: 0, max: SPACE - 1 }),
  length: fc.integer({ min: 1, max: 30 }),
});
const arrivals = fc.array(arrival, { minLength: 1, maxLength: 80 });
/** Sequence numbers from which it begins, so that ranges cross every edge of the space. */
const base = fc.oneof(fc.constantFrom(0, -1, 0x7fffffff - 100, -0x80000000, -200), fc.integer());

/** The maximal runs of numbers in a set. */
function runs(bytes: ReadonlySet<number>): [number, number][] {
  const found: [number, number][] = [];
  for (const byte of [...bytes].sort((a, b) => a - b)) {
    const last = found.at(-1);
    if (last !== undefined && last[1] === byte) last[1]++;
    else found.push([byte, byte + 1]);
  }
  return found;
}

function blocks(list: Reassembly, limit: number, first: number): [number, number][] {
  const left = new Int32Array(limit);
  const right = new Int32Array(limit);
  const count = list.sackBlocks(left, right, limit);
  return Array.from({ length: count }, (_, i) => [diff(left[i], first), diff(right[i], first)]);
}

t.test('the ranges are the runs of the bytes that have arrived beyond RCV.NXT', async (t) => {
  fc.assert(
    fc.property(base, arrivals, (first, list) => {
      const reassembly = new Reassembly();
      const bytes = new Set<number>();
      let nxt = 0;
      for (const { at, length } of list) {
        // As TCP does: the front is trimmed, text at RCV.NXT moves it, the rest is remembered.
        const from = Math.max(at, nxt);
        const to = at + length;
        if (to <= from) continue;
        const covered = runs(bytes).some(([left, right]) => left <= from && to <= right);
        if (reassembly.covers(add(first, from), add(first, to)) !== covered) return false;
        for (let byte = from; byte < to; byte++) bytes.add(byte);
        if (from === nxt) {
          nxt = to;
          while (bytes.has(nxt)) nxt++;
          if (diff(reassembly.advance(add(first, to)), first) !== nxt) return false;
          for (const byte of bytes) if (byte < nxt) bytes.delete(byte);
        } else if (!reassembly.insert(add(first, from), add(first, to))) {
          return false;
        }
        const expected = runs(bytes);
        const told = blocks(reassembly, MAX_RANGES, first).sort(([a], [b]) => a - b);
        t.equal(JSON.stringify(told), JSON.stringify(expected));
        if (!reassembly.isSound(add(first, nxt)) || reassembly.bytes !== bytes.size) return false;
      }
      return true;
    }),
    { seed: SEED, numRuns: 300 },
  );
});

t.test('the first block holds what arrived last, and no block is told twice', async () => {
  fc.assert(
    fc.property(base, arrivals, fc.integer({ min: 1, max: 4 }), (first, list, limit) => {
      const reassembly = new Reassembly();
      for (const { at, length } of list) {
        reassembly.insert(add(first, at + 1), add(first, at + 1 + length));
        const told = blocks(reassembly, limit, first);
        const [left, right] = told[0];
        if (!(left <= at + 1 && at + 1 + length <= right)) return false;
        if (new Set(told.map(([start]) => start)).size !== Math.min(limit, reassembly.count)) return false;
      }
      return true;
    }),
    { seed: SEED, numRuns: 300 },
  );
});

t.test('a list that refuses a range is full and stays as it was', async () => {
  const tiny = fc.array(fc.integer({ min: 0, max: 5_000 }), { minLength: 1_000, maxLength: 1_500 });
  fc.assert(
    fc.property(tiny, (places) => {
      const reassembly = new Reassembly();
      const bytes = new Set<number>();
      for (const place of places) {
        const taken = reassembly.insert(place * 2 + 1, place * 2 + 2);
        if (taken) bytes.add(place * 2 + 1);
        else if (reassembly.count !== MAX_RANGES) return false;
      }
      const told = blocks(reassembly, MAX_RANGES, 0).sort(([a], [b]) => a - b);
      return JSON.stringify(told) === JSON.stringify(runs(bytes)) && reassembly.isSound(0);
    }),
    { seed: SEED, numRuns: 20 },
  );
});
