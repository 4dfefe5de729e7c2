// `node:http` on sockets of the stack, both as server and as client.

import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import * as http from 'node:http';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { netPair, type Pair, SERVER } from './support.js';

/** An HTTP server on the stack. */
async function serve(
  pair: Pair,
  handler: http.RequestListener,
  options: http.ServerOptions = {},
): Promise<{ close(): void; connections(): number; http: http.Server }> {
  const server = http.createServer(options, handler);
  let connections = 0;
  const listener = pair.server.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    connections++;
    server.emit('connection', socket);
  });
  // Without that Node does not watch over connections, and its times for headers and requests do not hold.
  listener.on('listening', () => server.emit('listening'));
  listener.on('close', () => server.close());
  listener.listen(80);
  await pair.run(once(listener, 'listening'));
  return { close: () => listener.close(), connections: () => connections, http: server };
}

/** A connection on which something is sent; all that comes back until it is closed. */
function raw(pair: Pair, sent: string): Promise<string> {
  const socket = pair.client.connect(80, SERVER);
  socket.on('error', () => {}).write(sent);
  return text(socket);
}

function request(
  pair: Pair,
  options: http.RequestOptions,
  body?: string | Buffer,
): Promise<[http.IncomingMessage, string]> {
  const sent = http.request({
    host: SERVER,
    port: 80,
    createConnection: pair.client.connect as never,
    ...options,
  });
  sent.end(body);
  return once(sent, 'response').then(async ([response]) => [response, await text(response)]);
}

t.test('requests with bodies, each on a connection of its own', async (t) => {
  const pair = netPair(t);
  const server = await serve(pair, async (request, response) => {
    const body = await text(request);
    response.setHeader('x-method', request.method ?? '');
    response.end(`${request.url} ${body.length} ${request.socket.remoteAddress}`);
  });
  const [response, answer] = await pair.run(request(pair, { path: '/a' }));
  t.equal(response.statusCode, 200);
  t.equal(answer, '/a 0 10.0.0.2');
  const [posted, said] = await pair.run(request(pair, { path: '/b', method: 'POST' }, 'x'.repeat(200_000)));
  t.equal(posted.headers['x-method'], 'POST');
  t.equal(said, '/b 200000 10.0.0.2');
  t.equal(server.connections(), 2);
  server.close();
});

t.test('an agent keeps connections, and a large answer is whole', async (t) => {
  const pair = netPair(t, { delayUs: 1000, bandwidthBps: 1e9 });
  const large = Buffer.alloc(2_000_000, 'z').toString();
  const server = await serve(pair, (_request, response) => response.end(large));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  (agent as unknown as { createConnection: unknown }).createConnection = pair.client.connect;
  for (let i = 0; i < 3; i++) {
    const [, answer] = await pair.run(request(pair, { agent, createConnection: undefined as never }));
    t.equal(answer.length, large.length);
  }
  t.equal(server.connections(), 1);
  agent.destroy();
  server.close();
});

