// What goes wrong outside the stack: listeners that throw, names that are none, addresses of others, errors of the kernel alone.

import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import type { LookupFunction } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { errnoName, mtcp_destroy_context, strerror } from '../../src/index.js';
import type { Server, Socket } from '../../src/net/index.js';
import { CLIENT, netPair, type Pair, SERVER } from './support.js';

/** Takes the exceptions that nobody has caught, as a process that lives on with `uncaughtException` does. */
function uncaught(t: Test): Error[] {
  const errors: Error[] = [];
  process.setUncaughtExceptionCaptureCallback((error) => errors.push(error));
  t.teardown(() => process.setUncaughtExceptionCaptureCallback(null));
  return errors;
}

async function listening(pair: Pair, onSocket: (socket: Socket) => void, options = {}): Promise<Server> {
  const server = pair.server.createServer(options, onSocket).listen(80, SERVER);
  await pair.run(once(server, 'listening'));
  return server;
}

async function connected(pair: Pair): Promise<Socket> {
  const socket = pair.client.connect(80, SERVER);
  await pair.run(once(socket, 'connect'));
  return socket;
}

/** Sends a word and waits until it is back. */
async function echo(pair: Pair, socket: Socket, word: string): Promise<string> {
  const back = once(socket, 'data');
  socket.write(word);
  const [chunk] = await pair.run(back);
  return String(chunk);
}

/** A name service that knows two names. */
const lookup: LookupFunction = (host, _options, callback) => {
  const addresses: Record<string, [string, number]> = { here: [SERVER, 4], six: ['fd00::1', 6] };
  const [address, family] = addresses[host] ?? ['nonsense', 4];
  setImmediate(() => callback(null, address, family));
};

/** One that hands out a list, and at once. */
const listing: LookupFunction = (_host, _options, callback) =>
  callback(null, [{ address: SERVER, family: 4 }]);

t.test("'connection' that throws: the others are accepted, and all work on", async (t) => {
  const pair = netPair(t);
  const errors = uncaught(t);
  let count = 0;
  const server = await listening(pair, (socket) => {
    socket.pipe(socket);
    if (count++ === 0) throw new Error('of the first');
  });
  const sockets = Array.from({ length: 5 }, () => pair.client.connect(80, SERVER));
  await pair.run(Promise.all(sockets.map((socket) => once(socket, 'connect'))));
  for (const socket of sockets) t.equal(await echo(pair, socket, 'x'), 'x');
  t.same(
    errors.map(({ message }) => message),
    ['of the first'],
    'it is told once',
  );
  t.match(errors[0].stack, 'faults.test', 'with the stack of the one who threw');
  t.equal(count, 5);
  server.close();
});

t.test("'data' that throws: what follows is read, and so is what others have sent", async (t) => {
  const pair = netPair(t);
  const errors = uncaught(t);
  const heard: string[] = [];
  let ended = 0;
  await listening(pair, (socket) => {
    socket.on('data', (chunk) => {
      heard.push(String(chunk));
      throw new Error(String(chunk));
    });
    socket.on('end', () => ended++);
  });
  const sockets = [await connected(pair), await connected(pair), await connected(pair)];
  for (const socket of sockets) socket.end('a');
  await pair.pass(100_000);
  t.same(heard, ['a', 'a', 'a'], 'one batch');
  t.equal(errors.length, 3);
  t.equal(ended, 3, 'the end was in the same event as the data');
});

t.test("'data' that throws in the middle of much: every byte is read", async (t) => {
  const pair = netPair(t, { delayUs: 1000, bandwidthBps: 1e9 });
  const errors = uncaught(t);
  let bytes = 0;
  let chunks = 0;
  let accepted: Socket | undefined;
  await listening(pair, (socket) => {
    accepted = socket;
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (chunks++ % 3 === 0) throw new Error('again');
    });
  });
  const socket = await connected(pair);
  socket.end(Buffer.alloc(5_000_000));
  await pair.run(once(socket, 'close'));
  t.equal(bytes, 5_000_000);
  t.equal(errors.length, Math.ceil(chunks / 3));
  t.ok(accepted?.destroyed, 'and the connection has ended in order');
});

