// The load generator: a process of its own on an AF_XDP socket at the far end of the lab. It takes one job as its argument,
// spins until that is done, and prints the result as a line of JSON. For `idle` it prints when all connections are open, and
// keeps them until its standard input ends.

import { openXdpNic } from '../../src/nic/open-xdp-nic.js';
import { replyBytes } from '../peers/reply.js';
import { Client, type Exchange, longestPayload } from './client.js';
import type { Job, JobResult } from './job.js';
import { addressNumber } from './wire.js';

const job = JSON.parse(process.argv[2]) as Job;

function exchangeOf({ mode, pipeline, request, replyBytes: reply, mtu }: Job): Exchange {
  const bytes = Buffer.from(request, 'latin1');
  if (bytes.length * pipeline > longestPayload(mtu))
    throw new Error('the requests do not fit into a segment');
  return {
    request: bytes,
    reply: reply === 0 ? undefined : Int16Array.from(replyBytes(reply)),
    pipeline,
    closes: mode === 'conn',
    silent: mode === 'idle',
  };
}

const nic = openXdpNic({ iface: job.iface, netns: job.netns, addresses: [job.client] });
const ends = {
  ownMac: nic.capabilities.mac,
  peerMac: Buffer.from(job.serverMac.replaceAll(':', ''), 'hex'),
  own: addressNumber(job.client),
  peer: addressNumber(job.server),
  mss: job.mtu - 40,
};
const client = new Client(nic, ends, job.port, job.connections, exchangeOf(job));

/** Spins for some time, or until `done`. Returns the share of turns that found nothing. */
function spin(ms: number, done: () => boolean = () => false): number {
  const end = performance.now() + ms;
  let turns = 0;
  let empty = 0;
  for (let now = performance.now(); now < end; now = performance.now()) {
    turns++;
    if (client.turn(now) === 0) empty++;
    if (done()) break;
  }
  return empty / turns;
}

function result(seconds: number, replies: number, errors: number, resent: number, idle: number): JobResult {
  const { latency, open } = client;
  return {
    perSecond: replies / seconds,
    replies,
    errors,
    resent,
    idle,
    open,
    latencyUs: {
      p50: latency.quantile(0.5),
      p99: latency.quantile(0.99),
      p999: latency.quantile(0.999),
      max: latency.max,
    },
  };
}

function load(): JobResult {
  if (job.mode === 'rpc') spin(20_000, () => client.open >= job.connections);
  spin(job.warmupMs);
  const { replies, errors, resent } = client;
  client.latency.clear();
  const start = performance.now();
  const idle = spin(job.durationMs);
  const seconds = (performance.now() - start) / 1000;
  return result(seconds, client.replies - replies, client.errors - errors, client.resent - resent, idle);
}

try {
  if (job.mode === 'idle') {
    const start = performance.now();
    const idle = spin(job.durationMs, () => client.open >= job.connections);
    const seconds = (performance.now() - start) / 1000;
    process.stdout.write(
      `${JSON.stringify(result(seconds, client.open, client.errors, client.resent, idle))}\n`,
    );
    const keep = setInterval(() => spin(1), 20);
    await new Promise((resolve) => process.stdin.once('end', resolve).resume());
    clearInterval(keep);
  } else process.stdout.write(`${JSON.stringify(load())}\n`);
  client.abort();
} finally {
  nic.close();
}
