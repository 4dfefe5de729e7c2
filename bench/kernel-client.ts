// The load generator in C on the kernel's TCP: compiled on the spot, and run where the generator of frames would sit.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LAB_PEER_INTERFACE, LAB_PREFIX, peerNamespace } from '../src/nic/os/lab.js';
import { Netlink } from '../src/nic/os/netlink.js';
import { inNetns } from '../src/nic/os/netns.js';
import { type BenchCase, requestOf } from './cases.js';
import { compileC } from './compile.js';
import type { JobResult } from './generator/job.js';
import type { Times } from './measure.js';
import { replyBytes } from './peers/reply.js';
import { addressOf, type Peer, PORT, type Workplace } from './peers.js';
import { runTool } from './processes.js';

/**
 * Addresses of a run, and those there are: enough ports that a run does not come around, and that the one which has the same addresses
 * again comes when TIME-WAIT is over.
 */
const ADDRESSES = 4;
const FIRST = 20;
const LAST = 220;
let next = FIRST;

/** Compiles the client into a folder, unless it is there; the path of the program. Throws when it cannot. */
export function compileKernelClient(folder: string): string {
  const program = join(folder, 'kernel-client');
  const reason = compileC('generator/kernel-client.c', program);
  if (reason !== undefined) throw new Error(`left out: ${reason}`);
  return program;
}

/** The words for it, behind its own name, when it sits at `client` and the addresses that follow. */
export function kernelClientWords(
  work: Pick<BenchCase, 'mode' | 'connections'>,
  request: string,
  replyFile: string,
  server: { readonly address: string; readonly port: number },
  client: { readonly address: string; readonly count: number },
  { warmupMs, durationMs }: Pick<Times, 'warmupMs' | 'durationMs'>,
): string[] {
  const from = [client.address, client.count, work.connections];
  return [work.mode, server.address, server.port, ...from, request, replyFile, warmupMs, durationMs].map(
    String,
  );
}

/** Loads a server, once. Throws when there is no compiler, or no reply. */
export async function measureKernelClient(
  work: BenchCase,
  peer: Peer,
  { lab, folder }: Workplace,
  times: Times,
): Promise<JobResult> {
  const program = compileKernelClient(folder);
  const replyFile = join(folder, `reply-${work.replyBytes}`);
  writeFileSync(replyFile, replyBytes(work.replyBytes));
  if (next + ADDRESSES > LAST) next = FIRST;
  const first = next;
  next += ADDRESSES;
  addAddresses(lab, first);
  const server = { address: addressOf(peer), port: PORT };
  const client = { address: `10.77.0.${first}`, count: ADDRESSES };
  // It does not look at its rate while it warms up.
  const fixed = { ...times, warmupMs: times.longestWarmupMs };
  const words = kernelClientWords(work, requestOf(work), replyFile, server, client, fixed);
  const load = JSON.parse(await runTool([program, ...words], peerNamespace(lab))) as JobResult;
  if (load.replies === 0) throw new Error(`no reply came to the client on the kernel: ${load.errors} errors`);
  return load;
}

/** Gives them to the kernel at the generator's end. */
function addAddresses(lab: string, first: number): void {
  inNetns(peerNamespace(lab), () => {
    const netlink = new Netlink();
    try {
      const index = netlink.link(LAB_PEER_INTERFACE)?.index ?? 0;
      for (let i = 0; i < ADDRESSES; i++) addAddress(netlink, index, Uint8Array.from([10, 77, 0, first + i]));
    } finally {
      netlink.close();
    }
  });
}

function addAddress(netlink: Netlink, index: number, address: Uint8Array): void {
  try {
    netlink.addAddress(index, address, LAB_PREFIX);
  } catch (error) {
    // After many rounds the same ones have their turn again.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