t.test("'connect', 'error', 'close', 'drop' and write callbacks that throw", async (t) => {
  const pair = netPair(t);
  const errors = uncaught(t);
  const server = await listening(pair, (socket) => socket.pipe(socket));
  const witness = await connected(pair);
  const throws = (message: string) => () => {
    throw new Error(message);
  };
  const socket = pair.client.connect(80, SERVER, throws('connect'));
  socket.write('early', throws('written'));
  socket.on('close', throws('close')).resume();
  await pair.pass(50_000);
  t.equal(socket.bytesRead, 5, 'what was written before the connection was there is sent');
  socket.end();
  await pair.pass(50_000);
  const refused = pair.client.connect(81, SERVER).on('error', throws('error'));
  await pair.pass(50_000);
  t.ok(refused.destroyed);
  server.maxConnections = 1;
  server.on('drop', throws('drop'));
  const dropped = pair.client.connect(80, SERVER).on('error', () => {});
  await pair.run(once(dropped.resume(), 'close'));
  const silent = pair.client.connect(81, SERVER);
  await pair.pass(50_000);
  t.ok(silent.destroyed);
  t.same(
    errors.map(({ message }) => message),
    ['connect', 'written', 'close', 'error', 'drop', `connect ECONNREFUSED ${SERVER}:81`],
    "each once; an 'error' without a listener too",
  );
  t.equal(await echo(pair, witness, 'still there'), 'still there');
});

t.test('a listener that ends other connections of the same batch', async (t) => {
  const pair = netPair(t);
  const accepted: Socket[] = [];
  const heard: string[] = [];
  await listening(pair, (socket) => {
    accepted.push(socket);
    socket.on('data', (chunk) => {
      heard.push(String(chunk));
      for (const other of accepted) if (other !== socket) other.destroy();
    });
    socket.on('error', (error) => heard.push(error.message));
  });
  const sockets = [await connected(pair), await connected(pair)];
  for (const socket of sockets) socket.on('error', () => {}).write('x');
  await pair.pass(50_000);
  t.same(heard, ['x'], 'nothing is told of one that is closed');
});

t.test(
  'what a batch says of a socket is not told of its next connection, though a listener has thrown between',
  async (t) => {
    const pair = netPair(t, { delayUs: 10_000 });
    const errors = uncaught(t);
    const accepted: Socket[] = [];
    await listening(pair, (socket) => accepted.push(socket.on('error', () => {})));
    const sockets = [await connected(pair), await connected(pair)];
    await pair.pass(50_000);
    const { world } = pair.hosts[0];
    let begun = 0;
    let took = 0;
    for (const socket of sockets) {
      socket.once('data', () => {
        const other = sockets.find((each) => each !== socket) as Socket;
        other.removeAllListeners('data').destroy();
        other.connect(80, SERVER, () => {
          took = world.now - begun;
        });
        begun = world.now;
        throw new Error('once');
      });
    }
    for (const socket of accepted) socket.write('x');
    await pair.pass(200_000);
    t.same(
      errors.map(({ message }) => message),
      ['once'],
      'one batch',
    );
    t.ok(took >= 20_000, `connected after a round trip (${took} µs)`);
  },
);

t.test('an AsyncLocalStorage holds for events what it held when socket and server were made', async (t) => {
  const pair = netPair(t);
  const storage = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const server = storage.run('server', () =>
    pair.server.createServer((socket) => {
      seen.push(storage.getStore());
      socket.on('data', () => seen.push(storage.getStore()));
    }),
  );
  server.listen(80, SERVER);
  await pair.run(once(server, 'listening'));
  for (const name of ['one', 'two']) {
    storage.run(name, () => {
      const socket = pair.client.connect(80, SERVER, () => seen.push(storage.getStore()));
      socket.end('x');
    });
    await pair.pass(50_000);
  }
  t.same(seen, ['one', 'server', 'server', 'two', 'server', 'server']);
});

