// mTCP's epwget: a load generator that fetches one URL many times over many connections at once. The same flags:
// `node build/examples/epwget.js ADDRESS/PATH REQUESTS [-N cores] [-c concurrency] [-o FILE] -f epwget.conf`, and the same lines:
// one each second, one at the end, of each core.

import { closeSync, openSync, readFileSync, realpathSync, writeSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import * as mtcp from 'mtcp-node';
import { reading, runProgram } from './program.js';

/** What to fetch, how often, and how many at a time. */
export interface Load {
  address: string;
  port: number;
  path: string;
  requests: number;
  concurrency: number;
  /** Receives the body of the first answer. */
  onBody?: (bytes: Uint8Array) => void;
}

/** One request on its way. */
interface Fetch {
  startedUs: number;
  sent: boolean;
  /** Head of the answer until its end has been seen. */
  head: string | undefined;
  status: number;
  expected: number;
  received: number;
  isFirst: boolean;
}

/** Sums of one second. */
export interface Sample {
  connects: number;
  readBytes: number;
  writtenBytes: number;
  completes: number;
  responseUs: number;
  maxResponseUs: number;
}

/** The line of one second, over all cores. */
export function line(samples: readonly Sample[]): string {
  const sum = (of: (sample: Sample) => number): number =>
    samples.reduce((total, sample) => total + of(sample), 0);
  const megabytes = (bytes: number): string => String(Math.round(bytes / (1 << 20))).padStart(4);
  const completes = sum((sample) => sample.completes);
  const average = completes === 0 ? 0 : Math.round(sum(({ responseUs }) => responseUs) / completes);
  const longest = Math.max(0, ...samples.map(({ maxResponseUs }) => maxResponseUs));
  return (
    `[ ALL ] connect: ${String(sum(({ connects }) => connects)).padStart(7)}, ` +
    `read: ${megabytes(sum(({ readBytes }) => readBytes))} MB, ` +
    `write: ${megabytes(sum(({ writtenBytes }) => writtenBytes))} MB, completes: ${String(completes).padStart(7)} ` +
    `(resp_time avg: ${String(average).padStart(4)}, max: ${String(longest).padStart(6)} us)`
  );
}

/** The client of one context. */
export class LoadGenerator {
  /** Sums since the last line of statistics, and since the start. */
  connects = 0;
  readBytes = 0;
  writtenBytes = 0;
  completes = 0;
  responseUs = 0;
  maxResponseUs = 0;
  started = 0;
  completed = 0;
  errors = 0;
  incompletes = 0;
  /** How many errors there were of each kind: the name of an errno, or a status that is not 200. */
  readonly reasons = new Map<string, number>();
  private readonly mctx: mtcp.Mctx;
  private readonly load: Load;
  private readonly epoll: number;
  private readonly request: Uint8Array;
  private readonly fetches = new Map<number, Fetch>();
  private readonly events: mtcp.EpollEvent[];
  private readonly buffer = new Uint8Array(65_536);
  private size = -1;

  constructor(mctx: mtcp.Mctx, load: Load) {
    this.mctx = mctx;
    this.load = load;
    this.epoll = mtcp.mtcp_epoll_create(mctx, load.concurrency * 3);
    this.events = mtcp.mtcp_epoll_events(Math.min(1024, load.concurrency * 3));
    this.request = Buffer.from(
      `GET ${load.path} HTTP/1.0\r\nUser-Agent: mtcp-node epwget\r\nAccept: */*\r\n` +
        `Host: ${load.address}\r\nConnection: Close\r\n\r\n`,
      'latin1',
    );
  }

  get isDone(): boolean {
    return this.started === this.load.requests && this.fetches.size === 0;
  }

  /** Opens what may be opened, waits for events for `timeoutMs` at most, and handles them. Returns how many there were. */
  poll(timeoutMs: number): number {
    const { concurrency, requests } = this.load;
    while (this.fetches.size < concurrency && this.started < requests) this.connect();
    if (this.fetches.size === 0) return 0;
    const count = mtcp.mtcp_epoll_wait(this.mctx, this.epoll, this.events, this.events.length, timeoutMs);
    for (let i = 0; i < count; i++) {
      const { events, data } = this.events[i];
      const fetch = this.fetches.get(data.sockid);
      if (fetch === undefined) continue;
      if ((events & mtcp.MTCP_EPOLLERR) !== 0) this.fail(data.sockid, this.errorOf(data.sockid));
      else if ((events & mtcp.MTCP_EPOLLIN) !== 0) this.read(data.sockid, fetch);
      else if ((events & mtcp.MTCP_EPOLLOUT) !== 0) this.send(data.sockid, fetch);
    }
    return count;
  }

  /** What happened since the last sample; starts a new one. */
  sample(): Sample {
    const { connects, readBytes, writtenBytes, completes, responseUs, maxResponseUs } = this;
    this.connects = this.readBytes = this.writtenBytes = 0;
    this.completes = this.responseUs = this.maxResponseUs = 0;
    return { connects, readBytes, writtenBytes, completes, responseUs, maxResponseUs };
  }

  /** The line of the end. */
  summary(): string {
    const { completed, errors, incompletes, mctx, reasons } = this;
    const kinds = [...reasons].map(([reason, count]) => `${reason}: ${count}`).join(', ');
    return (
      `[CPU ${mctx.cpu}] Completed ${completed} connections, errors: ${errors}${kinds === '' ? '' : ` (${kinds})`} ` +
      `incompletes: ${incompletes}`
    );
  }

  private count(reason: string): void {
    this.errors++;
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
  }

  private connect(): void {
    const { address, port } = this.load;
    const isFirst = this.started++ === 0;
    const id = mtcp.mtcp_socket(this.mctx, mtcp.AF_INET, mtcp.SOCK_STREAM, 0);
    if (id < 0) throw new Error(`no socket: ${mtcp.mtcp_last_error()}`);
    mtcp.mtcp_setsock_nonblock(this.mctx, id);
    const startedUs = this.mctx.clock();
    const result = mtcp.mtcp_connect(this.mctx, id, mtcp.sockaddr_in(address, port));
    if (result < 0 && mtcp.errno !== mtcp.EINPROGRESS) {
      this.count(mtcp.errnoName(mtcp.errno));
      mtcp.mtcp_close(this.mctx, id);
      return;
    }
    this.connects++;
    const fetch = { startedUs, sent: false, head: '', status: 0, expected: -1, received: 0, isFirst };
    this.fetches.set(id, fetch);
    mtcp.mtcp_epoll_ctl(this.mctx, this.epoll, mtcp.MTCP_EPOLL_CTL_ADD, id, { events: mtcp.MTCP_EPOLLOUT });
  }

  private send(id: number, fetch: Fetch): void {
    if (fetch.sent) return;
    // A request of a few hundred bytes fits any send buffer.
    const taken = mtcp.mtcp_write(this.mctx, id, this.request);
    if (taken !== this.request.length) return this.fail(id, taken < 0 ? mtcp.errno : mtcp.EAGAIN);
    fetch.sent = true;
    this.writtenBytes += taken;
    mtcp.mtcp_epoll_ctl(this.mctx, this.epoll, mtcp.MTCP_EPOLL_CTL_MOD, id, { events: mtcp.MTCP_EPOLLIN });
  }

  private read(id: number, fetch: Fetch): void {
    for (;;) {
      const length = mtcp.mtcp_read(this.mctx, id, this.buffer);
      if (length > 0) this.take(fetch, length);
      else if (length === 0) return this.finish(id, fetch);
      else return mtcp.errno === mtcp.EAGAIN ? undefined : this.fail(id, mtcp.errno);
    }
  }

  private take(fetch: Fetch, length: number): void {
    this.readBytes += length;
    let bodyAt = 0;
    if (fetch.head !== undefined) {
      const before = fetch.head.length;
      fetch.head += Buffer.from(this.buffer.subarray(0, length)).toString('latin1');
      const end = fetch.head.indexOf('\r\n\r\n');
      if (end < 0) return;
      fetch.status = Number(/^HTTP\/1\.\d (\d+)/.exec(fetch.head)?.[1] ?? 0);
      fetch.expected = Number(/^content-length: *(\d+)/im.exec(fetch.head)?.[1] ?? -1);
      fetch.head = undefined;
      bodyAt = end + 4 - before;
    }
    fetch.received += length - bodyAt;
    if (fetch.isFirst) this.load.onBody?.(this.buffer.subarray(bodyAt, length));
  }

  /** The server has closed: is it all, and as much as every time? */
  private finish(id: number, fetch: Fetch): void {
    this.fetches.delete(id);
    mtcp.mtcp_close(this.mctx, id);
    const isWhole = fetch.head === undefined && (fetch.expected < 0 || fetch.received === fetch.expected);
    if (!isWhole) {
      this.incompletes++;
      return;
    }
    if (this.size < 0) this.size = fetch.received;
    if (fetch.status !== 200) this.count(`HTTP ${fetch.status}`);
    else if (fetch.received !== this.size) this.count('another length');
    this.completed++;
    this.completes++;
    const elapsedUs = this.mctx.clock() - fetch.startedUs;
    this.responseUs += elapsedUs;
    this.maxResponseUs = Math.max(this.maxResponseUs, elapsedUs);
  }

  private errorOf(id: number): number {
    const value = new Int32Array(1);
    mtcp.mtcp_getsockopt(this.mctx, id, mtcp.SOL_SOCKET, mtcp.SO_ERROR, value);
    return value[0];
  }

  private fail(id: number, errno: number): void {
    this.count(mtcp.errnoName(errno));
    this.fetches.delete(id);
    mtcp.mtcp_close(this.mctx, id);
  }
}

/** What each core's program is told. */
interface Settings extends Load {
  output: string | undefined;
}

/** What it tells: every second a sample, and at the end its summary. */
interface Report {
  sample: Sample;
  summary: string;
  failed: number;
}

/** The program of one core: its share of the requests. */
export default function fetchShare(core: mtcp.Core): void {
  const { mctx, cpu, cores } = core;
  const { output, ...load } = core.data as Settings;
  const share = (count: number): number => Math.floor(count / cores) + (cpu < count % cores ? 1 : 0);
  const file = output === undefined || cpu > 0 ? undefined : openSync(output, 'w');
  if (mtcp.mtcp_init_rss(mctx, mtcp.INADDR_ANY, 1, load.address, load.port) < 0) {
    throw new Error(`mtcp_init_rss: ${mtcp.mtcp_last_error()}`);
  }
  const client = new LoadGenerator(mctx, {
    ...load,
    requests: share(load.requests),
    concurrency: Math.max(1, share(load.concurrency)),
    ...(file === undefined ? {} : { onBody: (bytes) => void writeSync(file, bytes) }),
  });
  const report = (summary: string): void =>
    core.post({
      sample: client.sample(),
      summary,
      failed: client.errors + client.incompletes,
    } satisfies Report);
  for (let nextMs = performance.now() + 1000; !core.stopping && !client.isDone; ) {
    client.poll(10);
    if (performance.now() < nextMs) continue;
    nextMs += 1000;
    report('');
  }
  const { CoreInFrames, CoreOutFrames } = mctx.stack.counters;
  report(`${client.summary()}, frames of other cores: ${CoreInFrames + CoreOutFrames}`);
  if (file !== undefined) closeSync(file);
}

const USAGE = 'epwget ADDRESS[:PORT]/PATH REQUESTS [-N CORES] [-c CONCURRENCY] [-o FILE] -f CONFIG';

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      conf: { type: 'string', short: 'f' },
      cores: { type: 'string', short: 'N' },
      core: { type: 'string', short: 'n' },
      concurrency: { type: 'string', short: 'c' },
      output: { type: 'string', short: 'o' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const url = /^(?:http:\/\/)?([\d.]+)(?::(\d+))?(\/.*)?$/.exec(positionals[0] ?? '');
  const requests = Number(positionals[1]);
  if (values.help || url === null || !(requests > 0) || values.conf === undefined) {
    console.error(USAGE);
    return values.help ? 0 : 1;
  }
  const { conf } = values;
  reading(conf, '-f', () => readFileSync(conf));
  const concurrency = Math.min(requests, Number(values.concurrency ?? 100));
  const data: Settings = {
    address: url[1],
    port: Number(url[2] ?? 80),
    path: url[3] ?? '/',
    requests,
    concurrency,
    output: values.output,
  };
  const number = values.cores === undefined ? {} : { cores: Number(values.cores) };
  // As mTCP's: three times as many sockets as connections at once.
  const overrides = { maxConcurrency: concurrency * 3 };
  const cores = await mtcp.startCores(import.meta.url, conf, { ...number, overrides, data });
  for (const warning of cores.warnings) console.error(warning);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void cores.stop());
  let failed = 0;
  let samples: Sample[] = [];
  const summaries: string[] = [];
  const print = (): void => {
    console.log(line(samples));
    samples = [];
  };
  const timer = setInterval(print, 1000);
  cores.on('message', (_, value) => {
    const { sample, summary, failed: count } = value as Report;
    samples.push(sample);
    if (summary === '') return;
    summaries.push(summary);
    failed += count;
  });
  cores.on('exit', (_, error) => {
    if (error === undefined) return;
    console.error(error.message);
    failed++;
  });
  await cores.ended;
  clearInterval(timer);
  print();
  for (const summary of summaries) console.log(summary);
  return failed === 0 ? 0 : 1;
}

const isProgram =
  process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url);
if (isMainThread && isProgram) await runProgram(main);
