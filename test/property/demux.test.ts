// The table of connections against a Map: the same tuples are found after any sequence of insertions and removals. The keys
// vary, so that collisions fall elsewhere in each run.

import fc from 'fast-check';
import t from 'tap';
import { StackConfig } from '../../src/stack/config.js';
import { createRandom } from '../../src/stack/random.js';
import { Demux } from '../../src/stack/tcp/demux.js';
import type { Tcb } from '../../src/stack/tcp/tcb.js';
import { Endpoint } from '../../src/stack/wire/address.js';

const SEED = 0xde30;
const config = new StackConfig();
const TUPLES = 700;

/** Tuples that are alike: few addresses, few ports. */
function tuple(number: number): { local: Endpoint; remote: Endpoint } {
  const local = new Endpoint();
  const remote = new Endpoint();
  local.setV4(0x0a000001);
  local.port = 80 + (number % 2);
  remote.setV4(0x0a000100 + ((number >> 1) % 10));
  remote.port = 1000 + ((number / 20) | 0);
  return { local, remote };
}

const step = fc.record({
  insert: fc.boolean(),
  number: fc.integer({ min: 0, max: TUPLES - 1 }),
});

t.test('the table and the Map hold the same connections', async () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(step, { maxLength: 300 }), (key, steps) => {
      const demux = new Demux(createRandom(key));
      const model = new Map<number, Tcb>();
      // A start that fills half of the slots, so that runs of collisions are long.
      for (let i = 0; i < 480; i++) steps.unshift({ insert: true, number: (i * 7) % TUPLES });
      for (const { insert, number } of steps) {
        const { local, remote } = tuple(number);
        const known = model.get(number);
        if (demux.find(local, remote) !== known) return false;
        if (insert && known === undefined) {
          const tcb = demux.allocate(config);
          tcb.local.copyEndpoint(local);
          tcb.remote.copyEndpoint(remote);
          demux.insert(tcb);
          model.set(number, tcb);
        } else if (!insert && known !== undefined) {
          demux.remove(known);
          demux.free(known);
          model.delete(number);
        }
        if (demux.size !== model.size || demux.allocated !== model.size) return false;
      }
      for (let number = 0; number < TUPLES; number++) {
        const { local, remote } = tuple(number);
        if (demux.find(local, remote) !== model.get(number)) return false;
      }
      const visited = new Set<Tcb>();
      demux.forEach((tcb) => visited.add(tcb));
      return visited.size === model.size && [...model.values()].every((tcb) => visited.has(tcb));
    }),
    { seed: SEED, numRuns: 40 },
  );
});
