// The load generators on AF_XDP, in C and in TypeScript, against servers on the kernel: both do the same jobs, count alike, and take nothing
// that is wrong. Needs root; that in C needs a compiler.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { compileC } from '../../bench/compile.js';
import { ASK, type Job, type JobResult } from '../../bench/generator/job.js';
import { isForRaw, rawWords } from '../../bench/generator/raw-words.js';
import { addressNumber } from '../../bench/generator/wire.js';
import { replyBytes } from '../../bench/peers/reply.js';
import { FixedService } from '../../src/cli/servers/fixed.js';
import { Server } from '../../src/cli/servers/server.js';
import { makeContext } from '../../src/index.js';
import type { Nic } from '../../src/nic/nic.js';
import { openXdpNic } from '../../src/nic/open-xdp-nic.js';
import { createRandom } from '../../src/stack/random.js';
import { labReason, makeLab } from '../support/netns.js';
import { DISORDERED_BYTES, Disordered } from './disordered.js';

const PORT = 7000;
const REPLY = replyBytes(64);
/** Servers of one kind each; the words are the kind and a file with the reply. */
const SERVER = `
const [kind, file] = process.argv.slice(1);
const bytes = require('fs').readFileSync(file);
const serve = (socket) => {
  socket.setNoDelay(true);
  socket.on('error', () => {});
  let received = 0;
  socket.on('data', (chunk) => {
    if (kind === 'sink' || kind === 'silent') return;
    if (kind === 'reset') return socket.resetAndDestroy();
    for (received += chunk.length; received >= 64; received -= 64) {
      socket.write(bytes);
      if (kind === 'twice') socket.write(bytes);
    }
  });
};
const server = kind === 'http'
  ? require('http').createServer((request, response) => response.end(bytes))
  : require('net').createServer(serve);
server.listen(${PORT}, () => console.log('ready'));`;

const text = async (child: ChildProcess): Promise<string> => String((await once(child.stdout!, 'data'))[0]);

