// The echo path in steady state, in a process of its own: nothing is allocated per packet, and V8 takes back none of the code that
// it has optimised. Both are counted, not timed.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const program = fileURLToPath(new URL('../../bench/alloc.js', import.meta.url));
/** V8 writes through C's stdout; unbuffered, so that its lines and the marks come in their order. */
const UNBUFFERED = ['-o0', process.execPath];

interface Figures {
  connections: number;
  payload: number;
  bytesPerPacket: number;
}

t.test('no allocation per packet, no deoptimisation', async (t) => {
  const flags = ['--trace-deopt', '--expose-gc', '--max-semi-space-size=256'];
  const env = { PATH: process.env.PATH ?? '' };
  const { status, stdout, stderr, error } = spawnSync(
    'stdbuf',
    [...UNBUFFERED, ...flags, program, '--marks', '--json'],
    { encoding: 'utf8', env, maxBuffer: 1 << 26 },
  );
  t.equal(error, undefined, 'stdbuf of coreutils is there');
  t.equal(status, 0, stderr);
  const parts = stdout.split('[mark steady]').slice(1);
  t.equal(parts.length, 6, 'each shape is run twice, to warm up and to be measured');
  for (let i = 1; i < parts.length; i += 2) {
    const [measured, rest] = parts[i].split('[mark over]');
    t.ok(rest !== undefined);
    t.same(measured.match(/\[bailout .*/g) ?? [], [], `shape ${(i + 1) / 2}: no code was taken back`);
  }
  const figures = JSON.parse(/^\[\{.*$/m.exec(stdout)?.[0] ?? '[]') as Figures[];
  t.equal(figures.length, 3);
  // The smallest object takes 16 bytes. Of long payloads the Nic in memory makes a view now and then.
  for (const { connections, payload, bytesPerPacket } of figures) {
    const limit = payload > 192 ? 16 : 4;
    t.ok(bytesPerPacket < limit, `${connections} × ${payload}: ${bytesPerPacket} bytes per packet`);
  }
});