t.test('listen looks names up, and says so later', async (t) => {
  const pair = netPair(t);
  const server = pair.server.createServer();
  server.listen(80, 'localhost');
  t.notOk(server.listening, 'not at once');
  t.match(await pair.run(once(server, 'error')), [
    {
      code: 'EADDRNOTAVAIL',
      syscall: 'listen',
      address: '127.0.0.1',
      port: 80,
      message: 'listen EADDRNOTAVAIL: address not available 127.0.0.1:80',
    },
  ]);
  server.listen(80, 'no.such.name.invalid');
  t.match(await pair.run(once(server, 'error')), [
    { code: /ENOTFOUND|EAI_AGAIN/, syscall: 'getaddrinfo', hostname: 'no.such.name.invalid' },
  ]);
  server.listen(80, '::1');
  t.match(await pair.run(once(server, 'error')), [
    { code: 'EAFNOSUPPORT', syscall: 'listen', address: '::1' },
  ]);
  server.listen(80, SERVER);
  t.equal(server.address(), null, 'an address takes its time too');
  await pair.run(once(server, 'listening'));
  t.same(server.address(), { address: SERVER, family: 'IPv4', port: 80 });
  t.throws(() => server.listen(81), { code: 'ERR_SERVER_ALREADY_LISTEN' });
  const other = pair.server.createServer().listen(80, SERVER);
  t.match(await pair.run(once(other, 'error')), [
    {
      code: 'EADDRINUSE',
      errno: -98,
      syscall: 'listen',
      address: SERVER,
      port: 80,
      message: `listen EADDRINUSE: address already in use ${SERVER}:80`,
    },
  ]);
  server.close();
  await pair.run(once(server, 'close'));
  server.listen(0, '::');
  await pair.run(once(server, 'listening'));
  t.match(server.address(), { address: '0.0.0.0', family: 'IPv4' });
  server.close();
});

t.test('close, or another listen, during the look-up takes the first one back', async (t) => {
  const pair = netPair(t);
  const events: string[] = [];
  const server = pair.server.createServer();
  for (const name of ['listening', 'error', 'close']) server.on(name, () => events.push(name));
  server.listen(80, 'localhost');
  const told = new Promise((resolve) => server.close(resolve));
  t.match(await pair.run(told), { code: 'ERR_SERVER_NOT_RUNNING' });
  await pair.pass(50_000);
  t.same(events, ['close']);
  server.listen(80, 'localhost');
  server.listen(81, SERVER);
  await pair.run(once(server, 'listening'));
  await pair.pass(50_000);
  t.equal(server.address()?.port, 81);
  t.same(events, ['close', 'listening']);
  server.close();
});

t.test('a signal closes a server: later, during the look-up, and when it was given before', async (t) => {
  const pair = netPair(t);
  for (const when of ['later', 'early', 'before']) {
    const controller = new AbortController();
    const { signal } = controller;
    if (when === 'before') controller.abort();
    let isListening = false;
    const server = pair.server.createServer().on('listening', () => (isListening = true));
    const closed = once(server, 'close');
    server.listen({ port: 80, host: SERVER, signal });
    if (when === 'later') await pair.run(once(server, 'listening'));
    controller.abort();
    await pair.run(closed);
    t.equal(isListening, when === 'later', when);
    t.notOk(server.listening);
  }
});

t.test('connect looks names up', async (t) => {
  const pair = netPair(t);
  await listening(pair, (socket) => socket.end('hello'));
  const lost = pair.client.connect({ port: 80, host: 'no.such.name.invalid' });
  t.match(await pair.run(once(lost, 'error')), [
    { code: /ENOTFOUND|EAI_AGAIN/, syscall: 'getaddrinfo', hostname: 'no.such.name.invalid' },
  ]);
  for (const options of [{ host: 'six', lookup }, { host: 'fd00::1' }, { host: 'here', family: 6, lookup }]) {
    const six = pair.client.connect({ port: 80, ...options });
    t.match(await pair.run(once(six, 'error')), [{ code: 'EAFNOSUPPORT', syscall: 'connect', port: 80 }]);
  }
  const odd = pair.client.connect({ port: 80, host: 'other', lookup });
  t.match(await pair.run(once(odd, 'error')), [{ code: 'ERR_INVALID_IP_ADDRESS' }]);
  const listed = pair.client.connect({
    port: 80,
    host: 'listed',
    lookup: listing,
  });
  t.equal(String((await pair.run(once(listed, 'data')))[0]), 'hello');
});