t.test('load generators', { skip: labReason() ?? false }, async (t) => {
  const dir = t.testdir();
  const program = join(dir, 'load');
  const missing = compileC('raw', program);
  if (missing !== undefined) t.comment(`without that in C: ${missing}`);
  const lab = makeLab('load');
  t.teardown(() => lab.close());
  const { near, far } = lab;
  const usual: Job = {
    netns: far.netns,
    lab: '',
    iface: far.iface,
    serverMac: near.mac,
    client: '10.77.0.20',
    addresses: 1,
    server: near.address,
    port: PORT,
    mode: 'rpc',
    queues: 1,
    connections: 4,
    pipeline: 1,
    underWay: undefined,
    request: 'x'.repeat(64),
    replyBytes: 64,
    windowBytes: undefined,
    warmupMs: 50,
    longestWarmupMs: 50,
    durationMs: 300,
    mtu: 1500,
    tellsPace: false,
  };
  const commands: Record<string, (job: Job) => string[]> = {
    TypeScript: (job) => [
      process.execPath,
      fileURLToPath(new URL('../../bench/generator/main.js', import.meta.url)),
      JSON.stringify(job),
    ],
    ...(missing === undefined ? { C: (job: Job) => [program, ...rawWords(job, dir)] } : {}),
  };
  let client = 20;

  /** Starts a generator and a server of some kind; what it prints is for the caller. */
  const start = async (name: string, kind: string, changes: Partial<Job>, reply: Uint8Array = REPLY) => {
    const words = ['netns', 'exec', near.netns, process.execPath, '-e', SERVER, kind, join(dir, 'reply')];
    writeFileSync(join(dir, 'reply'), reply);
    const server = spawn('ip', words, { stdio: ['ignore', 'pipe', 'inherit'] });
    await text(server);
    // Each from an address of its own: what the last one left in TIME-WAIT is not met again.
    const job = { ...usual, client: `10.77.0.${client}`, ...changes };
    client += job.addresses;
    const [file, ...rest] = commands[name](job);
    const child = spawn(file, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    return {
      child,
      async end(): Promise<void> {
        child.stdin.end();
        if (child.exitCode === null) await once(child, 'exit');
        server.kill();
        await once(server, 'exit');
      },
    };
  };
  const run = async (
    name: string,
    kind: string,
    changes: Partial<Job>,
    reply: Uint8Array = REPLY,
  ): Promise<JobResult> => {
    const { child, end } = await start(name, kind, changes, reply);
    const line = await text(child);
    await end();
    return JSON.parse(line) as JobResult;
  };

  /** Runs a generator against a server in this process, of which it is given a turn. */
  const against = async (
    name: string,
    makeTurn: (nic: Nic) => () => number,
    changes: Partial<Job>,
    rx = 2048,
  ): Promise<JobResult> => {
    const { iface, netns } = near;
    const nic = openXdpNic({ iface, netns, addresses: [lab.stackAddress], ringSizes: { rx } });
    try {
      const turn = makeTurn(nic);
      const job = { ...usual, client: `10.77.0.${client++}`, server: lab.stackAddress, ...changes };
      const [file, ...rest] = commands[name](job);
      const child = spawn(file, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
      let line = '';
      child.stdout.setEncoding('utf8').on('data', (part: string) => {
        line += part;
      });
      child.stdin.end();
      for (let ended = false; !ended; await nextTurn()) {
        if (turn() === 0) nic.wait(1000);
        ended = child.exitCode !== null || child.signalCode !== null;
      }
      // What it has sent last.
      while (turn() > 0);
      return JSON.parse(line) as JobResult;
    } finally {
      nic.close();
    }
  };

  const overtaken = (name: string): Promise<JobResult> => {
    const reply = replyBytes(DISORDERED_BYTES);
    const makeTurn = (nic: Nic) => {
      const server = new Disordered(nic, addressNumber(lab.stackAddress), PORT, reply);
      return () => server.turn(performance.now());
    };
    return against(name, makeTurn, { replyBytes: reply.length });
  };

  /** A load of more connections than the server's queue has room for; how many the server has when that is over. */
  const crowd = async (name: string): Promise<number> => {
    let left = -1;
    const makeTurn = (nic: Nic) => {
      const addresses = [{ address: lab.stackAddress, prefix: 24 }];
      const start = performance.now();
      const clock = (): number => Math.trunc((performance.now() - start) * 1000);
      const mctx = makeContext(nic, { addresses }, clock, createRandom(1), 0);
      const server = new Server(mctx, new FixedService(64, 64), { port: PORT });
      return () => {
        const events = server.poll(0);
        left = server.totals.open;
        return events;
      };
    };
    const load = await against(name, makeTurn, { connections: 2000, underWay: 200, durationMs: 200 }, 512);
    t.match(load, { open: 2000, errors: 0 }, `${name}: ${load.replies} replies to a crowd`);
    return left;
  };

  for (const name of Object.keys(commands)) {
    const rpc = await run(name, 'fixed', {});
    t.match(rpc, { errors: 0, open: 4, bytes: rpc.replies * 64 }, `${name}: messages`);
    t.ok(rpc.replies > 10 && rpc.idle > 0 && rpc.idle <= 1, `${name}: ${rpc.replies} of them`);
    t.ok((rpc.warmupMs ?? 0) >= 50, `${name}: it has warmed up`);
    const { p50, p99, p999, max } = rpc.latencyUs;
    t.ok(p50 > 0 && p50 <= p99 && p99 <= p999 && p999 <= max, `${name}: times in their order`);
    t.equal(rpc.pace, undefined, `${name}: nobody has asked for the pace of the machine`);
    const { pace } = await run(name, 'fixed', { tellsPace: true });
    const told = pace?.ns.filter((ns) => ns > 0).length ?? 0;
    t.ok(name === 'TypeScript' ? pace === undefined : told > 10, `${name}: the pace of ${told} ms`);
    const short = await run(name, 'fixed', { mode: 'conn', addresses: 2 });
    t.ok(short.replies > 10, `${name}: ${short.replies} connections`);
    t.equal(short.errors, 0, name);
    const piped = await run(name, 'fixed', { pipeline: 8 });
    t.ok(piped.replies > 10 && piped.errors === 0, `${name}: ${piped.replies} with 8 of them under way`);
    const few = await run(name, 'fixed', { underWay: 2 });
    t.ok(few.replies > 10 && few.errors === 0, `${name}: ${few.replies} with two connections at a time`);
    const http = await run(name, 'http', { request: 'GET / HTTP/1.1\r\nhost: x\r\n\r\n', replyBytes: 0 });
    t.ok(http.replies > 10 && http.errors === 0, `${name}: ${http.replies} of HTTP`);
    const long = replyBytes(100_000);
    const many = await run(name, 'fixed', { replyBytes: long.length, windowBytes: 1 << 20 }, long);
    t.ok(many.bytes > 1e6 && many.errors === 0, `${name}: ${many.bytes} bytes of long replies`);
    const sink = await run(name, 'sink', { mode: 'sink' });
    t.ok(sink.bytes > 1e6 && sink.errors === 0 && sink.open === 4, `${name}: ${sink.bytes} bytes of streams`);

    const disordered = await overtaken(name);
    t.ok(
      disordered.replies > 10,
      `${name}: ${disordered.replies} replies whose segments have overtaken each other`,
    );
    t.same([disordered.errors, disordered.resent], [0, 0], name);

    t.equal(await crowd(name), 0, `${name}: the server has nothing left of a crowd that is over`);

    const wrong = await run(
      name,
      'fixed',
      {},
      Uint8Array.from(REPLY, (byte, i) => (i === 63 ? byte ^ 1 : byte)),
    );
    t.equal(wrong.replies, 0, `${name}: replies with a wrong byte are none`);
    t.ok(wrong.errors > 0, `${name}: but errors`);
    t.ok((await run(name, 'reset', {})).errors > 0, `${name}: and so are connections that are reset`);
    t.ok((await run(name, 'twice', {})).errors > 0, `${name}: and replies that nobody asked for`);
    const silent = await run(name, 'silent', { warmupMs: 10, durationMs: 800 });
    t.equal(silent.replies, 0, `${name}: no reply`);
    t.ok(silent.resent > 0, `${name}: it has asked again`);

    const { child, end } = await start(name, 'fixed', { mode: 'idle', durationMs: 5000 });
    t.match(JSON.parse(await text(child)), { open: 4, errors: 0 }, `${name}: idle connections`);
    child.stdin?.write(ASK);
    t.match(JSON.parse(await text(child)), { replies: 4, errors: 0 }, `${name}: each of them answers`);
    await end();
  }
});

t.test('words that are none are refused', async (t) => {
  const program = join(t.testdir(), 'load');
  const missing = compileC('raw', program);
  if (missing !== undefined) return t.comment(`skipped: ${missing}`);
  const complaint = async (...words: string[]): Promise<string> => {
    const child = spawn(program, ['load', 'lo', '/', 'auto', '10.0.0.1', ...words], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const closed = once(child, 'close');
    const said = await once(child.stderr, 'data');
    t.same(await closed, [2, null]);
    return String(said[0]).trim();
  };
  t.equal(await complaint('mode=nonsense'), 'a load has no word mode=nonsense');
  t.equal(await complaint('colour=red'), 'a load has no word colour=red');
  t.equal(await complaint('connections=12x'), 'a load has no word connections=12x');
  const whole = ['mode=rpc', 'server=10.0.0.2', 'mac=020000000001', 'durationMs=10', 'request=7878'];
  const few = [...whole, 'port=1', 'connections=1'];
  for (const words of [
    ['mode=rpc', 'port=1'],
    [...few, 'pipeline=2147483647'],
    [...few, 'pipeline=731'],
    [...whole, 'port=99999', 'connections=1'],
    [...whole, 'port=1', 'connections=70000'],
    [...few, 'durationMs=0'],
  ]) {
    t.match(
      await complaint(...words),
      /^a load (?:needs a server|has no word durationMs=0)/,
      words.join(' '),
    );
  }
});

t.test('what is left to the generator in TypeScript', async (t) => {
  t.equal(isForRaw({ mtu: 1500, queues: 1 }), true);
  t.equal(isForRaw({ mtu: 9000, queues: 1 }), false);
  t.equal(isForRaw({ mtu: 1500, queues: 2 }), false);
});
