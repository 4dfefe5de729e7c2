// mTCP's epserver: a static HTTP/1.x server that keeps the files of a folder in memory, one event loop over non-blocking sockets.
// The same flags: `node build/examples/epserver.js -p WWW -f epserver.conf [-N cores] [-b backlog] [-h]`. Every second a line of each
// core, like mTCP's, tells the flows and packets.

import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import * as mtcp from 'mtcp-node';
import { reading, runProgram } from './program.js';

const MAX_FILES = 30;
const MAX_REQUEST = 8192;
const MAX_EVENTS = 30_000;

/** Loads the files of a folder, 30 at most as mTCP's. */
export function loadFiles(folder: string): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (statSync(path).isFile() && files.size < MAX_FILES) files.set(`/${name}`, readFileSync(path));
  }
  return files;
}

/** What the server knows of a connection. */
interface Client {
  request: string;
  /** What is still to be sent. */
  pending: Uint8Array[];
  keepAlive: boolean;
}

/** The server of one context. */
export class FileServer {
  requests = 0;
  private readonly mctx: mtcp.Mctx;
  private readonly files: ReadonlyMap<string, Uint8Array>;
  private readonly epoll: number;
  private readonly listener: number;
  private readonly clients = new Map<number, Client>();
  private readonly events = mtcp.mtcp_epoll_events(64);
  private readonly buffer = new Uint8Array(MAX_REQUEST);

  constructor(mctx: mtcp.Mctx, files: ReadonlyMap<string, Uint8Array>, port = 80, backlog = 4096) {
    this.mctx = mctx;
    this.files = files;
    this.epoll = mtcp.mtcp_epoll_create(mctx, MAX_EVENTS);
    this.listener = mtcp.mtcp_socket(mctx, mtcp.AF_INET, mtcp.SOCK_STREAM, 0);
    mtcp.mtcp_setsock_nonblock(mctx, this.listener);
    const isListening =
      mtcp.mtcp_bind(mctx, this.listener, mtcp.sockaddr_in(mtcp.INADDR_ANY, port)) === 0 &&
      mtcp.mtcp_listen(mctx, this.listener, backlog) === 0;
    if (!isListening) throw new Error(`cannot listen on port ${port}: ${mtcp.mtcp_last_error()}`);
    this.watch(mtcp.MTCP_EPOLL_CTL_ADD, this.listener, mtcp.MTCP_EPOLLIN);
  }

  /** Connections that are open. */
  get open(): number {
    return this.clients.size;
  }

  /** Waits for events, for `timeoutMs` at most, and handles them. Returns how many there were. */
  poll(timeoutMs: number): number {
    const count = mtcp.mtcp_epoll_wait(this.mctx, this.epoll, this.events, this.events.length, timeoutMs);
    for (let i = 0; i < count; i++) {
      const { events, data } = this.events[i];
      if (data.sockid === this.listener) this.accept();
      else if ((events & mtcp.MTCP_EPOLLERR) !== 0) this.close(data.sockid);
      else {
        if ((events & mtcp.MTCP_EPOLLIN) !== 0) this.read(data.sockid);
        if ((events & mtcp.MTCP_EPOLLOUT) !== 0) this.write(data.sockid);
      }
    }
    return count;
  }

  private accept(): void {
    for (;;) {
      const id = mtcp.mtcp_accept(this.mctx, this.listener, null);
      if (id < 0) return;
      mtcp.mtcp_setsock_nonblock(this.mctx, id);
      this.clients.set(id, { request: '', pending: [], keepAlive: false });
      this.watch(mtcp.MTCP_EPOLL_CTL_ADD, id, mtcp.MTCP_EPOLLIN);
    }
  }

  private read(id: number): void {
    const client = this.clients.get(id);
    if (client === undefined) return;
    const length = mtcp.mtcp_read(this.mctx, id, this.buffer);
    if (length <= 0) {
      if (length === 0 || mtcp.errno !== mtcp.EAGAIN) this.close(id);
      return;
    }
    client.request += Buffer.from(this.buffer.subarray(0, length)).toString('latin1');
    for (let end: number; (end = client.request.indexOf('\r\n\r\n')) >= 0; ) {
      this.answer(client, client.request.slice(0, end));
      client.request = client.request.slice(end + 4);
    }
    if (client.request.length > MAX_REQUEST) this.close(id);
    else if (client.pending.length > 0) this.write(id);
  }

