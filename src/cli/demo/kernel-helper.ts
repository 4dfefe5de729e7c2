// The demo's processes on the kernel's own TCP: the client in the peer's namespace, and for the comparison two servers in
// the stack's namespace, one with the same HTTP code as ours on node:net and one on node:http. Moves itself into a
// namespace first, so no `ip netns exec` is needed.

import { openSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { netnsPath } from '../../nic/os/netns.js';
import { CLONE_NEWNET, setns } from '../../nic/os/syscalls.js';
import type { Content } from '../servers/http-content.js';
import { BuiltInSite } from '../servers/http-content.js';
import { findHeadEnd, parseRequest } from '../servers/http-request.js';
import { offer } from './child.js';
import { checkBytes, measureRate, openAndClose } from './kernel-client.js';

/** Where `listen` is to listen, and how. */
export interface ListenRequest {
  readonly kind: 'node:net' | 'node:http';
  readonly address: string;
  readonly port: number;
}

const site = new BuiltInSite();
let server: Server | undefined;

function wholeBody({ length, body }: Content): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; body !== undefined && at < length; ) at += body.read(bytes, at, length - at);
  body?.close();
  return bytes;
}

/** The same parser and the same site as the server on the stack, on a socket of node:net. */
function serveSocket(socket: Socket): void {
  let input: Buffer = Buffer.alloc(0);
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    input = input.length === 0 ? chunk : Buffer.concat([input, chunk]);
    for (let end = findHeadEnd(input, 0, input.length); end > 0; end = findHeadEnd(input, 0, input.length)) {
      const request = parseRequest(input, 0, end);
      input = input.subarray(end);
      const found = 'status' in request ? site.find('') : site.find(request.target);
      const head =
        `HTTP/1.1 ${found.status} OK\r\nServer: node\r\nDate: ${new Date().toUTCString()}\r\n` +
        `Content-Type: ${found.type}\r\nContent-Length: ${found.length}\r\n\r\n`;
      socket.write(Buffer.concat([Buffer.from(head, 'latin1'), wholeBody(found)]));
    }
  });
}

function listen({ kind, address, port }: ListenRequest): Promise<void> {
  server =
    kind === 'node:net'
      ? createServer(serveSocket)
      : createHttpServer((request, response) => {
          const found = site.find(request.url ?? '');
          response.writeHead(found.status, { 'Content-Type': found.type, 'Content-Length': found.length });
          response.end(wholeBody(found));
        });
  const listening = server;
  return new Promise((resolve, reject) => {
    listening.once('error', reject).listen(port, address, 1024, () => resolve());
  });
}

setns(openSync(netnsPath(process.argv[2]), 'r'), CLONE_NEWNET);
offer({ listen, checkBytes, openAndClose, measureRate }, () => {});
