// Two stacks on a simulated wire with faults. Every run follows from its seed, which a failure prints: SIM_SEED=n SIM_RUNS=1 replays
// it. SIM_SEED=random starts anywhere; SIM_RUNS=20000 is the long form (npm run test:sim:long).

import t from 'tap';
import { CROWD, makeCrowd } from './scenario.js';
import { type RunResult, simulate } from './simulation.js';

const RUNS = Number(process.env.SIM_RUNS ?? 200);
const first = process.env.SIM_SEED === 'random' ? Date.now() & 0x7fffffff : Number(process.env.SIM_SEED ?? 1);
// The long form takes as long as it takes.
t.setTimeout(0);
const CROWDS = 6;
/** Failures shown before a run is given up. */
const PATIENCE = 3;

t.test(
  `${RUNS} simulations from seed ${first} on: every stream arrives whole and nothing is left`,
  async (t) => {
    const total = {
      connections: 0,
      complete: 0,
      lost: 0,
      bytes: 0,
      packets: 0,
      retransmitted: 0,
      virtualUs: 0,
    };
    const errors: Record<string, number> = {};
    let failures = 0;
    for (let seed = first; seed < first + RUNS && failures < PATIENCE; seed++) {
      try {
        const result: RunResult = simulate(seed);
        for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += result[key];
        for (const [text, count] of Object.entries(result.errors)) errors[text] = (errors[text] ?? 0) + count;
      } catch (error) {
        failures++;
        t.comment(error instanceof Error ? error.message : String(error));
        t.fail(`seed ${seed}`);
      }
    }
    t.equal(failures, 0, 'no run fails');
    t.comment(JSON.stringify({ ...total, virtualHours: Math.round(total.virtualUs / 3_600_000_000) }));
    t.comment(`lost to the network (told to client/server): ${JSON.stringify(errors)}`);
    if (failures === 0 && RUNS >= 100) {
      t.ok(total.retransmitted > total.packets / 200, 'the network was bad enough');
      const refused = Object.entries(errors).reduce(
        (sum, [text, n]) => sum + (text.includes('simultaneous') ? n : 0),
        0,
      );
      t.ok(total.lost - refused < total.connections / 50, 'few connections are lost to the network alone');
    }
  },
);

t.test('a crowd of connections, one after the other: the short form of test:sim:million', async (t) => {
  let connections = 0;
  for (let seed = first; seed < first + CROWDS; seed++) {
    const result = simulate(seed, false, makeCrowd);
    connections += result.connections;
  }
  t.equal(connections, CROWDS * CROWD, `${CROWDS} crowds from seed ${first} on`);
});

t.test('the same seed gives the same packets at the same times', async (t) => {
  const hashes = new Set<string>();
  for (let seed = first; seed < first + 12; seed++) {
    const once = simulate(seed, true);
    const again = simulate(seed, true);
    t.same(again, once, `seed ${seed}`);
    hashes.add(once.hash);
  }
  t.equal(hashes.size, 12, 'and another seed gives others');
});
