// `node:http` on sockets of the stack, both as server and as client.

import { once } from 'node:events';
import * as http from 'node:http';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { netPair, type Pair, SERVER } from './support.js';

/** An HTTP server on the stack. */
async function serve(
  pair: Pair,
  handler: http.RequestListener,
): Promise<{ close(): void; connections(): number }> {
  const server = http.createServer(handler);
  let connections = 0;
  const listener = pair.server.createServer((socket) => {
    connections++;
    server.emit('connection', socket);
  });
  listener.listen(80);
  await pair.run(once(listener, 'listening'));
  return { close: () => listener.close(), connections: () => connections };
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
