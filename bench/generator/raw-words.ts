// The load generator in C (bench/raw/load.c): which jobs it can do, and the words that it is given.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PATTERN_PERIOD } from '../../src/cli/servers/pattern.js';
import { netnsPath } from '../../src/nic/os/netns.js';
import { replyBytes } from '../peers/reply.js';
import type { Job } from './job.js';

/** Its frames hold no larger packets. */
const LARGEST_MTU = 1500;

/** Whether it can do a job: those of several queues, and of large packets, are left to the generator in TypeScript. */
export function isForRaw({ mtu, queues }: Pick<Job, 'mtu' | 'queues'>): boolean {
  return mtu <= LARGEST_MTU && queues === 1;
}

/** The words for it, behind its own name; what does not fit into a word goes into files of a folder. */
export function rawWords(job: Job, folder: string): string[] {
  const { mode, request, mtu, underWay = 0, windowBytes = 0 } = job;
  const reply = mode === 'sink' ? replyBytes(PATTERN_PERIOD + mtu - 40) : replyBytes(job.replyBytes);
  const file = join(folder, `load-${reply.length}`);
  if (reply.length > 0) writeFileSync(file, reply);
  const words = {
    mode,
    mac: job.serverMac.replaceAll(':', ''),
    server: job.server,
    port: job.port,
    addresses: job.addresses,
    connections: job.connections,
    pipeline: job.pipeline,
    underWay,
    window: windowBytes,
    pace: job.tellsPace ? 1 : 0,
    request: Buffer.from(request, 'latin1').toString('hex'),
    ...(reply.length > 0 ? { reply: file } : {}),
    warmupMs: job.warmupMs,
    longestWarmupMs: job.longestWarmupMs,
    durationMs: job.durationMs,
  };
  const place = ['load', job.iface, netnsPath(job.netns), 'auto', job.client];
  return [...place, ...Object.entries(words).map(([key, value]) => `${key}=${value}`)];
}
