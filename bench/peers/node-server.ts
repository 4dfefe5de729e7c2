// The servers that run on Node.js: node:net and node:http over the kernel's TCP, and the same programs over mtcp-node/net.
// Usage: node-server kernel|stack SERVICE PORT REQUEST_BYTES REPLY_BYTES [LAB], and the options of options.ts. Prints "ready" when it
// listens.

import { createServer as createHttpServer } from 'node:http';
import * as nodeNet from 'node:net';
import { findDifference } from '../../src/cli/servers/pattern.js';
import { createNet } from '../../src/net/index.js';
import { openContext } from './context.js';
import { collectOnSignal, readServerOptions } from './options.js';
import { replyBytes } from './reply.js';

const [where, ...words] = process.argv.slice(2);
const { service, port, requestBytes, replyBytes: replyLength, lab, connections } = readServerOptions(words);
const answer = replyBytes(replyLength);
collectOnSignal();

/** What both kinds of socket have in common, as far as it is used here. */
interface AnySocket {
  setNoDelay(on: boolean): unknown;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'error', listener: () => void): unknown;
  write(bytes: Buffer): boolean;
  destroy(): unknown;
}

function serveFixed(socket: AnySocket): void {
  let received = 0;
  socket.setNoDelay(true);
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    received += chunk.length;
    for (; received >= requestBytes; received -= requestBytes) socket.write(answer);
  });
}

/** Takes in a stream of the pattern and compares every byte. */
function takeIn(socket: AnySocket): void {
  let position = 0;
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    if (findDifference(chunk, 0, chunk.length, position) >= 0) socket.destroy();
    position += chunk.length;
  });
}

const http = createHttpServer((_request, response) => {
  response.setHeader('Content-Length', answer.length);
  response.end(answer);
});
const onSocket = (socket: unknown): void => {
  if (service === 'http') http.emit('connection', socket);
  else if (service === 'sink') takeIn(socket as AnySocket);
  else serveFixed(socket as AnySocket);
};
const ready = (): void => {
  process.stdout.write('ready\n');
};
if (where === 'stack') createNet(openContext(lab, connections)).createServer(onSocket).listen(port, ready);
else if (service === 'http') http.listen({ port, backlog: 4096 }, ready);
else nodeNet.createServer(onSocket).listen({ port, backlog: 4096 }, ready);
