// The load generator on the kernel's TCP, against node:net on the loopback: what it counts, and that it takes nothing that is wrong.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import type { JobResult } from '../../bench/generator/job.js';
import { compileKernelClient, kernelClientWords } from '../../bench/kernel-client.js';
import { replyBytes } from '../../bench/peers/reply.js';

const REQUEST = 'x'.repeat(64);
const REPLY = replyBytes(64);
const CONNECTIONS = 4;

/** Runs the client against a server; what it has printed, and its exit code. */
async function load(
  dir: string,
  mode: 'conn' | 'rpc',
  serve: (socket: Socket) => void,
  client = { address: '127.0.0.2', count: 2 },
): Promise<{ text: string; code: number | null }> {
  const program = compileKernelClient(dir);
  const file = join(dir, 'reply');
  writeFileSync(file, REPLY);
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const at = { address: '127.0.0.1', port };
  const times = { warmupMs: 20, durationMs: 200 };
  const words = kernelClientWords({ mode, connections: CONNECTIONS }, REQUEST, file, at, client, times);
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  server.close();
  return { text, code };
}

/** Answers each whole request with some bytes. */
function answering(reply: Uint8Array): (socket: Socket) => void {
  return (socket) => {
    let received = 0;
    socket.on('data', (chunk) => {
      received += chunk.length;
      for (; received >= REQUEST.length; received -= REQUEST.length) socket.write(reply);
    });
  };
}

/** Why it cannot be run here. */
function reasonToSkip(dir: string): string | undefined {
  try {
    compileKernelClient(dir);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

t.test('the client on the kernel', async (t) => {
  const dir = t.testdir();
  const reason = reasonToSkip(dir);
  if (reason !== undefined) return t.comment(`skipped: ${reason}`);

  for (const mode of ['conn', 'rpc'] as const) {
    const from = new Set<string>();
    let opened = 0;
    const { text, code } = await load(dir, mode, (socket) => {
      opened++;
      from.add(socket.remoteAddress ?? '');
      answering(REPLY)(socket);
    });
    t.equal(code, 0, mode);
    const result = JSON.parse(text) as JobResult;
    t.ok(result.replies > 0 && result.perSecond > 0 && result.to > result.from, mode);
    t.ok(result.idle >= 0 && result.idle <= 1, `${mode}: a share of the time`);
    t.equal(result.errors, 0, mode);
    if (mode === 'rpc') {
      t.match(result, { open: CONNECTIONS, bytes: result.replies * REPLY.length });
      t.equal(opened, CONNECTIONS, 'connections are kept');
    } else t.ok(opened >= result.replies, 'a connection for each reply');
    const { p50, p99, p999, max } = result.latencyUs;
    t.ok(p50 > 0 && p50 <= p99 && p99 <= p999 && p999 <= max, `${mode}: times in their order`);
    t.same([...from].sort(), ['127.0.0.2', '127.0.0.3'], 'all addresses have their turn');
  }

  const wrong = Buffer.from(REPLY);
  wrong[63] ^= 1;
  const long = Buffer.concat([REPLY, Buffer.from('x')]);
  for (const [what, serve] of [
    ['a wrong byte', answering(wrong)],
    ['a byte too many', answering(long)],
    ['an early end', (socket: Socket): void => void socket.end(REPLY.subarray(0, 10))],
    ['a reset', (socket: Socket): void => void socket.resetAndDestroy()],
  ] as const) {
    const { text, code } = await load(dir, 'rpc', serve);
    t.equal(code, 0, what);
    t.match(JSON.parse(text), { replies: 0 }, what);
    t.ok((JSON.parse(text) as JobResult).errors > 0, what);
  }

  const nowhere = await load(dir, 'rpc', answering(REPLY), { address: 'nowhere', count: 1 });
  t.same(nowhere, { text: '', code: 2 }, 'a word that is wrong');
});
