// `node:http` on the stack over AF_XDP: the example as a server for the kernel's clients, and the stack as a client of the kernel's
// server.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { mtcp_create_context, mtcp_destroy, mtcp_init, mtcp_last_error } from '../../src/index.js';
import { createNet } from '../../src/net/index.js';
import { type Lab, labReason, makeLab } from '../support/netns.js';

const skip = labReason() ?? false;
const EXAMPLE = fileURLToPath(new URL('../../examples/http-server.js', import.meta.url));

/** Starts a program and waits for its first line. */
async function start(t: Test, command: string, args: string[]): Promise<ChildProcess> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout!, 'data');
  return child;
}

function inFar(lab: Lab, script: string): string[] {
  return ['netns', 'exec', lab.far.netns, process.execPath, '--input-type=module', '-e', script];
}

t.test('the http server of the examples answers the kernel', { skip }, async (t) => {
  const lab = makeLab('nethttp');
  t.teardown(() => lab.close());
  const { near, stackAddress } = lab;
  const server = await start(t, process.execPath, [EXAMPLE, near.netns, near.iface, `${stackAddress}/24`]);
  const script = `
    const url = 'http://${stackAddress}/';
    for (let i = 0; i < 200; i++) {
      const said = await (await fetch(url)).text();
      if (said !== 'hello, ${lab.far.address}\\n') throw new Error(said);
    }
    const body = Buffer.alloc(10_000_000, 'abcdefghi');
    const answer = Buffer.from(await (await fetch(url, { method: 'POST', body })).arrayBuffer());
    if (!answer.equals(body)) throw new Error('the body came back otherwise, ' + answer.length + ' bytes');
    const many = await Promise.all(Array.from({ length: 50 }, async () => (await fetch(url)).status));
    console.log(many.filter((status) => status === 200).length, 'of 50');`;
  const client = spawnSync('ip', inFar(lab, script), { encoding: 'utf8', timeout: 60_000 });
  t.equal(client.status, 0, client.stderr);
  t.match(client.stdout, '50 of 50');
  server.kill('SIGINT');
  t.same(await once(server, 'exit'), [0, null], 'it ends in order');
});

t.test('requests of the stack to a server of the kernel', { skip }, async (t) => {
  const lab = makeLab('netget', { network: 1 });
  t.teardown(() => lab.close());
  const { near, far, stackAddress } = lab;
  await start(
    t,
    'ip',
    inFar(
      lab,
      `import { createServer } from 'node:http';
       createServer((_, answer) => answer.end('x'.repeat(300_000))).listen(80, '${far.address}', () => console.log('ready'));`,
    ),
  );
  t.equal(
    mtcp_init({ netns: near.netns, iface: near.iface, address: `${stackAddress}/24` }),
    0,
    mtcp_last_error(),
  );
  t.teardown(() => mtcp_destroy());
  const mctx = mtcp_create_context(0);
  if (mctx === null) throw new Error(mtcp_last_error());
  const net = createNet(mctx);
  const lengths = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const request = get({
        host: far.address,
        port: 80,

        createConnection: net.connect as never,
      });
      const [response] = await once(request, 'response');
      return (await text(response)).length;
    }),
  );
  t.same(lengths, new Array(20).fill(300_000));
});
