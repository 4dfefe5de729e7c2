// The same small programs on `node:net` over the kernel's loopback and on the stack: what they are told is compared, party by party.

import { spawnSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import * as nodeNet from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import t, { type Test } from 'tap';
import type { Socket } from '../../src/net/index.js';
import { type Scene, type Stage, setPatience } from './scenes.js';
import { SERVER_SCENES } from './scenes-servers.js';
import { SOCKET_SCENES } from './scenes-sockets.js';
import { netPair, SERVER } from './support.js';

type Log = Record<string, unknown[][]>;

function stageOf(net: typeof nodeNet, host: string): [Stage, Log] {
  const log: Log = {};
  return [{ net, host, log: (party, ...what) => (log[party] ??= []).push(what) }, log];
}

for (const [name, scene] of Object.entries<Scene>({ ...SOCKET_SCENES, ...SERVER_SCENES })) {
  t.test(name, async (t) => {
    let [told, expected] = await play(scene, t);
    for (const patience of [5, 20]) {
      if (isDeepStrictEqual(told, expected)) break;
      setPatience(patience);
      [told, expected] = await play(scene, t);
    }
    setPatience(1);
    t.same(told, expected);
  });
}

async function play(scene: Scene, t: Test): Promise<[told: Log, expected: Log]> {
  const [theirs, expected] = stageOf(nodeNet, '127.0.0.1');
  await scene(theirs);
  const pair = netPair(t, { delayUs: 100 });
  const { createServer, Server } = pair.server;
  const net = { ...pair.client, createServer, Server };
  const [ours, told] = stageOf(net as unknown as typeof nodeNet, SERVER);
  await pair.run(scene(ours));
  return [told, expected];
}

// What differs on purpose; the guide has a table of it.

t.test('a signal that has been aborted already: here nothing is connected', async (t) => {
  const { client, run } = netPair(t);
  const socket = client.connect({ port: 80, host: SERVER, signal: AbortSignal.abort() });
  socket.on('connect', () => t.fail('connected'));
  socket.on('error', (error: NodeJS.ErrnoException) => t.equal(error.code, 'ABORT_ERR'));
  t.same(await run(new Promise((resolve) => socket.on('close', resolve))), true);
});

t.test('a listener of connect that throws: here the socket reads and writes on', async (t) => {
  const { client, server, run } = netPair(t);
  process.setUncaughtExceptionCaptureCallback(() => {});
  t.teardown(() => process.setUncaughtExceptionCaptureCallback(null));
  server.createServer((socket) => socket.pipe(socket)).listen(80);
  const socket = client.connect(80, SERVER, () => {
    throw new Error('connect');
  });
  const heard: string[] = [];
  socket.on('data', (chunk) => heard.push(String(chunk)));
  socket.end('early');
  await run(once(socket, 'close'));
  t.same(heard, ['early']);
});

t.test('a write that has begun when its socket is destroyed: here it is always told so', async (t) => {
  const { client, server, run } = netPair(t);
  server.createServer({ pauseOnConnect: true }, () => {}).listen(80);
  const socket = client.connect(80, SERVER);
  await run(once(socket, 'connect'));
  const told = new Promise((resolve) => socket.write(Buffer.alloc(30_000_000), resolve));
  socket.destroy();
  t.match(await run(told), { code: 'ECANCELED', errno: -125, syscall: 'write' });
});

t.test('the end of a socket that never connected: here it is told', async (t) => {
  const { client, run } = netPair(t);
  const socket = new client.Socket();
  await run(new Promise<void>((resolve) => socket.end(resolve)));
  t.ok(socket.writableFinished);
});

t.test('options of Node that are not there are errors', async (t) => {
  const { client } = netPair(t);
  t.notOk('BlockList' in client || 'SocketAddress' in client || 'setDefaultAutoSelectFamily' in client);
  const onread = { buffer: Buffer.alloc(10), callback: () => true };
  for (const options of [{ onread }, { fd: 3 }, { handle: {} }, { objectMode: true }]) {
    const [name] = Object.keys(options);
    const error = { code: 'ERR_INVALID_ARG_VALUE', message: new RegExp(`options.${name}`) };
    t.throws(() => new client.Socket(options as never), error);
    t.throws(() => client.connect({ port: 80, host: SERVER, ...options }), error);
  }
  for (const call of [client.connect, (...args: unknown[]) => client.createServer().listen(...args)]) {
    for (const path of ['/tmp/x', { path: '/tmp/x' }])
      t.throws(() => call(path), { message: /local sockets/ });
  }
});

t.test('without a host a server has the address 0.0.0.0, and maxConnections 0 drops everybody', async (t) => {
  const { client, server, run } = netPair(t);
  const listener = server.createServer({ maxConnections: 0 }).listen(80);
  await run(once(listener, 'listening'));
  t.same(listener.address(), { address: '0.0.0.0', family: 'IPv4', port: 80 });
  const dropped = once(listener, 'drop');
  client.connect(80, SERVER).on('error', () => {});
  await run(dropped);
  listener.close();
});

t.test('names of both ends are known after the end', async (t) => {
  const { client, server, run } = netPair(t);
  server.createServer((socket) => socket.end()).listen(80);
  const socket = client.connect(80, SERVER).resume();
  await run(once(socket, 'close'));
  t.match(socket, { remoteAddress: SERVER, remotePort: 80, localPort: Number });
});

t.test('a promise of a listener that is rejected, where rejections are captured', async (t) => {
  const { client, server, run } = netPair(t);
  EventEmitter.captureRejections = true;
  t.teardown(() => (EventEmitter.captureRejections = false));
  let accepted: Socket | undefined;
  const listener = server.createServer(async (socket) => {
    accepted = socket.on('error', (error: Error) => t.equal(error.message, 'late'));
    throw new Error('late');
  });
  listener.listen(80);
  const socket = client.connect(80, SERVER).resume();
  await run(once(socket, 'close'));
  t.ok(accepted?.destroyed);
});

t.test('the process lives as long as what is referenced', async (t) => {
  const script = `
    import { createNet } from '${new URL('../../src/net/index.js', import.meta.url)}';
    import { createHost } from '${new URL('../../src/testing/index.js', import.meta.url)}';
    const net = createNet(createHost({ addresses: ['10.0.0.1/24'] }).mctx);
    const server = net.createServer().listen(80, () => {
      setTimeout(() => console.log('alive'), 100).unref();
      setTimeout(() => server.MODE(), 300).unref();
    });`;
  for (const [mode, said] of [
    ['close', 'alive\n'],
    ['unref', 'alive\n'],
  ] as const) {
    const text = script.replace('MODE', mode);
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', text], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    t.same([stdout, status], [said, 0], mode);
  }
  const early = script.replace('listen(80,', 'unref().listen(80,');
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', early], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  t.equal(stdout, '', 'one that is unreferenced before');
});

t.test('what is unreferenced is served while something else keeps the process', async (t) => {
  const { hosts, run, server } = netPair(t);
  const listener = server.createServer().listen(80);
  await run(once(listener, 'listening'));
  listener.unref();
  const mctx = hosts[0].mctx;
  const { turns } = mctx;
  await sleep(300);
  t.ok(mctx.turns - turns > 20, `the stack has worked for 300 ms: ${mctx.turns - turns} turns`);
});

t.test(
  'what a closed socket has left to send keeps the process, an unreferenced server or not',
  async (t) => {
    const script = `
    import { createNet } from '${new URL('../../src/net/index.js', import.meta.url)}';
    import { createHost, joinHosts } from '${new URL('../../src/testing/index.js', import.meta.url)}';
    const a = createHost({ addresses: ['10.0.0.1/24'] });
    const b = createHost({ addresses: ['10.0.0.2/24'] });
    joinHosts(a, b, { delayUs: 100, bandwidthBps: 1e8 });
    let bytes = 0;
    createNet(a.mctx).createServer((socket) => socket.unref().on('data', ({ length }) => (bytes += length))).listen(80).unref();
    const net = createNet(b.mctx);
    net.createServer().listen(81).unref();
    const socket = net.connect(80, '10.0.0.1', () => {
      socket.write(Buffer.alloc(100_000), () => socket.destroySoon());
    });
    setInterval(() => a.world.advance(a.world.now + 1000), 1).unref();
    // What has arrived and is not read yet counts too: nobody waits for the reader, who is unreferenced.
    process.on('exit', () => {
      a.stack.tcp.core.demux.forEach((tcb) => (bytes += tcb.recvBuffer.length));
      console.log(bytes);
    });`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    t.equal(stdout, '100000\n');
  },
);
