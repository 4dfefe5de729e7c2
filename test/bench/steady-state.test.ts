// Echoes and short connections in steady state, in a process of its own: nothing is allocated per packet, and V8 takes back none of
// the code that it has optimised. Both are counted, not timed.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { AllocResult } from '../../bench/alloc.js';
import { NO_BYTES } from '../../bench/limits.js';

const program = fileURLToPath(new URL('../../bench/alloc.js', import.meta.url));
/** V8 writes through C's stdout; unbuffered, so that its lines and the marks come in their order. */
const UNBUFFERED = ['-o0', process.execPath];

/** What the program is to run, and how many shapes that is. With many connections some timers are seen late, and V8 compiles again. */
const NAMES = ['echo', 'short'];
const SHAPES = 4;

/** V8 compiles beside the program, and on a busy machine late: what is there to stay is there each time. */
const ATTEMPTS = 3;
t.setTimeout(0);

/** Runs the program: what it measured, and of each shape the code that was taken back while it was measured. */
function run(t: Test): { figures: AllocResult[]; bailouts: string[][] } {
  const flags = ['--trace-deopt', '--expose-gc', '--min-semi-space-size=256', '--max-semi-space-size=256'];
  const env = { PATH: process.env.PATH ?? '' };
  const { status, stdout, stderr, error } = spawnSync(
    'stdbuf',
    [...UNBUFFERED, ...flags, program, ...NAMES, '--marks', '--json'],
    { encoding: 'utf8', env, maxBuffer: 1 << 26 },
  );
  t.equal(error, undefined, 'stdbuf of coreutils is there');
  t.equal(status, 0, stderr);
  const parts = stdout.split('[mark steady]').slice(1);
  t.equal(parts.length, 2 * SHAPES, 'each shape is run twice, to warm up and to be measured');
  const figures = JSON.parse(/^\[\{.*$/m.exec(stdout)?.[0] ?? '[]') as AllocResult[];
  t.equal(figures.length, SHAPES);
  const measured = parts.filter((_, i) => i % 2 === 1).map((part) => part.split('[mark over]'));
  t.ok(
    measured.every((part) => part.length === 2),
    'each run is marked to its end',
  );
  return { figures, bailouts: measured.map(([text]) => [...(text.match(/\[bailout .*/g) ?? [])]) };
}

const isWithin = ({ bytesPerUnit }: AllocResult): boolean => bytesPerUnit < NO_BYTES;

t.test('no allocation per packet, no deoptimisation', async (t) => {
  let found = run(t);
  const isGood = (): boolean =>
    found.figures.every(isWithin) && found.bailouts.every(({ length }) => length === 0);
  for (let attempt = 1; attempt < ATTEMPTS && !isGood(); attempt++) {
    t.comment(`once more after ${JSON.stringify(found)}`);
    found = run(t);
  }
  for (const [i, figures] of found.figures.entries()) {
    const { name, connections, payload, bytesPerUnit } = figures;
    const shape = `${name} of ${payload} bytes, ${connections} connections`;
    t.ok(isWithin(figures), `${shape}: ${bytesPerUnit} bytes for each`);
    t.same(found.bailouts[i], [], `${shape}: no code was taken back`);
  }
});
