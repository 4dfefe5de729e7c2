// What a run of the benchmark is to do, and how long that will take.

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type BenchCase, CASES } from './cases.js';
import { KERNEL_WARMUP_MS } from './kernel-client.js';
import type { Times } from './measure.js';
import { otherCheckout, PEERS, type Peer, peersOf } from './peers.js';
import { PROGRAMS, type Program } from './programs.js';

// The whole of a full run is meant to end within 15 minutes, of a quick one within 2.
const FULL = { rounds: 5, warmupMs: 500, durationMs: 600 } as const;
const QUICK = { rounds: 3, warmupMs: 500, durationMs: 400 } as const;

/** A look at the machine, the start of server and generator, and their end, in ms. */
const OVERHEAD_MS = 620;
const LAB_MS = 400;
/** Connections that are opened in a millisecond. */
const OPENED_PER_MS = 20;
/** Memory comes to rest, twice; a soak warms up for longer. */
const RESTING_MS = 6000;
const SOAK_EXTRA_MS = 2000;

/** What is to be done. */
export interface Plan {
  readonly cases: readonly BenchCase[];
  readonly programs: readonly Program[];
  readonly peers: readonly Peer[];
  readonly rounds: number;
  readonly times: Times;
  readonly out: string;
  readonly compare: string | undefined;
  readonly docs: boolean;
}

function choose<T extends { readonly name: string }>(
  what: string,
  all: readonly T[],
  names: readonly string[],
): T[] {
  return names.map((name) => {
    const found = all.find((one) => one.name === name);
    if (found !== undefined) return found;
    throw new Error(`there is no ${what} "${name}": it is one of ${all.map((one) => one.name).join(', ')}`);
  });
}

/** Reads a command line. Throws an Error that says what is wrong with it. */
export function makePlan(args: readonly string[]): Plan {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      peers: { type: 'string' },
      out: { type: 'string', default: 'bench-results' },
      against: { type: 'string' },
      compare: { type: 'string' },
      docs: { type: 'boolean', default: false },
    },
  });
  const base = values.quick ? QUICK : FULL;
  const rounds = values.rounds === undefined ? base.rounds : Number(values.rounds);
  if (!(Number.isInteger(rounds) && rounds > 0)) throw new Error('--rounds is a whole number from 1');
  const usualPeers = PEERS.filter((peer) => !(values.quick && peer.isQuick === false));
  const chosen = values.peers === undefined ? usualPeers : choose('peer', PEERS, values.peers.split(','));
  const all: (BenchCase | Program)[] = [...CASES, ...PROGRAMS];
  const usual = all.filter(({ when }) => when === 'quick' || (when === 'full' && !values.quick));
  const work = positionals.length === 0 ? usual : choose('case', all, positionals);
  return {
    cases: work.filter((one): one is BenchCase => 'service' in one),
    programs: work.filter((one): one is Program => 'run' in one),
    peers: values.against === undefined ? chosen : [...chosen, otherCheckout(resolve(values.against))],
    rounds,
    times: base,
    out: values.out,
    compare: values.compare,
    docs: values.docs,
  };
}

/** It is run twice, for a second. */
const WRK_MS = 2200;

/** Rounds of a case; of one peer in it, when that is given. */
export function roundsOf({ rounds }: BenchCase, plan: Pick<Plan, 'rounds'>, peer?: Peer): number {
  return Math.min(rounds ?? plan.rounds, peer?.rounds ?? plan.rounds, plan.rounds);
}

/** How long a case will take, in ms. */
export function expectedMs(work: BenchCase, plan: Plan): number {
  const { peers, times } = plan;
  const opening = work.mode === 'conn' ? 0 : work.connections / OPENED_PER_MS;
  const warmupMs = work.client === 'kernel' ? KERNEL_WARMUP_MS : times.warmupMs;
  const loaded = work.soakMs === undefined ? times.durationMs : work.soakMs + SOAK_EXTRA_MS;
  const runs = peersOf(work, peers).reduce((sum, peer) => sum + roundsOf(work, plan, peer), 0);
  if (work.client === 'wrk') {
    return LAB_MS + runs * (OVERHEAD_MS + WRK_MS);
  }
  const each = work.mode === 'idle' ? RESTING_MS + 3 * opening : opening + warmupMs + loaded;
  return LAB_MS + runs * (OVERHEAD_MS + each);
}

/** How long all of it will take, in ms. */
export function expectedTotalMs(plan: Plan): number {
  const cases = plan.cases.reduce((sum, work) => sum + expectedMs(work, plan), 0);
  return plan.programs.reduce((sum, program) => sum + program.expectedMs, cases);
}

/** Minutes and seconds. */
export function clockText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