t.test("what an agent's socket is told belongs to the request that has it", async (t) => {
  const pair = netPair(t);
  const server = await serve(pair, (request, response) => {
    if (request.url === '/reset') request.socket.destroy();
    else response.end('x');
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  (agent as unknown as { createConnection: unknown }).createConnection = pair.client.connect;
  const storage = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  for (const path of ['/one', '/two', '/reset']) {
    const done = storage.run(path, () => {
      const sent = http.get({ host: SERVER, port: 80, path, agent });
      const note = (): unknown => seen.push(storage.getStore());
      sent.on('socket', (socket) => socket.once('data', note));
      sent.on('response', (response) => response.resume()).on('error', note);
      return once(sent, 'close');
    });
    await pair.run(done.catch(() => {}));
    await pair.pass(10_000);
  }
  t.same(seen, ['/one', '/two', '/reset']);
  t.equal(server.connections(), 1);
  agent.destroy();
  server.close();
});

t.test('a handler that throws: its client waits, the others are answered', async (t) => {
  const pair = netPair(t);
  const errors: Error[] = [];
  process.setUncaughtExceptionCaptureCallback((error) => errors.push(error));
  t.teardown(() => process.setUncaughtExceptionCaptureCallback(null));
  const server = await serve(pair, (request, response) => {
    if (request.url === '/bad') throw new Error('bad');
    response.end(request.url);
  });
  const unlucky = http.get({
    host: SERVER,
    port: 80,
    path: '/bad',
    createConnection: pair.client.connect as never,
  });
  unlucky.on('error', () => {});
  const answers = await pair.run(Promise.all(['/a', '/b', '/c'].map((path) => request(pair, { path }))));
  t.same(
    answers.map(([, body]) => body),
    ['/a', '/b', '/c'],
  );
  await pair.pass(50_000);
  t.same(
    errors.map(({ message }) => message),
    ['bad'],
  );
  t.notOk(unlucky.destroyed, 'as in Node');
  server.http.closeAllConnections();
  await pair.run(new Promise((resolve) => unlucky.once('close', resolve)));
  server.close();
});

t.test('a client that resets in the middle of an answer', async (t) => {
  const pair = netPair(t);
  const closed: string[] = [];
  const server = await serve(pair, (request, response) => {
    response.on('close', () => closed.push(`${request.url} ${response.writableFinished}`));
    if (request.url === '/long') response.write(Buffer.alloc(10_000_000));
    else response.end('short');
  });
  const lost = http.get({
    host: SERVER,
    port: 80,
    path: '/long',
    createConnection: pair.client.connect as never,
  });
  const [response] = await pair.run(once(lost, 'response'));
  response.on('error', () => {});
  (lost.socket as unknown as { resetAndDestroy(): void }).resetAndDestroy();
  await pair.pass(100_000);
  t.same(closed, ['/long false']);
  t.equal((await pair.run(request(pair, { path: '/short' })))[1], 'short');
  await pair.pass(100_000);
  t.same(closed, ['/long false', '/short true']);
  server.close();
});

t.test('requests in a row without waiting are answered in their order', async (t) => {
  const pair = netPair(t);
  const server = await serve(pair, (request, response) => {
    // The first takes longest.
    setTimeout(() => response.end(`<${request.url}>`), request.url === '/0' ? 30 : 0);
  });
  const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
  const answer = await pair.run(raw(pair, get('/0') + get('/1') + get('/2', 'Connection: close\r\n')));
  t.same(answer.match(/<\/\d>/g), ['</0>', '</1>', '</2>']);
  t.equal(server.connections(), 1);
  server.close();
});

t.test('a connection that is kept alive ends after a time', async (t) => {
  const pair = netPair(t);
  const server = await serve(pair, (_request, response) => response.end('x'), { keepAliveTimeout: 50 });
  const before = Date.now();
  const answer = await pair.run(raw(pair, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
  t.match(answer, /^HTTP\/1.1 200 OK[\s\S]*Keep-Alive: timeout/);
  t.ok(Date.now() - before >= 50);
  server.close();
});

t.test('half a request is not waited for for ever', async (t) => {
  const pair = netPair(t);
  const server = await serve(pair, () => t.fail('no request'), {
    headersTimeout: 50,
    requestTimeout: 50,
    connectionsCheckingInterval: 10,
  });
  t.match(await pair.run(raw(pair, 'GET / HTTP/1.1\r\nHo')), /^HTTP\/1.1 408/);
  server.close();
});

t.test('a client that ends after its request gets the answer', async (t) => {
  const pair = netPair(t);
  const server = await serve(pair, (_request, response) => response.end('y'.repeat(300_000)));
  const socket = pair.client.connect(80, SERVER);
  socket.end('GET / HTTP/1.0\r\n\r\n');
  t.ok((await pair.run(text(socket))).endsWith('y'.repeat(300_000)));
  server.close();
});
