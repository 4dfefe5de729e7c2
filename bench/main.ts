// The benchmark: every case under every peer, interleaved, in a lab that it makes and removes.
//
//     npm run bench -- [CASE…] [--quick] [--rounds N] [--peers A,B] [--out DIR] [--against DIR]
//         [--compare FILE] [--docs] [--generator c|ts]

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LabError, labDown } from '../src/nic/os/lab.js';
import type { BenchCase } from './cases.js';
import { compare, compareCheckouts } from './compare.js';
import { compileC } from './compile.js';
import { standings } from './goals.js';
import { describeMachine } from './machine.js';
import type { Run } from './measure.js';
import { type Peer, peersOf, type Workplace } from './peers.js';
import {
  clockText,
  expectedTotalMs,
  longestTotalMs,
  longestWarmupMs,
  makePlan,
  type Plan,
  roundsOf,
} from './plan.js';
import { toHtml } from './report/html.js';
import { loadSentence, toMarkdown } from './report/markdown.js';
import type { CaseResult, PeerResult, Report, ReportTable } from './report/report.js';
import { labOf, Stand, type StandTimes } from './stand.js';
import { shorten, spreadOf } from './statistics.js';

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

/** The load generator in C, unless that in TypeScript is asked for, or there is no compiler and nobody has asked for it in C. */
function compileGenerator(plan: Plan, folder: string): string | undefined {
  if (plan.generator === 'ts') return undefined;
  // That of the peer `raw`.
  const program = join(folder, 'raw');
  const reason = compileC('raw', program);
  if (reason === undefined) return program;
  if (plan.generator === 'c') throw new Error(`the load generator in C: ${reason}`);
  console.log(`The load generator is that in TypeScript: ${reason}`);
  return undefined;
}

/** A report of before, read before anything is measured. */
function readReport(path: string): Report {
  const report = JSON.parse(readFileSync(path, 'utf8')) as Partial<Report>;
  if (!Array.isArray(report.cases)) throw new Error(`${path} is no report of the benchmark`);
  return report as Report;
}

/** Runs one case: all peers in each round, so that what else the machine does meets all of them. */
async function runCase(
  work: BenchCase,
  peers: readonly Peer[],
  place: Workplace,
  plan: Plan,
  times: StandTimes,
): Promise<CaseResult> {
  const runs = new Map<Peer, Run[]>(peers.map((peer) => [peer, []]));
  const failures = new Map<Peer, string[]>(peers.map((peer) => [peer, []]));
  const stands: Stand[] = [];
  try {
    for (const peer of peers)
      stands.push(new Stand(work, peer, roundsOf(work, plan, peer), plan.isFresh, place));
    while (!stands.every(({ isDone }) => isDone)) {
      for (const stand of stands.filter(({ isDone }) => !isDone)) {
        try {
          runs.get(stand.peer)?.push(await stand.measure(times));
        } catch (error) {
          failures.get(stand.peer)?.push((error as Error).message);
        }
      }
    }
  } finally {
    for (const stand of stands) await stand.close().catch(tell);
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
    if (reason !== undefined) {
      missing[peer.name] = reason;
      console.log(`${peer.name} is left out: ${reason}`);
    }
    return reason === undefined;
  });
  const planned = { ...plan, peers };
  const count = plan.cases.length + plan.programs.length;
  const [total, most] = [expectedTotalMs(planned), longestTotalMs(planned)].map(clockText);
  console.log(
    `${count} cases, ${plan.rounds} rounds: ${total} minutes, up to ${most} where servers warm up slowly`,
  );
  const date = new Date().toISOString();
  const start = performance.now();
  let done = 0;
  const tell = (line: string): void => {
    console.log(`[${++done} of ${count}, ${clockText(performance.now() - start)} of ${most}] ${line}`);
  };
  const cases: CaseResult[] = [];
  for (const [i, work] of plan.cases.entries()) {
    const times = { ...plan.times, longestWarmupMs: longestWarmupMs(planned, i, performance.now() - start) };
    const result = await runCase(work, peersOf(work, peers), place, planned, times);
    cases.push(result);
    tell(progress(result));
  }
  const tables: ReportTable[] = [];
  for (const { name, run: runProgram } of plan.programs) {
    try {
      const table = await runProgram();
      tables.push(table);
      tell(`${name}: ${table.rows.map((cells) => cells.join(' ')).join(', ')}`);
    } catch (error) {
      missing[name] = (error as Error).message;
      tell(`${name}: failed (${missing[name]})`);
    }
  }
  const machine = describeMachine();
  const generator = place.generator === undefined ? 'TypeScript' : 'C';
  return { version: 1, date, rounds: plan.rounds, machine, generator, missing, cases, tables };
}

function write(report: Report): void {
  mkdirSync(plan.out, { recursive: true });
  const base = join(plan.out, report.date.replaceAll(/[:.]/g, '-'));
  writeFileSync(`${base}.json`, `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(`${base}.html`, toHtml(report));
  if (plan.docs) {
    writeFileSync(fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url)), toMarkdown(report));
  }
  console.log(`\n${loadSentence(report)}`);
  for (const { what, wanted, figure, state } of standings(report)) {
    if (state !== 'not measured') console.log(`${what}: ${figure}, the goal is ${wanted}: ${state}`);
  }
  console.log(`${base}.json, ${base}.html`);
}

const plan = orTell(2, () => makePlan(process.argv.slice(2)));
const { compare: earlier } = plan;
const before = earlier === undefined ? undefined : orTell(1, () => readReport(earlier));
const folder = mkdtempSync(join(tmpdir(), 'mtcp-bench-'));
const lab = `mtcp-bench-${process.pid}`;
process.once('exit', () => {
  for (const peer of plan.peers) {
    try {
      labDown(labOf(lab, peer));
    } catch (error) {
      // Whoever may not make a lab may not remove one: that has been told.
      if (!(error instanceof LabError)) throw error;
    }
  }
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));
const place = { folder, lab, generator: orTell(1, () => compileGenerator(plan, folder)) };
try {
  const report = await run(plan, place);
  write(report);
  for (const line of compareCheckouts(report)) console.log(line);
  if (before !== undefined) for (const line of compare(before, report)) console.log(line);
} catch (error) {
  if (!isExpected(error)) throw error;
  tell(error);
  // Servers that are stopped would keep it waiting.
  process.exit(1);
}
