// mtcp_init lets V8 inline more, unless somebody has said how much.

import { spawnSync } from 'node:child_process';
import t from 'tap';
import { widenInlining } from '../../src/api/inlining.js';

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

/** How many of forty functions V8 inlines into the one that calls them, in a process that has called mtcp_init. */
function inlined(inlining: boolean): number {
  const program = `
    import { runInThisContext } from 'node:vm';
    import { mtcp_init } from '${new URL('../../src/index.js', import.meta.url)}';
    import { MemoryNic } from '${new URL('../../src/nic/memory-nic.js', import.meta.url)}';
    const nic = new MemoryNic({ linkType: 'ip' });
    if (mtcp_init({ nic, address: '10.0.0.1/24', inlining: ${inlining} }) < 0) throw new Error('mtcp_init');
    const names = Array.from({ length: 40 }, (_, i) => 'small' + i);
    const bodies = names.map((name) => 'function ' + name + '(x) { ' + 'x = (x * 3 + 1) | 0; '.repeat(8) + 'return x; }');
    const calls = names.map((name) => 'x = ' + name + '(x);');
    const prepare = ['large', ...names].map((name) => '%PrepareFunctionForOptimization(' + name + ');');
    const run = 'let x = 1; for (let i = 0; i < 100; i++) x = large(x); %OptimizeFunctionOnNextCall(large); large(x);';
    const large = 'function large(x) { ' + calls.join(' ') + ' return x; }';
    runInThisContext([...bodies, large, ...prepare, run].join(' '));
  `;
  const words = ['--trace-turbo-inlining', '--allow-natives-syntax', '--input-type=module', '-e', program];
  const { stdout, status, stderr } = spawnSync(process.execPath, words, {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    // Counting coverage has V8 inline otherwise, and is passed on unless it is turned off.
    env: { NODE_V8_COVERAGE: '' },
  });
  if (status !== 0) throw new Error(stderr);
  const found = stdout.matchAll(
    /Inlining \S+ \{\S+ <SharedFunctionInfo (small\d+)>\} into \S+ \{\S+ <SharedFunctionInfo large>/g,
  );
  return new Set([...found].map((match) => match[1])).size;
}

t.test('mtcp_init does it, and not when it is told not to', async (t) => {
  const many = inlined(true);
  const few = inlined(false);
  t.ok(few > 0 && few < many, `V8 by itself inlines ${few}, and ${many} with it`);
});
