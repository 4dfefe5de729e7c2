// mtcp_init lets V8 inline more, unless somebody has said how much.

import t from 'tap';
import { widenInlining } from '../../src/api/inlining.js';
import { mtcp_destroy, mtcp_init, mtcp_last_error } from '../../src/index.js';
import { MemoryNic } from '../../src/nic/memory-nic.js';

const FLAG = '--max-inlined-bytecode-size-cumulative';

function flagsSet(words: readonly string[]): string[] {
  const set: string[] = [];
  widenInlining(words, (flags) => set.push(flags));
  return set;
}

t.test('V8 inlines more', async (t) => {
  t.same(flagsSet([]), [`${FLAG}=4000`]);
  t.same(flagsSet(['--expose-gc', '--max-old-space-size=100']), [`${FLAG}=4000`]);
});

t.test('what the command line says stays', async (t) => {
  t.same(flagsSet([`${FLAG}=920`]), []);
  t.same(flagsSet([FLAG, '920']), []);
  t.same(flagsSet(['--max_inlined_bytecode_size_cumulative=920']), []);
});

t.test('mtcp_init takes true and false for it', async (t) => {
  const options = { nic: new MemoryNic({ linkType: 'ip' }), address: '10.0.0.1/24' };
  t.equal(mtcp_init({ ...options, inlining: 1 as unknown as boolean }), -1);
  t.equal(mtcp_last_error(), "option 'inlining' must be true or false, not 1");
  for (const inlining of [true, false]) {
    t.equal(mtcp_init({ ...options, inlining }), 0);
    mtcp_destroy();
  }
});
