// What the machine is and what else it does, from /proc: a figure without them says nothing.

import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

/** Clock ticks of /proc per second, on every architecture that Node.js runs on. */
const TICKS_PER_S = 100;

/** What stands on top of a report. */
export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly congestion: string;
}

/** Describes the machine. */
export function describeMachine(): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model ?? 'unknown',
    cpus: processors.length,
    memoryGiB: Number((totalmem() / 2 ** 30).toFixed(1)),
    kernel: release(),
    node: process.version,
    congestion: readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'latin1').trim(),
  };
}

/** Measures how many CPUs are busy, while nothing of the benchmark runs. */
export async function otherLoad(ms: number): Promise<number> {
  const before = busyTicks();
  const start = performance.now();
  await new Promise((resolve) => setTimeout(resolve, ms));
  const seconds = (performance.now() - start) / 1000;
  return (busyTicks() - before) / TICKS_PER_S / seconds;
}

/** Ticks that all CPUs together have not been idle. */
function busyTicks(): number {
  const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'latin1')
    .split('\n')[0]
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return user + nice + system + irq + softirq + steal;
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return Number(kib) * 1024;
}

/** Memory that the kernel itself has taken: slabs that cannot be given back, in bytes. */
export function kernelBytes(): number {
  return Number(/^SUnreclaim:\s*(\d+)/m.exec(readFileSync('/proc/meminfo', 'latin1'))?.[1]) * 1024;
}
