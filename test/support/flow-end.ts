// One end of a flow over an impaired path, a program of its own: on the kernel's TCP (`node:net`, to be run inside the namespace)
// or on the stack (AF_XDP, from outside). The sender pours the pattern, for so many bytes or seconds; the receiver hashes it and
// notes when it stalled. Its argument is a FlowJob as JSON; a receiver prints a line when it listens, both one when they are done.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import {
  AF_INET,
  type Context,
  IPPROTO_TCP,
  mtcp_accept,
  mtcp_bind,
  mtcp_close,
  mtcp_connect,
  mtcp_create_context,
  mtcp_destroy,
  mtcp_destroy_context,
  mtcp_init,
  mtcp_last_error,
  mtcp_listen,
  mtcp_read,
  mtcp_setsockopt,
  mtcp_socket,
  mtcp_write,
  SOCK_STREAM,
  sockaddr_in,
  TCP_CONGESTION,
} from '../../src/index.js';
import { setsockopt } from '../../src/nic/os/syscalls.js';
import { patternAt } from '../interop/pattern.js';

export interface FlowJob {
  readonly on: 'kernel' | 'stack';
  readonly role: 'send' | 'receive';
  /** Of the stack: where it sits, and the address that it has. */
  readonly netns?: string;
  readonly iface?: string;
  readonly stackAddress?: string;
  readonly sysctl?: Record<string, number | string>;
  /** Of the listener. */
  readonly host: string;
  readonly port: number;
  /** Of the sender: the name for TCP_CONGESTION, and when it stops. */
  readonly congestion?: string;
  readonly bytes?: number;
  readonly seconds?: number;
}

/** What a receiver tells at the end. */
export interface Received {
  readonly bytes: number;
  readonly hash: string;
  /** From the first byte to the last one. */
  readonly ms: number;
  /** Longest time between two reads. */
  readonly stallMs: number;
}

/** What a sender tells: the counters of its TCP that are about loss. */
export type Sent = Record<string, number>;

/** Counters of interest, with the names of nstat. */
const COUNTERS = [
  'TcpOutSegs',
  'TcpRetransSegs',
  'TcpExtTCPTimeouts',
  'TcpExtTCPLossProbes',
  'TcpExtTCPLossProbeRecovery',
  'TcpExtTCPFastRetrans',
  'TcpExtTCPLostRetransmit',
  'TcpExtTCPSpuriousRTOs',
  'TcpExtTCPDSACKRecv',
];
const PIECE = 32_768;

const job = JSON.parse(process.argv[2] ?? '{}') as FlowJob;
const { on, role, netns, iface, stackAddress, sysctl, host, port, congestion } = job;
const { bytes: limit = Number.POSITIVE_INFINITY, seconds = Number.POSITIVE_INFINITY } = job;

const tell = (result: object): void => {
  process.stdout.write(`${JSON.stringify(result)}\n`);
};

/** Notes what arrives and when. */
class Sink {
  readonly #hash = createHash('sha256');
  #bytes = 0;
  #firstAt = 0;
  #lastAt = 0;
  #stallMs = 0;

