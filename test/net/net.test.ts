// `createNet`: what programs expect of `node:net`, on two virtual hosts.

import { once } from 'node:events';
import * as nodeNet from 'node:net';
import t from 'tap';
import { mtcp_create_context } from '../../src/index.js';
import { createNet, type Server, type Socket } from '../../src/net/index.js';
import { CLIENT, netPair, type Pair, SERVER } from './support.js';

/** A server that listens on a port. */
async function listening(pair: Pair, onSocket: (socket: Socket) => void, options = {}): Promise<Server> {
  const server = pair.server.createServer(options, onSocket).listen(80, SERVER);
  await pair.run(once(server, 'listening'));
  return server;
}

async function connected(pair: Pair, options = {}): Promise<Socket> {
  const socket = pair.client.connect({ port: 80, host: SERVER, ...options });
  await pair.run(once(socket, 'connect'));
  return socket;
}

function collect(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  return once(socket, 'end').then(() => Buffer.concat(chunks));
}

t.test('without a context the reason is told', async (t) => {
  for (const nothing of [mtcp_create_context(0), undefined]) {
    t.throws(() => createNet(nothing), { message: 'there is no context: call mtcp_init first' });
  }
});

t.test('an echo: names, events, counts, and the end from either side', async (t) => {
  const pair = netPair(t);
  const accepted: Socket[] = [];
  const server = await listening(pair, (socket) => {
    accepted.push(socket);
    socket.pipe(socket);
  });
  t.same(server.address(), { address: SERVER, family: 'IPv4', port: 80 });
  t.ok(server.listening);
  const events: string[] = [];
  const socket = pair.client.connect(80, SERVER, () => events.push('connect'));
  for (const name of ['ready', 'end', 'finish', 'close'] as const) socket.on(name, () => events.push(name));
  t.ok(socket.connecting);
  t.ok(socket.pending);
  t.equal(socket.readyState, 'opening');
  const body = collect(socket);
  const over = once(socket, 'close');
  socket.write('hello ');
  socket.end('world');
  t.equal((await pair.run(body)).toString(), 'hello world');
  await pair.run(over);
  t.same(events, ['connect', 'ready', 'finish', 'end', 'close']);
  t.match(socket, {
    bytesRead: 11,
    bytesWritten: 11,
    remoteAddress: SERVER,
    remotePort: 80,
    remoteFamily: 'IPv4',
    localAddress: CLIENT,
    destroyed: true,
    readyState: 'closed',
  });
  t.equal(accepted[0].remotePort, socket.localPort);
  t.equal(accepted[0].remoteAddress, CLIENT);
  const closed = once(server, 'close');
  server.close();
  await pair.run(closed);
  t.equal(server.address(), null);
});

t.test('megabytes in both directions at once, with and without losses', async (t) => {
  for (const loss of [0, 0.02]) {
    const pair = netPair(t, { delayUs: 2000, bandwidthBps: 1e9, loss, seed: 5 });
    const server = await listening(pair, (socket) => socket.pipe(socket));
    const sent = Buffer.alloc(3_000_000, 'abcdefg');
    const socket = await connected(pair);
    const back = collect(socket);
    socket.end(sent);
    t.ok((await pair.run(back)).equals(sent), `every byte, loss ${loss}`);
    server.close();
  }
});

t.test('a reader that does not read stops the writer', async (t) => {
  const pair = netPair(t);
  let accepted: Socket | undefined;
  const server = await listening(pair, (socket) => (accepted = socket), { pauseOnConnect: true });
  const socket = await connected(pair);
  const chunk = Buffer.alloc(100_000);
  for (let i = 0; i < 300; i++) socket.write(chunk);
  await pair.pass(2_000_000);
  t.ok(socket.writableNeedDrain, 'drain is to come');
  t.ok(socket.writableLength > 10_000_000, `${socket.writableLength} bytes wait`);
  t.equal(accepted?.bytesRead, 0);
  const drained = once(socket, 'drain');
  accepted?.resume();
  await pair.run(drained);
  const ended = once(accepted!, 'end');
  socket.end();
  await pair.run(ended);
  t.equal(accepted?.bytesRead, socket.bytesWritten);
  server.close();
});

t.test('half-open connections, where they are allowed', async (t) => {
  const pair = netPair(t);
  const server = await listening(
    pair,
    (socket) => {
      socket.resume();
      socket.on('end', () => {
        t.ok(socket.writable);
        socket.end('late');
      });
    },
    { allowHalfOpen: true },
  );
  const socket = await connected(pair);
  const body = collect(socket);
  socket.end();
  t.equal((await pair.run(body)).toString(), 'late');
  server.close();
});

