// The load generator: a process of its own on an AF_XDP socket at the far end of the lab. It takes one job as its argument,
// spins until that is done, and prints the result as a line of JSON. For `idle` it prints when all connections are open, keeps them,
// asks on every one of them when its standard input says so, prints again, and goes when that ends.

import { PATTERN_PERIOD } from '../../src/cli/servers/pattern.js';
import { openXdpNic } from '../../src/nic/open-xdp-nic.js';
import { labRss } from '../../src/nic/os/lab.js';
import { Rss } from '../../src/nic/rss.js';
import type { XdpNic } from '../../src/nic/xdp-nic.js';
import { replyBytes } from '../peers/reply.js';
import { Client, type Exchange, longestPayload } from './client.js';
import { ASK, type Job, type JobResult } from './job.js';
import { Sender } from './sender.js';
import { Steady, WINDOW_MS } from './steady.js';
import { addressNumber } from './wire.js';

/** How long opening may take before a load is measured that needs all of its connections. */
const OPENING_MS = 20_000;

const job = JSON.parse(process.argv[2]) as Job;

function exchangeOf({ mode, pipeline, underWay, request, replyBytes: reply, mtu }: Job): Exchange {
  const bytes = Buffer.from(request, 'latin1');
  if (bytes.length * pipeline > longestPayload(mtu))
    throw new Error('the requests do not fit into a segment');
  return {
    request: bytes,
    reply: reply === 0 ? undefined : Int16Array.from(replyBytes(reply)),
    pipeline,
    closes: mode === 'conn',
    silent: mode === 'idle',
    ...(underWay === undefined ? {} : { underWay }),
  };
}

/** One queue's share of the connections; each queue has addresses of its own. */
function makeLoad(nic: XdpNic, queue: number): Client | Sender {
  const ends = {
    ownMac: nic.capabilities.mac,
    peerMac: Buffer.from(job.serverMac.replaceAll(':', ''), 'hex'),
    own: addressNumber(job.client) + queue * perQueue,
    peer: addressNumber(job.server),
    mss: job.mtu - 40,
    ...(job.windowBytes === undefined ? {} : { windowBytes: job.windowBytes }),
  };
  const share = Math.ceil((job.connections - queue) / job.queues);
  if (job.mode !== 'sink') {
    const rss = job.queues > 1 ? Rss.of(labRss(job.lab)) : undefined;
    // What this queue sends arrives on the one of its number: those are the connections that belong to the core there.
    const accepts = (address: number, port: number): boolean => {
      return rss?.queueOfHash(rss.hashV4(address, ends.peer, port, job.port)) === queue;
    };
    const origin = { addresses: perQueue, ...(rss === undefined ? {} : { accepts }) };
    return new Client(nic, ends, job.port, share, exchangeOf(job), origin);
  }
  const pattern = replyBytes(PATTERN_PERIOD + ends.mss);
  return new Sender(nic, ends, job.port, share, pattern, PATTERN_PERIOD);
}

/** Opens all queues of the interface; the first one's program serves the others. */
function openQueues(): XdpNic[] {
  const addresses = Array.from({ length: job.addresses }, (_, i) => nextAddress(job.client, i));
  const nics: XdpNic[] = [];
  for (let queue = 0; queue < job.queues; queue++) {
    const shared = queue === 0 ? {} : { program: nics[0].program };
    nics.push(openXdpNic({ iface: job.iface, netns: job.netns, addresses, queue, ...shared }));
  }
  return nics;
}

function nextAddress(first: string, by: number): string {
  const bytes = first.split('.').map(Number);
  bytes[3] += by;
  return bytes.join('.');
}

const perQueue = job.addresses / job.queues;
const nics = openQueues();
const loads = nics.map(makeLoad);

function total(of: (load: Client | Sender) => number): number {
  let sum = 0;
  for (let i = 0; i < loads.length; i++) sum += of(loads[i]);
  return sum;
}
const open = (): number => total((load) => load.open);
const replies = (): number => total((load) => load.replies);

/** Spins for some time, or until `done`. Returns the share of the time that went into looks that found nothing. */
function spin(ms: number, done: () => boolean = () => false): number {
  const start = performance.now();
  let empty = 0;
  let now = start;
  while (now < start + ms) {
    let frames = 0;
    for (let i = 0; i < loads.length; i++) frames += loads[i].turn(now);
    const then = now;
    now = performance.now();
    if (frames === 0) empty += now - then;
    if (done()) break;
  }
  return empty / (now - start);
}

/** Loads the server until it is as fast as it will be; how long that took in ms. */
function warmUp(): number {
  const steady = new Steady(job.warmupMs, job.longestWarmupMs);
  const progress = (): number => (job.mode === 'sink' ? total((load) => load.bytes) : replies());
  const start = performance.now();
  for (;;) {
    const before = progress();
    const from = performance.now();
    spin(WINDOW_MS);
    const now = performance.now();
    if (steady.add((progress() - before) / (now - from), now - start)) return now - start;
  }
}

/** Measures what a piece of work makes of the counters. */
function measure(work: () => number, countOf: () => number, warmupMs = 0): JobResult {
  const errors = total((load) => load.errors);
  const resent = total((load) => load.resent);
  const before = countOf();
  const bytes = total((load) => load.bytes);
  for (const load of loads) load.latency.clear();
  const from = performance.timeOrigin + performance.now();
  const idle = work();
  const to = performance.timeOrigin + performance.now();
  const count = countOf() - before;
  const [first, ...others] = loads;
  for (const load of others) first.latency.addAll(load.latency);
  const { latency } = first;
  return {
    perSecond: (count * 1000) / (to - from),
    from,
    to,
    replies: count,
    bytes: total((load) => load.bytes) - bytes,
    errors: total((load) => load.errors) - errors,
    resent: total((load) => load.resent) - resent,
    idle,
    warmupMs,
    open: open(),
    latencyUs: {
      p50: latency.quantile(0.5),
      p99: latency.quantile(0.99),
      p999: latency.quantile(0.999),
      max: latency.max,
    },
  };
}

function tell(result: JobResult): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/** Opens connections that say nothing, and asks on each of them when it is told to. */
async function holdIdle(): Promise<void> {
  const { connections, durationMs } = job;
  tell(measure(() => spin(durationMs, () => open() >= connections), open));
  const keep = setInterval(() => spin(1), 20);
  process.stdin.setEncoding('utf8').on('data', (text: string) => {
    if (!text.includes(ASK)) return;
    for (const load of loads) if (load instanceof Client) load.askAll();
    const before = replies();
    tell(measure(() => spin(durationMs, () => replies() - before >= connections), replies));
  });
  await new Promise((resolve) => process.stdin.once('end', resolve));
  clearInterval(keep);
}

try {
  if (job.mode === 'idle') await holdIdle();
  else {
    if (job.mode === 'rpc') spin(OPENING_MS, () => open() >= job.connections);
    const warmupMs = warmUp();
    tell(measure(() => spin(job.durationMs), replies, warmupMs));
  }
  for (const load of loads) load.abort();
} finally {
  for (const nic of nics) nic.close();
}
