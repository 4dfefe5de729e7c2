// A report as data: what is written as JSON, and what pages are made from.

import type { BenchCase } from '../cases.js';
import type { Machine } from '../machine.js';
import type { Run } from '../measure.js';
import { noiseOf, type Spread, spreadOf } from '../statistics.js';

/** One peer under one load. */
export interface PeerResult {
  readonly name: string;
  readonly title: string;
  /** Undefined when no run of it succeeded. */
  readonly spread: Spread | undefined;
  readonly runs: readonly Run[];
  /** Why runs failed, one sentence each. */
  readonly failures: readonly string[];
}

/** One load. */
export interface CaseResult extends Pick<BenchCase, 'name' | 'title' | 'unit'> {
  readonly peers: readonly PeerResult[];
}

/** A table of something else than cases. */
export interface ReportTable {
  readonly name: string;
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** The figures as they came. */
  readonly data?: unknown;
}

/** One run of the benchmark. */
export interface Report {
  readonly version: 1;
  /** When it began, ISO 8601. */
  readonly date: string;
  readonly rounds: number;
  readonly machine: Machine;
  /** In what the load generator is written; reports of before say nothing, and it was TypeScript. */
  readonly generator?: 'C' | 'TypeScript';
  /** Peers that were left out, and why. */
  readonly missing: Readonly<Record<string, string>>;
  readonly cases: readonly CaseResult[];
  /** What programs of their own have measured; reports of before have none. */
  readonly tables?: readonly ReportTable[];
}

/** What loads the servers, in words. */
export function generatorText({ generator = 'TypeScript' }: Pick<Report, 'generator'>): string {
  if (generator === 'TypeScript') return 'load generator on AF_XDP, in TypeScript,';
  return 'load generator on AF_XDP, in C (in TypeScript for packets beyond 1,500 bytes and several queues),';
}

/** A generator that waits for a smaller share of the time is at its own limit. */
const BUSY = 0.05;

/** Whether the generator hardly ever waited, in most runs. */
export function isGeneratorBound(runs: readonly Run[]): boolean {
  return runs.filter(({ load }) => load.idle < BUSY).length * 2 > runs.length;
}

/** More than this share between the least and the largest figure, or of a CPU busy with other things, is noise. */
export const NOISE_LIMIT = 0.3;

/** CPUs that were busy with other things, on average over all runs. */
export function meanLoad({ cases }: Report): number {
  const loads = cases.flatMap(({ peers }) =>
    peers.flatMap(({ runs }) => runs.map(({ otherLoad }) => otherLoad)),
  );
  return loads.length === 0 ? 0 : loads.reduce((sum, load) => sum + load, 0) / loads.length;
}

/** How far rounds of one server are apart in the median, in units of their median, of servers that had three or more. */
export function unsteadiness({ cases }: Report): number {
  const apart = cases.flatMap(({ peers }) =>
    peers.flatMap(({ spread, runs }) => (spread === undefined || runs.length < 3 ? [] : noiseOf(spread))),
  );
  return apart.length === 0 ? 0 : spreadOf(apart).median;
}