t.test('failures have the code, the call and the address that Node gives them', async (t) => {
  const pair = netPair(t);
  const refused = pair.client.connect(81, SERVER);
  const [error] = await pair.run(once(refused, 'error'));
  t.match(error, {
    code: 'ECONNREFUSED',
    errno: -111,
    syscall: 'connect',
    address: SERVER,
    port: 81,
    message: `connect ECONNREFUSED ${SERVER}:81`,
  });
  const nobody = pair.client.connect(81, '10.0.0.77');
  t.match(await pair.run(once(nobody, 'error')), [{ code: 'EHOSTUNREACH' }]);
  const server = await listening(pair, (socket) => socket.once('data', () => socket.resetAndDestroy()));
  const second = pair.server.createServer().listen(80, SERVER);
  t.match(await pair.run(once(second, 'error')), [{ code: 'EADDRINUSE', syscall: 'listen', port: 80 }]);
  t.throws(() => server.listen(80), { code: 'ERR_SERVER_ALREADY_LISTEN' });
  const socket = await connected(pair);
  socket.write('x');
  const reset = new Promise((resolve) => socket.once('close', resolve));
  t.match(await pair.run(once(socket, 'error')), [{ code: 'ECONNRESET', syscall: 'read' }]);
  t.equal(await pair.run(reset), true, 'close says that there was an error');
  const early = pair.client.connect(80, SERVER);
  early.destroy();
  t.same(await pair.run(once(early, 'close')), [false]);
  t.throws(() => pair.client.connect(70_000, SERVER), { code: 'ERR_SOCKET_BAD_PORT' });
  t.throws(() => pair.client.connect({ path: '/tmp/x' }), { code: 'ERR_INVALID_ARG_VALUE' });
  t.throws(() => pair.client.connect({}), { code: 'ERR_MISSING_ARGS' });
  const notRunning = new Promise((resolve) => second.close(resolve));
  t.match(await pair.run(notRunning), { code: 'ERR_SERVER_NOT_RUNNING' });
  server.close();
});

t.test('names are looked up, and a bound port is used', async (t) => {
  const pair = netPair(t);
  const server = await listening(pair, (socket) => socket.end(String(socket.remotePort)));
  const lookup: nodeNet.LookupFunction = (host, _options, callback) =>
    setImmediate(() => callback(null, host === 'here' ? SERVER : '', 4));
  const socket = pair.client.connect({ port: 80, host: 'here', lookup, localPort: 5555 });
  const looked = once(socket, 'lookup');
  t.equal((await pair.run(collect(socket))).toString(), '5555');
  t.match(await looked, [null, SERVER, 4, 'here']);
  const failing: nodeNet.LookupFunction = (_host, _options, callback) =>
    setImmediate(() => callback(new Error('no such name'), '', 4));
  const lost = pair.client.connect({ port: 80, host: 'there', lookup: failing });
  t.match(await pair.run(once(lost, 'error')), [{ message: 'no such name' }]);
  server.close();
});

t.test('servers bound, count and drop connections', async (t) => {
  const pair = netPair(t);
  const server = await listening(pair, () => {}, { maxConnections: 1, noDelay: true, keepAlive: true });
  const first = await connected(pair, {
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 5000,
    timeout: 0,
  });
  const dropped = once(server, 'drop');
  const second = pair.client.connect(80, SERVER);
  second.on('error', () => {});
  t.match(await pair.run(dropped), [{ remoteAddress: CLIENT, localPort: 80 }]);
  const count = await new Promise((resolve) => server.getConnections((_error, n) => resolve(n)));
  t.equal(count, 1);
  let isClosed = false;
  server.close(() => (isClosed = true));
  await pair.pass(100_000);
  t.notOk(isClosed, 'a connection is still open');
  first.destroy();
  await pair.pass(100_000);
  t.ok(isClosed);
});

t.test('what is told of Node beside sockets is told here', async (t) => {
  const { client } = netPair(t);
  for (const name of [
    'createServer',
    'connect',
    'createConnection',
    'Socket',
    'Server',
    'isIP',
    'isIPv4',
    'isIPv6',
  ]) {
    t.equal(typeof (client as unknown as Record<string, unknown>)[name], 'function', name);
  }
  const theirs = Object.getOwnPropertyNames(nodeNet.Socket.prototype).filter((name) => !name.startsWith('_'));
  const ours = new client.Socket() as unknown as Record<string, unknown>;
  t.same(
    theirs.filter((name) => !(name in ours) && name !== 'constructor'),
    [],
    'every public member of a socket',
  );
  const server = new client.Server() as unknown as Record<string, unknown>;
  const members = Object.getOwnPropertyNames(nodeNet.Server.prototype).filter(
    (name) => !name.startsWith('_'),
  );
  t.same(
    members.filter((name) => !(name in server) && name !== 'constructor'),
    [],
    'and of a server',
  );
});
