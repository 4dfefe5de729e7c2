// One run: a server is started, loaded and ended; what comes of it is a figure.

import { LAB_PEER_INTERFACE, labStatus, peerNamespace, stackNamespace } from '../src/nic/os/lab.js';
import { type BenchCase, requestOf } from './cases.js';
import type { Job, JobResult } from './generator/job.js';
import { kernelBytes, otherLoad, residentBytes } from './machine.js';
import { addressOf, type Peer, PORT, type Workplace } from './peers.js';
import { type RunningServer, startJob, startServer } from './processes.js';

/** Addresses of the lab's network that nobody else has, one per run: what the last run left in TIME-WAIT is not met again. */
const FIRST_CLIENT = 20;
const CLIENTS = 200;
let runs = 0;
const LOOK_MS = 100;
const OPENING_MS = 30_000;

/** How long each run takes. */
export interface Times {
  readonly warmupMs: number;
  readonly durationMs: number;
}

/** What one run gave. */
export interface Run {
  /** In the unit of the case. */
  readonly figure: number;
  /** CPUs that were busy with something else just before. */
  readonly otherLoad: number;
  readonly startMs: number;
  readonly load: JobResult;
}

/** Measures one peer under one load, once. */
export async function measure(work: BenchCase, peer: Peer, place: Workplace, times: Times): Promise<Run> {
  const other = await otherLoad(LOOK_MS);
  const netns = peer.onKernel ? stackNamespace(place.lab) : undefined;
  const server = await startServer(peer.name, peer.command(work, place), netns, peer.name !== 'nginx');
  try {
    const job = jobOf(work, peer, place, times);
    const measured = work.mode === 'idle' ? await measureIdle(job, server) : await measureLoad(work, job);
    return { ...measured, otherLoad: other, startMs: server.startMs };
  } finally {
    await server.end();
  }
}

function jobOf(work: BenchCase, peer: Peer, { lab }: Workplace, times: Times): Job {
  return {
    netns: peerNamespace(lab),
    iface: LAB_PEER_INTERFACE,
    serverMac: labStatus(lab).stack.link?.mac ?? '',
    client: `10.77.0.${FIRST_CLIENT + (runs++ % CLIENTS)}`,
    server: addressOf(peer),
    port: PORT,
    mode: work.mode,
    connections: work.connections,
    pipeline: work.pipeline,
    request: requestOf(work),
    replyBytes: work.service === 'http' ? 0 : work.replyBytes,
    warmupMs: times.warmupMs,
    durationMs: work.mode === 'idle' ? OPENING_MS : times.durationMs,
    mtu: work.mtu,
  };
}

async function measureLoad(work: BenchCase, job: Job): Promise<Pick<Run, 'figure' | 'load'>> {
  const generator = startJob(job);
  try {
    const load = await generator.result;
    return { figure: figureOf(work, load), load };
  } finally {
    await generator.end();
  }
}

function figureOf({ unit, replyBytes }: BenchCase, { perSecond, latencyUs }: JobResult): number {
  if (unit === 'µs') return latencyUs.p50;
  return unit === 'Gbit/s' ? (perSecond * replyBytes * 8) / 1e9 : perSecond;
}

/** What process and kernel have taken for each connection; the generator's own memory does not count. */
async function measureIdle(job: Job, server: RunningServer): Promise<Pick<Run, 'figure' | 'load'>> {
  const process = residentBytes(server.pid);
  const kernel = kernelBytes();
  const generator = startJob(job);
  try {
    const load = await generator.result;
    const taken = residentBytes(server.pid) - process + Math.max(0, kernelBytes() - kernel);
    return { figure: taken / Math.max(1, load.open), load };
  } finally {
    await generator.end();
  }
}
