// What a run of the benchmark is to do, and how long that will take.

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type BenchCase, CASES } from './cases.js';
import { otherCheckout, PEERS, type Peer, peersOf } from './peers.js';
import { PROGRAMS, type Program } from './programs.js';
import { AGAIN, type StandTimes } from './stand.js';

const FULL = { rounds: 5, firstWarmupMs: 1000, durationMs: 600 } as const;
// Fewer rounds rather than servers that V8 has not compiled yet.
const QUICK = { rounds: 2, firstWarmupMs: 700, durationMs: 400 } as const;
/** In how many ms all of a full run is meant to end, and of a quick one: 15 minutes and 2, and a little less. */
const FULL_BUDGET_MS = 14.6 * 60_000;
const QUICK_BUDGET_MS = 104_000;
/** No server warms up for longer, in ms. */
const LONGEST_WARMUP_MS = 3000;

/** A look at the machine, the start of the generator, and its end, in ms. */
const OVERHEAD_MS = 300;
/** A lab and a server, made and ended. */
const STAND_MS = 450;
/** Connections that are opened in a millisecond. */
const OPENED_PER_MS = 20;
/** Memory comes to rest, twice; a soak warms up for longer, and the machine is watched after it. */
const RESTING_MS = 6000;
const SOAK_EXTRA_MS = 14_000;

export type GeneratorName = 'c' | 'ts';

/** What is to be done. */
export interface Plan {
  readonly cases: readonly BenchCase[];
  readonly programs: readonly Program[];
  readonly peers: readonly Peer[];
  readonly rounds: number;
  readonly times: Omit<StandTimes, 'longestWarmupMs'>;
  /** Each round has servers of its own: two checkouts are compared, and what V8 makes of a program may differ from process to process. */
  readonly isFresh: boolean;
  /** In how many ms it is meant to end, when no cases, peers, rounds or another checkout were asked for. */
  readonly budgetMs: number;
  /** Which load generator is used; undefined for that in C where there is a compiler, otherwise that in TypeScript. */
  readonly generator: GeneratorName | undefined;
  readonly out: string;
  readonly compare: string | undefined;
  readonly docs: boolean;
}

function choose<T extends { readonly name: string }>(
  what: string,
  all: readonly T[],
  names: readonly string[],
): T[] {
  return [...new Set(names)].map((name) => {
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
      generator: { type: 'string' },
      compare: { type: 'string' },
      docs: { type: 'boolean', default: false },
    },
  });
  const base = values.quick ? QUICK : FULL;
  const isPart =
    positionals.length > 0 ||
    [values.rounds, values.peers, values.against].some((word) => word !== undefined);
  const { generator } = values;
  if (generator !== undefined && generator !== 'c' && generator !== 'ts')
    throw new Error('--generator is c or ts');
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
    isFresh: values.against !== undefined,
    budgetMs: isPart ? Number.POSITIVE_INFINITY : values.quick ? QUICK_BUDGET_MS : FULL_BUDGET_MS,
    generator,
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

/** Runs of a case: rounds of all its peers. */
function runsOf(work: BenchCase, plan: Plan): number {
  return peersOf(work, plan.peers).reduce((sum, peer) => sum + roundsOf(work, plan, peer), 0);
}

/** How many servers a case starts. */
function startsOf(work: BenchCase, plan: Plan, peers: readonly Peer[] = peersOf(work, plan.peers)): number {
  return peers.reduce((sum, peer) => sum + (plan.isFresh ? roundsOf(work, plan, peer) : 1), 0);
}

/** Those of them that are compiled while they run. */
function compiling(work: BenchCase, plan: Plan): number {
  // These have times of their own.
  if (work.client === 'wrk' || work.mode === 'idle' || work.soakMs !== undefined) return 0;
  return startsOf(
    work,
    plan,
    peersOf(work, plan.peers).filter(({ compiles }) => compiles),
  );
}

/** How long a case will take, in ms, when no server needs more than the least time to warm up. */
export function expectedMs(work: BenchCase, plan: Plan): number {
  const { times } = plan;
  const runs = runsOf(work, plan);
  const stands = STAND_MS * startsOf(work, plan) + times.firstWarmupMs * compiling(work, plan);
  if (work.client === 'wrk') return stands + runs * (OVERHEAD_MS + WRK_MS);
  const opening = work.mode === 'conn' ? 0 : work.connections / OPENED_PER_MS;
  const loaded = work.soakMs === undefined ? times.durationMs : work.soakMs + SOAK_EXTRA_MS;
  const warmupMs = work.client === 'kernel' ? AGAIN.longestWarmupMs : AGAIN.warmupMs;
  const each = work.mode === 'idle' ? RESTING_MS + 3 * opening : opening + warmupMs + loaded;
  return stands + runs * (OVERHEAD_MS + each);
}

/** How long all of it will take, in ms. */
export function expectedTotalMs(plan: Plan): number {
  const cases = plan.cases.reduce((sum, work) => sum + expectedMs(work, plan), 0);
  return plan.programs.reduce((sum, program) => sum + program.expectedMs, cases);
}

/** The same when every server needs the most time to warm up that it may have. */
export function longestTotalMs(plan: Plan): number {
  if (plan.budgetMs !== Number.POSITIVE_INFINITY) return Math.max(plan.budgetMs, expectedTotalMs(plan));
  const servers = plan.cases.reduce((sum, work) => sum + compiling(work, plan), 0);
  const runs = plan.cases.reduce((sum, work) => sum + runsOf(work, plan), 0);
  const again = runs * (AGAIN.longestWarmupMs - AGAIN.warmupMs);
  return expectedTotalMs(plan) + again + servers * (LONGEST_WARMUP_MS - plan.times.firstWarmupMs);
}

/**
 * How long a server may warm up, in ms, `elapsedMs` after the beginning and before the case of number `from`: what is left over of the
 * time for all is shared out among the servers that are compiled while they run.
 */
export function longestWarmupMs(plan: Plan, from: number, elapsedMs: number): number {
  const rest = plan.cases.slice(from);
  const servers = rest.reduce((sum, work) => sum + compiling(work, plan), 0);
  if (plan.budgetMs === Number.POSITIVE_INFINITY || servers === 0) return LONGEST_WARMUP_MS;
  const spareMs = Math.max(0, plan.budgetMs - elapsedMs - expectedTotalMs({ ...plan, cases: rest }));
  return Math.min(LONGEST_WARMUP_MS, Math.floor(plan.times.firstWarmupMs + spareMs / servers));
}

/** Minutes and seconds. */
export function clockText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
