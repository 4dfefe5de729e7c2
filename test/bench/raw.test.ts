// The limit in C, against the kernel: it answers, leaves the rest of the interface to the kernel, ends on SIGTERM, and leaves nothing
// attached. Needs root and a C compiler.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { compileC } from '../../bench/compile.js';
import { netnsPath } from '../../src/nic/os/netns.js';
import { ip, labReason, makeLab } from '../support/netns.js';

const PORT = 7000;
/** A client on the kernel's TCP: sends 64 bytes, prints what comes back, and fails unless the connection is closed after that. */
const CLIENT = `
const [address, port] = process.argv.slice(1);
const socket = require('net').connect(Number(port), address, () => socket.write('x'.repeat(64)));
let text = '';
socket.setTimeout(5000, () => process.exit(1));
socket.on('data', (part) => {
  text += part;
  if (text.length === 5) socket.end();
});
socket.on('close', (failed) => {
  process.stdout.write(text);
  process.exitCode = failed ? 1 : 0;
});`;

/** Prints the error of a connection that cannot be opened. */
const ERROR = `
const [address, port] = process.argv.slice(1);
require('net').connect(Number(port), address).on('error', ({ code }) => process.stdout.write(code));`;

t.test('the answerer in C', { skip: labReason() ?? false }, async (t) => {
  const dir = t.testdir({ reply: 'hello' });
  const program = join(dir, 'raw');
  const missing = compileC('raw', program);
  if (missing === 'no C compiler is installed') return t.comment(`skipped: ${missing}`);
  t.equal(missing, undefined, 'it compiles');
  const lab = makeLab('raw');
  t.teardown(() => lab.close());
  const { near, far, stackAddress } = lab;
  const isAttached = (): boolean => ip('-n', near.netns, 'link', 'show', near.iface).includes('xdp');
  for (const mode of ['native', 'skb']) {
    const words = ['answer', near.iface, netnsPath(near.netns), mode, stackAddress, `${PORT}`, '64'];
    const child = spawn(program, [...words, join(dir, 'reply')], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    const [first] = await Promise.race([once(child.stdout, 'data'), ended]);
    t.equal(String(first), 'ready\n', `${mode}: it says that it listens`);
    t.equal(isAttached(), true, 'its program is attached');
    const said = lab.run(far, process.execPath, '-e', CLIENT, stackAddress, `${PORT}`);
    t.equal(said, 'hello', 'open, request, reply, close');
    const refused = lab.run(far, process.execPath, '-e', ERROR, near.address, `${PORT}`);
    t.equal(refused, 'ECONNREFUSED', 'what is for the kernel goes to the kernel, where nobody listens');
    child.kill('SIGTERM');
    t.same(await ended, [0, null], 'it ends when it is told to');
    t.equal(isAttached(), false, 'nothing stays attached');
  }
  const wrong = spawn(program, ['answer'], { stdio: 'ignore' });
  t.same(await once(wrong, 'exit'), [2, null], 'wrong words are refused');
});