t.test('destroy during the look-up ends it, and connect may be called again', async (t) => {
  const pair = netPair(t);
  await listening(pair, (socket) => socket.end('hello'));
  const events: string[] = [];
  const socket = pair.client.connect({ port: 80, host: 'here', lookup });
  for (const name of ['connect', 'data', 'error', 'end']) socket.on(name, () => events.push(name));
  socket.on('close', (hadError: boolean) => events.push(`close ${hadError}`));
  const written = new Promise((resolve) => socket.write('x', resolve));
  socket.destroy();
  t.match(await pair.run(written), { code: 'ERR_SOCKET_CLOSED_BEFORE_CONNECTION' });
  await nextTurn();
  await pair.pass(50_000);
  t.same(events, ['close false']);
  for (const round of [1, 2]) {
    socket.connect(80, SERVER);
    await pair.run(once(socket, 'close'));
    t.same(events.splice(0), [
      ...(round === 1 ? ['close false'] : []),
      'connect',
      'data',
      'end',
      'close false',
    ]);
    t.equal(socket.bytesRead, 5);
  }
});

t.test('connect during a connection is an error, and leaves nothing behind', async (t) => {
  const pair = netPair(t);
  await listening(pair, () => {});
  const socket = await connected(pair);
  const early = pair.client.connect(80, SERVER);
  await nextTurn();
  for (const [who, code] of [
    [socket, 'EISCONN'],
    [early, 'EALREADY'],
  ] as const) {
    who.connect(80, SERVER);
    t.match(await pair.run(once(who, 'error')), [{ code, syscall: 'connect', address: SERVER, port: 80 }]);
  }
  await pair.pass(50_000);
  const { core } = pair.hosts[1].mctx.stack.tcp;
  let open = 0;
  core.demux.forEach((tcb) => {
    if (tcb.attached) open++;
  });
  t.equal(open, 0);
  t.equal(socket.localAddress, CLIENT);
});

t.test('errors that only the kernel has are named', (t) => {
  t.equal(errnoName(19), 'ENODEV');
  t.equal(errnoName(28), 'ENOSPC');
  t.equal(errnoName(6), 'ENXIO');
  t.equal(errnoName(524), 'ENOTSUPP');
  t.equal(errnoName(11), 'EAGAIN');
  t.equal(errnoName(35), 'EDEADLK');
  t.equal(errnoName(95), 'EOPNOTSUPP');
  t.equal(errnoName(9999), 'E9999');
  t.match(strerror(28), /space/);
  t.equal(strerror(9999), 'Unknown error 9999');
  t.end();
});

t.test('connections for which there is no descriptor are accepted when one is free', async (t) => {
  // The listener and the epoll set have one each.
  const pair = netPair(t, { delayUs: 1000 }, { maxConcurrency: 4 });
  const accepted: Socket[] = [];
  await listening(pair, (socket) => {
    accepted.push(socket);
    socket.pipe(socket);
  });
  const sockets = [];
  for (let i = 0; i < 5; i++) sockets.push(await connected(pair));
  await pair.pass(50_000);
  t.equal(accepted.length, 2);
  sockets[0].end();
  await pair.pass(50_000);
  t.equal(accepted.length, 3);
  t.equal(await echo(pair, sockets[2], 'x'), 'x');
  accepted[1].destroy();
  accepted[2].destroy();
  t.equal(await echo(pair, sockets[3], 'y'), 'y');
  t.equal(await echo(pair, sockets[4], 'z'), 'z');
});

t.test('a look-up that comes to two ends leaves no socket behind', async (t) => {
  const pair = netPair(t);
  await listening(pair, (socket) => socket.resume());
  const twice: LookupFunction = (_host, _options, callback) => {
    callback(null, SERVER, 4);
    callback(null, SERVER, 4);
  };
  const { sockets } = pair.hosts[1].mctx;
  const socket = pair.client.connect({ port: 80, host: 'twice', lookup: twice });
  const [error] = await pair.run(once(socket, 'error'));
  t.match(error, { code: 'EALREADY', syscall: 'connect' }, "as Node's");
  await pair.pass(50_000);
  t.equal(sockets.used, 1, 'that of the epoll set');
});

t.test('sockets and servers are closed when their context is destroyed', async (t) => {
  const pair = netPair(t);
  const accepted: Socket[] = [];
  const server = await listening(pair, (socket) => accepted.push(socket));
  const socket = await connected(pair);
  await pair.pass(10_000);
  const closed = Promise.all([once(server, 'close'), once(accepted[0], 'close'), once(socket, 'close')]);
  for (const { mctx } of pair.hosts) mtcp_destroy_context(mctx);
  await Promise.race([closed, sleep(2000, undefined, { ref: false })]);
  t.same([server.listening, accepted[0].destroyed, socket.destroyed], [false, true, true]);
});