  take(bytes: Uint8Array): void {
    const now = performance.now();
    if (this.#bytes === 0) this.#firstAt = now;
    else this.#stallMs = Math.max(this.#stallMs, now - this.#lastAt);
    this.#lastAt = now;
    this.#bytes += bytes.length;
    this.#hash.update(bytes);
  }

  result(): Received {
    const ms = this.#lastAt - this.#firstAt;
    return { bytes: this.#bytes, hash: this.#hash.digest('hex'), ms, stallMs: this.#stallMs };
  }
}

/** The kernel's counters of this namespace. */
function kernelCounters(): Sent {
  const found: Sent = {};
  for (const [file, extension] of [
    ['snmp', ''],
    ['netstat', 'Ext'],
  ] as const) {
    const lines = readFileSync(`/proc/net/${file}`, 'utf8').trim().split('\n');
    for (let i = 0; i + 1 < lines.length; i += 2) {
      const [names, values] = [lines[i]!.split(' '), lines[i + 1]!.split(' ')];
      const group = names[0]!.replace(':', '').replace('TcpExt', 'Tcp') + extension;
      names.forEach((name, k) => {
        const whole = `${group}${name}`;
        if (k > 0 && COUNTERS.includes(whole)) found[whole] = Number(values[k]);
      });
    }
  }
  return found;
}

function kernelSends(): void {
  const socket: Socket = connect({ host, port }, () => {
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    if (congestion !== undefined) setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, Buffer.from(congestion));
    const endAt = performance.now() + seconds * 1000;
    let at = 0;
    const more = (): void => {
      while (at < limit && performance.now() < endAt) {
        const piece = patternAt(at, Math.min(PIECE, limit - at));
        at += piece.length;
        if (!socket.write(piece)) {
          socket.once('drain', more);
          return;
        }
      }
      socket.end();
    };
    more();
  });
  socket.on('error', (error) => tell({ error: error.message }));
  socket.on('close', () => tell(kernelCounters()));
  socket.resume();
}

function kernelReceives(): void {
  const server = createServer((socket) => {
    const sink = new Sink();
    socket.on('data', (bytes) => sink.take(bytes));
    socket.on('error', (error) => tell({ error: error.message }));
    socket.on('close', () => {
      tell(sink.result());
      server.close();
    });
  });
  server.listen(port, host, () => tell({ listening: true }));
}

function fail(): never {
  throw new Error(mtcp_last_error());
}

function openStack(): Context {
  const options = {
    iface: iface ?? '',
    address: `${stackAddress}/24`,
    ...(netns === undefined ? {} : { netns }),
    ...(sysctl === undefined ? {} : { sysctl }),
  };
  if (mtcp_init(options) !== 0) fail();
  return mtcp_create_context(0) ?? fail();
}

/** Turns the loop until every connection is over, or for some seconds. */
function finish(mctx: Context): void {
  const endAt = performance.now() + 10_000;
  const { demux } = mctx.stack.tcp.core;
  const isOver = (): boolean => {
    for (let i = 0; i < demux.places; i++) {
      const tcb = demux.at(i);
      if (tcb === null) continue;
      if (tcb.sendBuffer.length > 0 || (tcb.finQueued && tcb.snd.una !== tcb.snd.nxt)) return false;
    }
    return true;
  };
  while (!isOver() && performance.now() < endAt) mctx.turn();
  const counters = mctx.stack.counters as unknown as Sent;
  if (role === 'send') tell(Object.fromEntries(COUNTERS.map((name) => [name, counters[name] ?? 0])));
  mtcp_destroy_context(mctx);
  mtcp_destroy();
}

function stackSends(): void {
  const mctx = openStack();
  const socket = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
  if (congestion !== undefined) {
    if (mtcp_setsockopt(mctx, socket, IPPROTO_TCP, TCP_CONGESTION, congestion, congestion.length) !== 0)
      fail();
  }
  if (mtcp_connect(mctx, socket, sockaddr_in(host, port)) !== 0) fail();
  const endAt = performance.now() + seconds * 1000;
  for (let at = 0; at < limit && performance.now() < endAt; ) {
    const sent = mtcp_write(mctx, socket, patternAt(at, Math.min(PIECE, limit - at)));
    if (sent <= 0) fail();
    at += sent;
  }
  mtcp_close(mctx, socket);
  finish(mctx);
}

function stackReceives(): void {
  const mctx = openStack();
  const listener = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
  mtcp_bind(mctx, listener, sockaddr_in(host, port));
  if (mtcp_listen(mctx, listener, 8) !== 0) fail();
  tell({ listening: true });
  const socket = mtcp_accept(mctx, listener, null);
  if (socket < 0) fail();
  const sink = new Sink();
  const buffer = Buffer.alloc(131_072);
  for (let got = 0; (got = mtcp_read(mctx, socket, buffer)) > 0; ) sink.take(buffer.subarray(0, got));
  tell(sink.result());
  mtcp_close(mctx, socket);
  finish(mctx);
}

if (on === 'kernel') (role === 'send' ? kernelSends : kernelReceives)();
else (role === 'send' ? stackSends : stackReceives)();
