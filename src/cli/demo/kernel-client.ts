// The demo's HTTP client on the kernel's TCP: checks bytes, opens connections one after the other, measures a rate.

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { ResponseReader } from '../clients/http-response.js';
import { findDifference } from '../servers/pattern.js';

/** Who is asked. */
export interface Target {
  readonly address: string;
  readonly port: number;
}

/** What a check did. */
export interface CheckResult {
  readonly requests: number;
  readonly bytes: number;
}

const TIMEOUT_MS = 10_000;

function head(path: string, host: string, close: boolean): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${close ? 'Connection: close\r\n' : ''}\r\n`;
}

async function open({ address, port }: Target): Promise<Socket> {
  const socket = connect(port, address);
  socket.setNoDelay(true);
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`${address}:${port} does not answer`)));
  await once(socket, 'connect');
  return socket;
}

/** Asks for something on an open connection and reads the whole answer. */
async function ask(socket: Socket, request: string, onBody: (part: Buffer) => void): Promise<ResponseReader> {
  const reader = new ResponseReader('GET', onBody);
  return await new Promise((resolve, reject) => {
    const stop = (): void => {
      socket.off('data', onData).off('error', onError).off('end', onEnd);
    };
    const onError = (error: Error): void => {
      stop();
      reject(error);
    };
    const onEnd = (): void =>
      onError(new Error('the server closed the connection in the middle of an answer'));
    const onData = (chunk: Buffer): void => {
      try {
        reader.feed(chunk);
      } catch (error) {
        onError(error as Error);
        return;
      }
      if (reader.done) {
        stop();
        resolve(reader);
      }
    };
    socket.on('data', onData).on('error', onError).on('end', onEnd);
    socket.write(request);
  });
}

/** Fetches /bytes/N for each of `sizes` over one connection and compares every byte. */
export async function checkBytes({
  sizes,
  ...target
}: Target & { sizes: readonly number[] }): Promise<CheckResult> {
  const socket = await open(target);
  let bytes = 0;
  for (const size of sizes) {
    let position = 0;
    const reader = await ask(socket, head(`/bytes/${size}`, target.address, false), (part) => {
      const wrong = findDifference(part, 0, part.length, position);
      if (wrong >= 0) throw new Error(`byte ${position + wrong} of /bytes/${size} is wrong`);
      position += part.length;
    });
    if (reader.head?.status !== 200 || position !== size)
      throw new Error(`/bytes/${size} gave ${position} bytes`);
    bytes += position;
  }
  socket.destroy();
  return { requests: sizes.length, bytes };
}

/** Opens `count` connections, a few at a time, each for one request, and waits for the server to close each. */
export async function openAndClose({ count, ...target }: Target & { count: number }): Promise<CheckResult> {
  let next = 0;
  let bytes = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      next++;
      const socket = await open(target);
      const closed = once(socket, 'close');
      const reader = await ask(socket, head('/', target.address, true), () => {});
      if (reader.head?.status !== 200) throw new Error(`the server answered ${reader.head?.status}`);
      bytes += reader.bodyBytes;
      await closed;
    }
  };
  await Promise.all(Array.from({ length: 10 }, worker));
  return { requests: count, bytes };
}

/** Keeps `connections` connections busy with one request at a time each for `durationMs`; gives the requests per second. */
export async function measureRate({
  connections,
  durationMs,
  ...target
}: Target & { connections: number; durationMs: number }): Promise<number> {
  const request = Buffer.from(head('/', target.address, false));
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(target)));
  const answers = await Promise.all(sockets.map((socket) => answerLength(socket, request)));
  let done = 0;
  const startMs = performance.now();
  await new Promise<void>((resolve, reject) => {
    setTimeout(resolve, durationMs);
    for (const [i, socket] of sockets.entries()) {
      // Every answer is as long as the first, so counting bytes is enough.
      let left = answers[i];
      socket.on('error', reject).on('end', () => reject(new Error('the server closed a connection')));
      socket.on('data', (chunk: Buffer) => {
        left -= chunk.length;
        if (left > 0) return;
        done++;
        left += answers[i];
        socket.write(request);
      });
      socket.write(request);
    }
  });
  const seconds = (performance.now() - startMs) / 1000;
  for (const socket of sockets) socket.destroy();
  return done / seconds;
}

/** The length of a whole answer, head included. */
async function answerLength(socket: Socket, request: Buffer): Promise<number> {
  let length = 0;
  const count = (chunk: Buffer): void => {
    length += chunk.length;
  };
  socket.on('data', count);
  await ask(socket, request.toString('latin1'), () => {});
  socket.off('data', count);
  return length;
}
