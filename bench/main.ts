// The benchmark: every case under every peer, interleaved, in a lab that it makes and removes.
//
//     npm run bench -- [CASE…] [--quick] [--rounds N] [--peers A,B] [--out DIR] [--against DIR]
//         [--compare FILE] [--docs]

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LabError, labDown, labUp } from '../src/nic/os/lab.js';
import { type BenchCase, CASES } from './cases.js';
import { compare, compareCheckouts } from './compare.js';
import { standings } from './goals.js';
import { describeMachine } from './machine.js';
import { measure, type Run, type Times } from './measure.js';
import { otherCheckout, PEERS, type Peer, type Workplace } from './peers.js';
import { toHtml } from './report/html.js';
import { loadSentence, toMarkdown } from './report/markdown.js';
import type { CaseResult, PeerResult, Report } from './report/report.js';
import { shorten, spreadOf } from './statistics.js';

const FULL = { rounds: 5, warmupMs: 500, durationMs: 1500 } as const;
const QUICK = { rounds: 3, warmupMs: 300, durationMs: 600 } as const;

interface Plan {
  readonly cases: readonly BenchCase[];
  readonly peers: readonly Peer[];
  readonly rounds: number;
  readonly times: Times;
}

const { values, positionals } = orTell(2, parseWords);

/** Does something that the user's words decide about; what is wrong with them is one sentence and the exit code. */
function orTell<T>(code: 1 | 2, work: () => T): T {
  try {
    return work();
  } catch (error) {
    tell(error, code === 2 ? '; `npx mtcp bench --help` tells how it is used' : '');
    process.exit(code);
  }
}

function tell(error: unknown, hint = ''): void {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}${hint}`);
}

/** Expected to happen: no privileges, no room, a file that is not there. Anything else is a defect, and keeps its trace. */
function isExpected(error: unknown): boolean {
  return error instanceof LabError || typeof (error as NodeJS.ErrnoException | undefined)?.code === 'string';
}

/** A report of before, read before anything is measured. */
function readReport(path: string): Report {
  const report = JSON.parse(readFileSync(path, 'utf8')) as Partial<Report>;
  if (!Array.isArray(report.cases)) throw new Error(`${path} is no report of the benchmark`);
  return report as Report;
}

function parseWords() {
  return parseArgs({
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

function makePlan(): Plan {
  const base = values.quick ? QUICK : FULL;
  const rounds = values.rounds === undefined ? base.rounds : Number(values.rounds);
  if (!(Number.isInteger(rounds) && rounds > 0)) throw new Error('--rounds is a whole number from 1');
  const usual = CASES.filter(({ quick }) => quick || !values.quick);
  const chosen = values.peers === undefined ? PEERS : choose('peer', PEERS, values.peers.split(','));
  return {
    cases: positionals.length === 0 ? usual : choose('case', CASES, positionals),
    peers: values.against === undefined ? chosen : [...chosen, otherCheckout(resolve(values.against))],
    rounds,
    times: base,
  };
}

/** Runs one case: all peers in each round, so that what else the machine does meets all of them. */
async function runCase(
  work: BenchCase,
  peers: readonly Peer[],
  place: Workplace,
  plan: Plan,
): Promise<CaseResult> {
  const runs = new Map<Peer, Run[]>(peers.map((peer) => [peer, []]));
  const failures = new Map<Peer, string[]>(peers.map((peer) => [peer, []]));
  labUp({ name: place.lab, queues: 1, mtu: work.mtu });
  try {
    for (let round = 0; round < plan.rounds; round++) {
      for (const peer of peers) {
        try {
          runs.get(peer)?.push(await measure(work, peer, place, plan.times));
        } catch (error) {
          failures.get(peer)?.push((error as Error).message);
        }
      }
    }
  } finally {
    labDown(place.lab);
  }
  const results = peers.map((peer): PeerResult => {
    const done = runs.get(peer) ?? [];
    const spread = done.length === 0 ? undefined : spreadOf(done.map(({ figure }) => figure));
    return { name: peer.name, title: peer.title, spread, runs: done, failures: failures.get(peer) ?? [] };
  });
  return { name: work.name, title: work.title, unit: work.unit, peers: results };
}

function progress({ name, unit, peers }: CaseResult): string {
  const figures = peers.map((peer) => {
    return `${peer.name} ${peer.spread === undefined ? `failed (${peer.failures[0]})` : shorten(peer.spread.median)}`;
  });
  return `${name} (${unit}): ${figures.join(', ')}`;
}

async function run(plan: Plan, place: Workplace): Promise<Report> {
  const missing: Record<string, string> = {};
  const peers = plan.peers.filter((peer) => {
    const reason = peer.prepare(place);
    if (reason !== undefined) missing[peer.name] = reason;
    return reason === undefined;
  });
  const date = new Date().toISOString();
  const cases: CaseResult[] = [];
  for (const work of plan.cases) {
    const result = await runCase(
      work,
      peers.filter((peer) => peer.serves(work)),
      place,
      plan,
    );
    cases.push(result);
    console.log(progress(result));
  }
  return { version: 1, date, rounds: plan.rounds, machine: describeMachine(), missing, cases };
}

function write(report: Report): void {
  mkdirSync(values.out, { recursive: true });
  const base = join(values.out, report.date.replaceAll(/[:.]/g, '-'));
  writeFileSync(`${base}.json`, `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(`${base}.html`, toHtml(report));
  if (values.docs) {
    writeFileSync(fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url)), toMarkdown(report));
  }
  console.log(`\n${loadSentence(report)}`);
  for (const { what, wanted, figure, state } of standings(report)) {
    if (state !== 'not measured') console.log(`${what}: ${figure}, the goal is ${wanted}: ${state}`);
  }
  console.log(`${base}.json, ${base}.html`);
}

const plan = orTell(2, makePlan);
const before = values.compare === undefined ? undefined : orTell(1, () => readReport(values.compare ?? ''));
const place = { folder: mkdtempSync(join(tmpdir(), 'mtcp-bench-')), lab: `mtcp-bench-${process.pid}` };
process.once('exit', () => {
  try {
    labDown(place.lab);
  } catch (error) {
    // Whoever may not make a lab may not remove one: that has been told.
    if (!(error instanceof LabError)) throw error;
  }
  rmSync(place.folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
try {
  const report = await run(plan, place);
  write(report);
  for (const line of compareCheckouts(report)) console.log(line);
  if (before !== undefined) for (const line of compare(before, report)) console.log(line);
} catch (error) {
  if (!isExpected(error)) throw error;
  tell(error);
  process.exitCode = 1;
}
