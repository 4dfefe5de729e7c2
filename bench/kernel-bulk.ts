// What the kernel carries over the same veth pair to itself, by iperf3, with its offloads and without: with them it moves 64 KiB at a
// time, which no stack on AF_XDP reaches there, and the report is to say so.

import { setFeature } from '../src/nic/os/ethtool.js';
import {
  LAB_PEER_INTERFACE,
  LAB_STACK_INTERFACE,
  LAB_STACK_KERNEL_ADDRESS,
  labDown,
  labUp,
  peerNamespace,
  stackNamespace,
} from '../src/nic/os/lab.js';
import { inNetns } from '../src/nic/os/netns.js';
import { PORT } from './peers.js';
import { runTool, startServer } from './processes.js';
import type { Program } from './programs.js';

const MTUS = [1500, 9000];
const SECONDS = 1;
/** TCP's slow start is left out. */
const OMIT_SECONDS = 1;

/** One figure. */
interface BulkResult {
  readonly mtu: number;
  readonly offloads: boolean;
  readonly inGbps: number;
  readonly outGbps: number;
}

interface IperfOutput {
  readonly end: { readonly sum_received: { readonly bits_per_second: number } };
}

async function carry(lab: string, ...more: string[]): Promise<number> {
  const where = ['-p', `${PORT}`];
  const server = await startServer('iperf3', ['iperf3', '-s', ...where], stackNamespace(lab), false);
  try {
    const times = ['-t', `${SECONDS}`, '-O', `${OMIT_SECONDS}`];
    const words = ['iperf3', '-c', LAB_STACK_KERNEL_ADDRESS, ...where, ...times, '-J', ...more];
    const { end } = JSON.parse(await runTool(words, peerNamespace(lab))) as IperfOutput;
    return end.sum_received.bits_per_second / 1e9;
  } finally {
    await server.end();
  }
}

function setOffloads(lab: string, on: boolean): void {
  for (const [namespace, iface] of [
    [stackNamespace(lab), LAB_STACK_INTERFACE],
    [peerNamespace(lab), LAB_PEER_INTERFACE],
  ]) {
    inNetns(namespace, () => {
      for (const feature of ['tso', 'gso', 'gro'] as const) setFeature(iface, feature, on);
    });
  }
}

async function measureMtu(mtu: number): Promise<BulkResult[]> {
  const lab = `mtcp-bench-iperf-${process.pid}`;
  const results: BulkResult[] = [];
  labUp({ name: lab, queues: 1, mtu });
  try {
    for (const offloads of [true, false]) {
      setOffloads(lab, offloads);
      results.push({ mtu, offloads, inGbps: await carry(lab), outGbps: await carry(lab, '-R') });
    }
  } finally {
    labDown(lab);
  }
  return results;
}

/** The kernel's own bulk. */
export const kernelBulk: Program = {
  name: 'kernel-bulk',
  when: 'full',
  expectedMs: 23_000,
  async run() {
    const results: BulkResult[] = [];
    for (const mtu of MTUS) results.push(...(await measureMtu(mtu)));
    return {
      name: 'kernel-bulk',
      title: 'From kernel to kernel by iperf3 over the same veth pair, one flow, Gbit/s',
      head: ['MTU', 'TSO, GSO, GRO', 'into the server', 'out of the server'],
      rows: results.map(({ mtu, offloads, inGbps, outGbps }) => {
        return [`${mtu}`, offloads ? 'on' : 'off', inGbps.toFixed(1), outGbps.toFixed(1)];
      }),
      data: results,
    };
  },
};