  private answer(client: Client, request: string): void {
    this.requests++;
    const [method, target = '/', version = ''] = request.split('\r\n')[0].split(' ');
    const path = target === '/' ? '/index.html' : target;
    const body = method === 'GET' ? this.files.get(path) : undefined;
    const wanted = /^connection: *(\S+)/im.exec(request)?.[1].toLowerCase();
    client.keepAlive = wanted === 'keep-alive' || (version === 'HTTP/1.1' && wanted !== 'close');
    const header = [
      `HTTP/1.1 ${body === undefined ? '404 Not Found' : '200 OK'}`,
      `Date: ${new Date().toUTCString()}`,
      'Server: mtcp-node epserver',
      `Content-Length: ${body?.length ?? 0}`,
      `Connection: ${client.keepAlive ? 'Keep-Alive' : 'Close'}`,
    ];
    client.pending.push(Buffer.from(`${header.join('\r\n')}\r\n\r\n`, 'latin1'));
    if (body !== undefined && body.length > 0) client.pending.push(body);
  }

  private write(id: number): void {
    const client = this.clients.get(id);
    if (client === undefined) return;
    const { pending } = client;
    while (pending.length > 0) {
      let taken = mtcp.mtcp_writev(this.mctx, id, pending, Math.min(pending.length, mtcp.IOV_MAX));
      if (taken < 0) {
        if (mtcp.errno === mtcp.EAGAIN) return this.watch(mtcp.MTCP_EPOLL_CTL_MOD, id, mtcp.MTCP_EPOLLOUT);
        return this.close(id);
      }
      while (pending.length > 0 && taken >= pending[0].length) taken -= pending.shift()!.length;
      if (taken > 0) pending[0] = pending[0].subarray(taken);
    }
    if (!client.keepAlive) return this.close(id);
    this.watch(mtcp.MTCP_EPOLL_CTL_MOD, id, mtcp.MTCP_EPOLLIN);
  }

  private watch(op: number, id: number, events: number): void {
    mtcp.mtcp_epoll_ctl(this.mctx, this.epoll, op, id, { events });
  }

  private close(id: number): void {
    this.clients.delete(id);
    mtcp.mtcp_close(this.mctx, id);
  }
}

/** The line that mTCP prints every second. */
export function statistics(mctx: mtcp.Mctx, before: { rx: number; tx: number }): string {
  const { EthInFrames: rx, EthOutFrames: tx, IpInReceives: packets } = mctx.stack.counters;
  const flows = mctx.stack.tcp.core.demux.size;
  const line =
    `[CPU${String(mctx.cpu).padStart(2)}] flows: ${String(flows).padStart(6)}, ` +
    `RX: ${String(rx - before.rx).padStart(7)}(pps) (total ${packets}), TX: ${String(tx - before.tx).padStart(7)}(pps)`;
  before.rx = rx;
  before.tx = tx;
  return line;
}

const USAGE = 'epserver -p WWW_FOLDER -f CONFIG [-N CORES] [-b BACKLOG] [-h]';

/** What each core's program is told. */
interface Settings {
  www: string;
  backlog: number;
}

/** The program of one core. */
export default function serve(core: mtcp.Core): void {
  const { mctx } = core;
  const { www, backlog } = core.data as Settings;
  const server = new FileServer(mctx, loadFiles(www), 80, backlog);
  const last = { rx: 0, tx: 0 };
  for (let nextMs = performance.now() + 1000; !core.stopping; ) {
    server.poll(10);
    if (performance.now() < nextMs) continue;
    nextMs += 1000;
    core.post(statistics(mctx, last));
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      www: { type: 'string', short: 'p' },
      conf: { type: 'string', short: 'f' },
      cores: { type: 'string', short: 'N' },
      core: { type: 'string', short: 'c' },
      backlog: { type: 'string', short: 'b' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help || values.www === undefined || values.conf === undefined) {
    console.error(USAGE);
    return values.help ? 0 : 1;
  }
  const { www, conf } = values;
  const files = reading(www, '-p', () => loadFiles(www));
  for (const [name, bytes] of files) console.error(`${name}: ${bytes.length} bytes`);
  if (files.size === 0) console.error(`${www} has no files: every request will be answered with 404`);
  reading(conf, '-f', () => readFileSync(conf));
  const data: Settings = { www, backlog: Number(values.backlog ?? 4096) };
  const number = values.cores === undefined ? {} : { cores: Number(values.cores) };
  const cores = await mtcp.startCores(import.meta.url, conf, { ...number, data });
  for (const warning of cores.warnings) console.error(warning);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void cores.stop());
  cores.on('message', (_, line) => console.error(line));
  console.error(`epserver listens on port 80, on ${cores.count === 1 ? '1 core' : `${cores.count} cores`}`);
  await cores.ended;
  return 0;
}

const isProgram =
  process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url);
if (isMainThread && isProgram) await runProgram(main);
