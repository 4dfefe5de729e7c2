// The packet driver of this package at work, as a process with the words of bench/raw/main.c:
//
//     driver rxdrop|l2fwd|txonly IFACE NETNS MODE ADDRESS SECONDS FRAME
//     driver generate IFACE NETNS MODE ADDRESS FRAME

import { setImmediate as nextTurn } from 'node:timers/promises';
import { GCProfiler } from 'node:v8';
import { openXdpNic, type XdpMode } from '../../src/nic/open-xdp-nic.js';
import type { XdpNic } from '../../src/nic/xdp-nic.js';
import { drop, type PacketCase, sendBurst, TURNS, type Turn } from './turns.js';

const WARMUP_MS = 1000;
/** Turns between two looks at the clock. */
const LOOK = 256;

/** What came of one run, in either language. */
export interface PacketRun {
  readonly case: PacketCase;
  readonly mode: string;
  readonly mpps: number;
  /** Share of the turns that found nothing: near 1, the sender was the limit. */
  readonly empty: number;
  /** Bytes of garbage. */
  readonly bytesPerPacket: number;
  readonly statistics: Record<string, number>;
}

/** Counts for some seconds what a turn moves, and what it leaves for the collector. */
function measure(name: PacketCase, nic: XdpNic, seconds: number, frame: Int32Array): PacketRun {
  const turn: Turn = TURNS[name];
  const run = (ms: number) => {
    const start = performance.now();
    let packets = 0;
    let turns = 0;
    let empty = 0;
    let elapsed = 0;
    while (elapsed < ms) {
      for (let i = 0; i < LOOK; i++) {
        const count = turn(nic, frame);
        packets += count;
        if (count === 0) empty++;
      }
      turns += LOOK;
      elapsed = performance.now() - start;
    }
    return { packets, turns, empty, elapsed };
  };
  run(WARMUP_MS);
  globalThis.gc?.();
  const profiler = new GCProfiler();
  profiler.start();
  const heap = process.memoryUsage().heapUsed;
  const { packets, turns, empty, elapsed } = run(seconds * 1000);
  // Without a collection in between, what the heap grew by is what was allocated.
  const grown = process.memoryUsage().heapUsed - heap;
  if (profiler.stop().statistics.length > 0)
    throw new Error('a garbage collection ran: give --min-semi-space-size=256');
  return {
    case: name,
    mode: nic.capabilities.mode,
    mpps: packets / elapsed / 1000,
    empty: empty / turns,
    bytesPerPacket: grown / packets,
    statistics: nic.statistics(),
  };
}

/** The other end: sends as fast as it can and drops what comes back, until it is told to end. */
async function generate(nic: XdpNic, frame: Int32Array): Promise<void> {
  let isOver = false;
  process.once('SIGTERM', () => {
    isOver = true;
  });
  process.stdout.write('ready\n');
  while (!isOver) {
    for (let i = 0; i < LOOK; i++) {
      sendBurst(nic, frame);
      while (drop(nic) > 0);
    }
    await nextTurn();
  }
}

const [job, iface, netns, mode, address, ...rest] = process.argv.slice(2);
const nic = openXdpNic({ iface, netns, mode: mode as XdpMode, addresses: [address] });
const bytes = Uint8Array.from(Buffer.from(rest.at(-1) ?? '', 'hex'));
const frame = new Int32Array(bytes.buffer);
if (job === 'generate') await generate(nic, frame);
else process.stdout.write(`${JSON.stringify(measure(job as PacketCase, nic, Number(rest[0]), frame))}\n`);
nic.close();
process.exit(0);
