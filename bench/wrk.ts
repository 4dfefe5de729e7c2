// wrk as the load: a client on the kernel's TCP, beside the generator of frames. It pays for the kernel on its own side, so that ratios
// are smaller; but nobody can say that the project has written it.

import { LAB_PEER_ADDRESS, peerNamespace } from '../src/nic/os/lab.js';
import type { BenchCase } from './cases.js';
import type { JobResult } from './generator/job.js';
import { addressOf, type Peer, PORT, type Workplace } from './peers.js';
import { runTool } from './processes.js';

/** It knows whole seconds only. */
const SECONDS = 1;
const UNITS: Readonly<Record<string, number>> = { us: 1, ms: 1000, s: 1_000_000 };

/** Loads a server twice, to warm it up and to measure. Throws when wrk is not there. */
export async function measureWrk(work: BenchCase, peer: Peer, { lab }: Workplace): Promise<JobResult> {
  const url = `http://${addressOf(peer)}:${PORT}/bytes/${work.replyBytes}`;
  const words = ['wrk', '-t1', `-c${work.connections}`, `-d${SECONDS}s`, '--latency', url];
  await runTool(words, peerNamespace(lab));
  const from = performance.timeOrigin + performance.now();
  const text = await runTool(words, peerNamespace(lab));
  return readWrk(text, from, performance.timeOrigin + performance.now());
}

/** Reads what wrk prints. */
export function readWrk(text: string, from: number, to: number): JobResult {
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0);
  const time = (what: string): number => {
    const found = new RegExp(`^\\s*${what}\\s+([\\d.]+)(us|ms|s)$`, 'm').exec(text);
    return found === null ? 0 : Number(found[1]) * UNITS[found[2]];
  };
  const perSecond = number(/^Requests\/sec:\s+([\d.]+)/m);
  if (perSecond === 0) throw new Error(`no reply came to wrk (from ${LAB_PEER_ADDRESS})`);
  const sockets =
    /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)?.slice(1) ?? [];
  const errors = sockets.reduce(
    (sum, count) => sum + Number(count),
    number(/Non-2xx or 3xx responses: (\d+)/),
  );
  const max = /^\s*Latency\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)\s/m.exec(text);
  return {
    perSecond,
    from,
    to,
    replies: number(/(\d+) requests in/),
    bytes: 0,
    errors,
    resent: 0,
    // It does not tell whether it was the limit.
    idle: 1,
    open: number(/and (\d+) connections/),
    latencyUs: {
      p50: time('50%'),
      p99: time('99%'),
      p999: time('99%'),
      max: max === null ? 0 : Number(max[1]) * UNITS[max[2]],
    },
  };
}
