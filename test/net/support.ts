// Two virtual hosts with `net` on each, and a way to let Node's event loop and virtual time go on together.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Test } from 'tap';
import { createNet, type Net } from '../../src/net/index.js';
import {
  createHost,
  type Host,
  type HostOptions,
  type JoinOptions,
  joinHosts,
} from '../../src/testing/index.js';

export const SERVER = '10.0.0.1';
export const CLIENT = '10.0.0.2';

export interface Pair {
  readonly server: Net;
  readonly client: Net;
  readonly hosts: readonly [server: Host, client: Host];
  /** Lets both sides work, and time pass, until `done` settles. */
  run<T>(done: Promise<T>): Promise<T>;
  /** Lets `us` of virtual time pass, with everything that happens meanwhile. */
  pass(us: number): Promise<void>;
}

/** Makes the pair, and ends both hosts with the test: what is still open would wait for a time that does not come. */
export function netPair(
  t: Test,
  options: JoinOptions = { delayUs: 1000 },
  serverOptions: Partial<HostOptions> = {},
): Pair {
  const a = createHost({ addresses: [`${SERVER}/24`], ...serverOptions });
  const b = createHost({ addresses: [`${CLIENT}/24`] });
  joinHosts(a, b, options);
  t.teardown(() => {
    a.close();
    b.close();
  });
  /** One step: what is ready on the event loop, or else the next thing in virtual time. */
  const step = async (limitUs: number): Promise<void> => {
    // Streams hand on through several ticks; time must not overtake them.
    for (let i = 0; i < 3; i++) await nextTurn();
    if (a.world.settle()) return;
    const next = Math.min(a.world.nextEvent(), limitUs);
    if (Number.isFinite(next)) a.world.advance(Math.max(a.world.now, Math.ceil(next)));
  };
  return {
    server: createNet(a.mctx),
    client: createNet(b.mctx),
    hosts: [a, b],
    async run(done) {
      let isOver = false;
      const over = done.finally(() => {
        isOver = true;
      });
      over.catch(() => {});
      const limit = Date.now() + 15_000;
      for (let steps = 0; !isOver; steps++) {
        if (steps > 200_000 && Date.now() > limit)
          throw new Error(`nothing has come of it by ${a.world.now} µs`);
        await step(a.world.now + 1_000_000);
      }
      return over;
    },
    async pass(us) {
      const until = a.world.now + us;
      while (a.world.now < until) await step(until);
      await nextTurn();
    },
  };
}
