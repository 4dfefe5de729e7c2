// A slower stack shows as a difference in a readable table. Where a change is meant, UPDATE_SNAPSHOTS=1 writes the table anew and
// the difference is reviewed like any other.

import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { renderThroughput } from './throughput.js';

t.setTimeout(0);

const file = new URL('../../../test/sim/throughput.txt', import.meta.url);

t.test('throughput over buffer, loss and round trip is what test/sim/throughput.txt says', async (t) => {
  const table = renderThroughput();
  if (process.env.UPDATE_SNAPSHOTS === '1') writeFileSync(file, table);
  t.equal(
    table,
    readFileSync(file, 'utf8'),
    'UPDATE_SNAPSHOTS=1 node build/test/sim/throughput.test.js writes it anew',
  );
});
