// One run: a server is loaded; what comes of it is a figure.

import { LAB_PEER_INTERFACE, labStatus, peerNamespace } from '../src/nic/os/lab.js';
import { addressesOf, type BenchCase, requestOf } from './cases.js';
import type { Job, JobResult } from './generator/job.js';
import { type IdleMemory, measureIdle } from './idle.js';
import { measureKernelClient } from './kernel-client.js';
import { measureStops } from './machine-stops.js';
import { addressOf, type Peer, PORT, type Workplace } from './peers.js';
import { type RunningServer, startJob } from './processes.js';
import { readSoak, type Soak } from './soak.js';
import { measureWrk } from './wrk.js';

/** Addresses of the lab's network that nobody else has, one per run: what the last run left in TIME-WAIT is not met again. */
const FIRST_CLIENT = 20;
const CLIENTS = 200;
let nextClient = 0;
const OPENING_MS = 30_000;
const OPENING_MS_EACH = 0.15;
const SOAK_WARMUP_MS = 2000;

/** How long a run takes. */
export interface Times {
  /** The least and the most that a load warms up. */
  readonly warmupMs: number;
  readonly longestWarmupMs: number;
  readonly durationMs: number;
}

/** What one run gave. */
export interface Run {
  /** In the unit of the case. */
  readonly figure: number;
  /** CPUs that were busy with something else just before. */
  readonly otherLoad: number;
  /** Of the run before which the server was started. */
  readonly startMs?: number;
  readonly load: JobResult;
  /** Of a case of idle connections. */
  readonly memory?: IdleMemory;
  /** Of a case that lasts. */
  readonly soak?: Soak;
}

/** Measures one peer under one load, once. A soak ends the server, which tells then what it has watched. */
export async function measure(
  work: BenchCase,
  peer: Peer,
  place: Workplace,
  server: RunningServer,
  times: Times,
): Promise<Omit<Run, 'otherLoad' | 'startMs'>> {
  if (work.client !== 'frames') {
    const load = await (work.client === 'wrk' ? measureWrk : measureKernelClient)(work, peer, place, times);
    return { figure: load.perSecond, load };
  }
  const job = jobOf(work, peer, place, times);
  if (work.mode === 'idle') return measureIdle(server, () => startJob(job, place), peer.onNode);
  const measured = await measureLoad(work, job, place);
  if (work.soakMs === undefined) return measured;
  await server.end();
  const { pace, ...load } = measured.load;
  const machine = await measureStops().catch(() => undefined);
  return { ...measured, load, soak: readSoak(server.said(), measured.load, machine) };
}

function jobOf(work: BenchCase, peer: Peer, { lab }: Workplace, times: Times): Job {
  const addresses = addressesOf(work);
  if (nextClient + addresses > CLIENTS) nextClient = 0;
  const client = `10.77.0.${FIRST_CLIENT + nextClient}`;
  nextClient += addresses;
  return {
    netns: peerNamespace(lab),
    lab,
    iface: LAB_PEER_INTERFACE,
    serverMac: labStatus(lab).stack.link?.mac ?? '',
    client,
    addresses,
    server: addressOf(peer),
    port: PORT,
    mode: work.mode,
    queues: Math.max(1, work.cores),
    connections: work.connections,
    pipeline: work.pipeline,
    underWay: work.underWay,
    request: requestOf(work),
    replyBytes: work.service === 'http' ? 0 : work.replyBytes,
    windowBytes: work.windowBytes,
    warmupMs: work.soakMs === undefined ? times.warmupMs : SOAK_WARMUP_MS,
    longestWarmupMs: work.soakMs === undefined ? times.longestWarmupMs : SOAK_WARMUP_MS,
    durationMs:
      work.mode === 'idle'
        ? OPENING_MS + work.connections * OPENING_MS_EACH
        : (work.soakMs ?? times.durationMs),
    mtu: work.mtu,
    tellsPace: work.soakMs !== undefined,
  };
}

async function measureLoad(
  work: BenchCase,
  job: Job,
  place: Workplace,
): Promise<Pick<Run, 'figure' | 'load'>> {
  const generator = startJob(job, place);
  try {
    const load = await generator.result;
    if (load.replies === 0 && load.bytes === 0) throw new Error(nothing(load));
    return { figure: figureOf(work, load), load };
  } finally {
    await generator.end();
  }
}

function nothing({ open, errors, resent }: JobResult): string {
  return `no reply came: ${open} connections open, ${errors} errors, ${resent} segments sent again`;
}

function figureOf({ unit }: BenchCase, { perSecond, bytes, from, to, latencyUs }: JobResult): number {
  if (unit === 'µs') return latencyUs.p50;
  return unit === 'Gbit/s' ? (bytes * 8) / ((to - from) * 1e6) : perSecond;
}
