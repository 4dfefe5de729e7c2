// A million connections: crowds (scenario.ts) on all cores, every byte compared and every invariant checked at every step. Prints
// how far it has come, so that a run that was ended can go on from there, and the seeds of crowds that went wrong.
//
//     node build/test/sim/million.js [--connections 1000000] [--from 1] [--threads N]
//     node build/test/sim/million.js --from 17 --connections 1      # plays the crowd of seed 17 again

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { CROWD, makeCrowd } from './scenario.js';
import { type RunResult, simulate } from './simulation.js';

/** What a thread answers to a seed. */
interface Answer {
  readonly seed: number;
  readonly result?: RunResult;
  readonly error?: string;
}

const SUMS = ['connections', 'complete', 'lost', 'bytes', 'packets', 'retransmitted', 'turns'] as const;
/** Crowds that may go wrong before a run is given up. */
const PATIENCE = 5;
const REPORT_MS = 10_000;

function play(seed: number): Answer {
  try {
    return { seed, result: simulate(seed, false, makeCrowd) };
  } catch (error) {
    return { seed, error: error instanceof Error ? error.message : String(error) };
  }
}

/** Adds up what the crowds did. */
class Tally {
  readonly sums = Object.fromEntries(SUMS.map((name) => [name, 0])) as Record<(typeof SUMS)[number], number>;
  readonly errors = new Map<string, number>();
  readonly wrong: number[] = [];
  /** Every seed below this has been played. */
  next: number;
  private readonly ahead = new Set<number>();
  private readonly startedAt = performance.now();

  constructor(from: number) {
    this.next = from;
  }

  take({ seed, result, error }: Answer): void {
    this.ahead.add(seed);
    while (this.ahead.delete(this.next)) this.next++;
    if (error !== undefined) {
      this.wrong.push(seed);
      console.log(
        error.replaceAll('SIM_SEED=', 'million.js --connections 1 --from ').replace(' SIM_RUNS=1', ''),
      );
    }
    if (result === undefined) return;
    for (const name of SUMS) this.sums[name] += result[name];
    for (const [text, count] of Object.entries(result.errors))
      this.errors.set(text, (this.errors.get(text) ?? 0) + count);
  }

  line(): string {
    const seconds = (performance.now() - this.startedAt) / 1000;
    const { connections, packets } = this.sums;
    return `${connections} connections, ${packets} packets in ${seconds.toFixed(0)} s, ${(connections / seconds).toFixed(0)} per second; go on with --from ${this.next}`;
  }
}

function main(): void {
  const { values } = parseArgs({
    options: {
      connections: { type: 'string', default: '1000000' },
      from: { type: 'string', default: '1' },
      threads: { type: 'string', default: String(availableParallelism()) },
    },
  });
  const from = Number(values.from);
  const end = from + Math.ceil(Number(values.connections) / CROWD);
  const tally = new Tally(from);
  console.log(`crowds of ${CROWD} connections, seeds ${from} to ${end - 1}, ${values.threads} threads`);
  const timer = setInterval(() => console.log(tally.line()), REPORT_MS);
  let seed = from;
  let running = 0;
  const finish = (): void => {
    clearInterval(timer);
    console.log(tally.line());
    console.log(JSON.stringify(tally.sums));
    console.log(
      `lost to the network, by what both ends were told: ${JSON.stringify(Object.fromEntries(tally.errors))}`,
    );
    console.log(tally.wrong.length === 0 ? 'no crowd went wrong' : `WRONG: seeds ${tally.wrong.join(', ')}`);
    process.exitCode = tally.wrong.length === 0 ? 0 : 1;
  };
  for (let i = 0; i < Math.min(Number(values.threads), end - from); i++) {
    const worker = new Worker(new URL(import.meta.url));
    running++;
    const feed = (): void => {
      if (seed < end && tally.wrong.length < PATIENCE) worker.postMessage(seed++);
      else worker.terminate();
    };
    worker.on('message', (answer: Answer) => {
      tally.take(answer);
      feed();
    });
    worker.on('error', (error) => {
      console.log(error);
      process.exitCode = 1;
    });
    worker.on('exit', () => {
      if (--running === 0) finish();
    });
    feed();
  }
}

if (isMainThread) main();
else parentPort!.on('message', (seed: number) => parentPort!.postMessage(play(seed)));
