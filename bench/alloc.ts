// What the stack allocates in steady state, and how long it takes, without a driver and a kernel: peers that allocate nothing send
// segments through a Nic in memory, a server answers them, and the growth of the heap between two points without a garbage
// collection is divided by the packets. The time is that of the fastest piece of many: what else runs on the machine makes pieces
// slower, none faster. Run by `npm run bench:alloc`, all shapes or those that are named; needs `--expose-gc` and a young generation that
// holds the whole run.

import { writeSync } from 'node:fs';
import { GCProfiler } from 'node:v8';
import { widenInlining } from '../src/api/inlining.js';
import { echoRounds } from './memory/echo.js';
import { shortRounds } from './memory/short.js';
import type { Rounds } from './memory/stage.js';

interface Shape {
  readonly name: string;
  readonly connections: number;
  readonly payload: number;
  /** Units (messages or connections) for warming up, and as many that are measured. */
  readonly units: number;
  readonly make: (connections: number, payload: number) => Rounds;
}

/** Echoes on few connections and on more than any cache holds, and connections that are opened and closed. */
const SHAPES: readonly Shape[] = [
  { name: 'echo', connections: 1, payload: 64, units: 200_000, make: echoRounds },
  { name: 'echo', connections: 64, payload: 64, units: 200_000, make: echoRounds },
  { name: 'echo', connections: 64, payload: 1448, units: 200_000, make: echoRounds },
  { name: 'many', connections: 10_000, payload: 64, units: 400_000, make: echoRounds },
  { name: 'short', connections: 96, payload: 64, units: 60_000, make: shortRounds },
];

/** Pieces that are timed. */
const PIECES = 100;

/** What is told of a shape. */
export interface AllocResult {
  readonly name: string;
  readonly connections: number;
  readonly payload: number;
  readonly packets: number;
  readonly bytesPerPacket: number;
  /** For a message and its echo, or a connection. */
  readonly bytesPerUnit: number;
  /** As above; what the peer does is part of it. */
  readonly nsPerUnit: number;
}

/** Runs `units` twice and measures the second half. */
function measure({ name, connections, payload, make }: Shape, units: number): AllocResult {
  const { round, unitsPerRound, check, stage } = make(connections, payload);
  const piece = Math.ceil(units / unitsPerRound / PIECES);
  for (let i = 0; i < PIECES * piece; i++) round();
  globalThis.gc?.();
  // An observer of performance entries would be told later.
  const profiler = new GCProfiler();
  profiler.start();
  const segmentsBefore = stage.segments;
  const before = process.memoryUsage().heapUsed;
  mark('steady');
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < PIECES; i++) {
    const start = performance.now();
    for (let j = 0; j < piece; j++) round();
    least = Math.min(least, performance.now() - start);
  }
  mark('over');
  const grown = process.memoryUsage().heapUsed - before;
  if (profiler.stop().statistics.length > 0 || grown < 0)
    throw new Error('a garbage collection ran: give --min-semi-space-size=256');
  check(2 * PIECES * piece);
  const packets = stage.segments - segmentsBefore;
  stage.mctx.destroy();
  return {
    name,
    connections,
    payload,
    packets,
    bytesPerPacket: grown / packets,
    bytesPerUnit: grown / (PIECES * piece * unitsPerRound),
    nsPerUnit: (least * 1e6) / (piece * unitsPerRound),
  };
}

/** With --marks, says where the measured part begins and ends, among what V8 tells of itself (--trace-deopt). */
function mark(word: string): void {
  if (process.argv.includes('--marks')) writeSync(1, `\n[mark ${word}]\n`);
}

// As mtcp_init does.
widenInlining();
const wanted = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const results = SHAPES.filter(({ name }) => wanted.length === 0 || wanted.includes(name)).map((shape) => {
  // The first run of a shape warms the code up.
  measure(shape, shape.units / 4);
  return measure(shape, shape.units);
});
if (process.argv.includes('--json')) console.log(JSON.stringify(results));
else console.table(results);
