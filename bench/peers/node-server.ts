// The servers that run on Node.js: node:net and node:http over the kernel's TCP, and the same programs over mtcp-node/net.
// Usage: node-server kernel|stack fixed|http PORT REQUEST_BYTES REPLY_BYTES [LAB]. Prints "ready" when it listens.

import { createServer as createHttpServer } from 'node:http';
import * as nodeNet from 'node:net';
import { createNet } from '../../src/net/index.js';
import { openContext } from './context.js';
import { replyBytes } from './reply.js';

const [where, what, port, request, reply, lab = ''] = process.argv.slice(2);
const requestLength = Number(request);
const answer = replyBytes(Number(reply));

/** What both kinds of socket have in common, as far as it is used here. */
interface AnySocket {
  setNoDelay(on: boolean): unknown;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'error', listener: () => void): unknown;
  write(bytes: Buffer): boolean;
}

function serveFixed(socket: AnySocket): void {
  let received = 0;
  socket.setNoDelay(true);
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    received += chunk.length;
    for (; received >= requestLength; received -= requestLength) socket.write(answer);
  });
}

const http = createHttpServer((_request, response) => {
  response.setHeader('Content-Length', answer.length);
  response.end(answer);
});
const onSocket = (socket: unknown): void => {
  if (what === 'http') http.emit('connection', socket);
  else serveFixed(socket as AnySocket);
};
const ready = (): void => {
  process.stdout.write('ready\n');
};
if (where === 'stack') createNet(openContext(lab)).createServer(onSocket).listen(Number(port), ready);
else if (what === 'http') http.listen({ port: Number(port), backlog: 4096 }, ready);
else nodeNet.createServer(onSocket).listen({ port: Number(port), backlog: 4096 }, ready);
