// One and the same bad network (test/support/impaired-path.ts) between two kernels, a kernel and a stack, and two stacks: every
// byte arrives, and what was lost was sent again. `bench/impaired.ts` measures on it.

import t from 'tap';
import { runFlow, type Side } from '../support/flow.js';
import { makeImpairedPath } from '../support/impaired-path.js';
import { labReason } from '../support/netns.js';
import { patternHash } from './pattern.js';

/** The long form: IMPAIRED_BYTES=100000000 IMPAIRED_RATES=0.001,0.01,0.05. */
const BYTES = Number(process.env.IMPAIRED_BYTES ?? 4_000_000);
/** How much is lost, doubled and overtaken, each. */
const RATES = (process.env.IMPAIRED_RATES ?? '0.02').split(',').map(Number);
const reason = labReason();
t.setTimeout(0);
const PAIRS: [Side, Side][] = [
  ['kernel', 'kernel'],
  ['stack', 'kernel'],
  ['kernel', 'stack'],
  ['stack', 'stack'],
];

for (const rate of RATES) {
  const faults = { loss: rate, duplicate: rate, reorder: rate, reorderDelayUs: 500, delayUs: 200 };
  t.test(
    `a flow over a network that loses, doubles and reorders ${rate * 100} %`,
    { skip: reason ?? false },
    async (t) => {
      for (const [sender, receiver] of PAIRS) {
        await t.test(`from ${sender} to ${receiver}`, async (t) => {
          const path = await makeImpairedPath('mtcp-t-im', {
            seed: 5,
            leftToRight: faults,
            rightToLeft: faults,
          });
          t.teardown(() => path.close());
          const { received, sent, mbps } = await runFlow(path, {
            sender,
            receiver,
            congestion: 'cubic',
            bytes: BYTES,
          });
          t.equal(received.bytes, BYTES, 'every byte arrives');
          t.equal(received.hash, patternHash(BYTES), 'and is right');
          t.ok((sent.TcpRetransSegs ?? 0) >= (BYTES / 1448) * (rate / 2), 'what was lost was sent again');
          t.comment(
            `${mbps.toFixed(1)} Mbit/s, longest stall ${received.stallMs.toFixed(0)} ms, ${JSON.stringify(sent)}`,
          );
        });
      }
    },
  );
}
