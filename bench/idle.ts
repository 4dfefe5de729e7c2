// What an idle connection takes. Connections are opened, memory is read when it has come to rest, and then each of them is asked once:
// one that no longer answers has cost nothing.

import type { JobResult } from './generator/job.js';
import { kernelBytes, residentBytes } from './machine.js';
import type { RunningJob, RunningServer } from './processes.js';

/** Silence after which the stack has connections give up their blocks (src/stack/config.ts), and a little more. */
const SILENCE_MS = 2500;
/** Connections that it looks at in a millisecond, at least. */
const LOOKS_PER_MS = 60;
/** Memory has come to rest when it has not moved by more than this share for a number of looks. */
const STILL = 0.002;
const LOOK_MS = 250;
const LOOKS = 6;
const PATIENCE_MS = 20_000;

/** Memory for each connection, in bytes. */
export interface IdleMemory {
  readonly processBytes: number;
  readonly kernelBytes: number;
  /** Connections that were open, and those that answered afterwards. */
  readonly open: number;
  readonly answered: number;
  /** How long the opening took, and the asking, in ms. */
  readonly openingMs: number;
  readonly askingMs: number;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Resident memory once it has come to rest. */
async function restingBytes(pid: number): Promise<number> {
  let still = 0;
  let last = residentBytes(pid);
  for (const end = performance.now() + PATIENCE_MS; still < LOOKS && performance.now() < end; ) {
    await sleep(LOOK_MS);
    const now = residentBytes(pid);
    still = Math.abs(now - last) <= last * STILL ? still + 1 : 0;
    last = now;
  }
  return last;
}

/** What process and kernel take for each connection; the generator's own memory does not count. */
export async function measureIdle(
  server: RunningServer,
  start: () => RunningJob,
  collects: boolean,
): Promise<{ figure: number; load: JobResult; memory: IdleMemory }> {
  const collect = async (): Promise<void> => {
    if (collects) process.kill(server.pid, 'SIGUSR2');
    if (collects) await sleep(LOOK_MS);
  };
  await collect();
  const processBefore = await restingBytes(server.pid);
  const kernelBefore = kernelBytes();
  const generator = start();
  try {
    const opened = await generator.result;
    const { open } = opened;
    if (open === 0) throw new Error('no connection came about');
    if (collects) await sleep(SILENCE_MS + open / LOOKS_PER_MS);
    await collect();
    const processAfter = await restingBytes(server.pid);
    const kernelAfter = kernelBytes();
    const load = await generator.ask();
    const memory = {
      processBytes: (processAfter - processBefore) / open,
      kernelBytes: Math.max(0, kernelAfter - kernelBefore) / open,
      open,
      answered: load.replies,
      openingMs: opened.to - opened.from,
      askingMs: load.to - load.from,
    };
    const errors = opened.errors + load.errors;
    const resent = opened.resent + load.resent;
    return {
      figure: memory.processBytes + memory.kernelBytes,
      load: { ...load, errors, resent },
      memory,
    };
  } finally {
    await generator.end();
  }
}
