// What the stack is meant to reach, as ratios to node:net in the same run, and whether it does.

import { lessIsBetter } from './cases.js';
import { limitStandings } from './limits.js';
import { meanLoad, NOISE_LIMIT, type Report } from './report/report.js';

/** One goal. */
export interface Goal {
  readonly case: string;
  readonly peer: 'mtcp' | 'mtcp-net';
  /** The peer, or the other case of the same peer, that is 1. */
  readonly of: string;
  readonly goal: number;
  /** What would be better than good. */
  readonly moonshot: number | undefined;
  readonly why: string;
}

/** The goals, in the order of the cases. */
export const GOALS: readonly Goal[] = [
  goal('conn', 'node', 5.5, 7.6, 'ahead of F-Stack; then of lwIP in C'),
  goal('ping', 'node', 0.6, undefined, 'half of the time is the wire'),
  goal('rpc', 'node', 3.5, 3.8, 'F-Stack; lwIP'),
  goal('rpc-1000', 'rpc', 0.85, 0.95, 'many connections cost no more than few'),
  goal('rpc-10000', 'rpc', 0.85, 0.95, 'many connections cost no more than few'),
  goal('http', 'node', 3.2, 5, 'ahead of nginx; then of epoll in C'),
  goal('rpc-8k', 'frames', 0.8, 0.95, 'the limit of the driver'),
  goal('rpc-8k-9000', 'frames', 0.8, 0.95, 'the limit of the driver'),
  ...['bulk-in', 'bulk-in-8', 'bulk-in-9000', 'bulk-in-9000-8', 'bulk-in-65535'].map((name) => {
    return goal(name, 'frames', 0.8, 0.95, 'the limit of the driver');
  }),
  goal('cores-2', 'cores-1', 1.8, 1.95, 'nothing is shared; the generator needs a third CPU'),
  { ...goal('conn', 'node', 2, undefined, 'streams are the cost'), peer: 'mtcp-net' },
  { ...goal('rpc', 'node', 1.5, undefined, 'streams are the cost'), peer: 'mtcp-net' },
  { ...goal('http', 'node', 1.3, undefined, 'streams are the cost'), peer: 'mtcp-net' },
];

function goal(name: string, of: string, least: number, moonshot: number | undefined, why: string): Goal {
  return { case: name, peer: 'mtcp', of, goal: least, moonshot, why };
}

/** How a goal stands. */
export interface Standing {
  readonly what: string;
  readonly wanted: string;
  readonly moonshot: string;
  readonly figure: string;
  /** A ratio that was taken while the CPUs were busy with other things says nothing either way. */
  readonly state: 'met' | 'not met' | 'not measured' | 'too noisy';
  readonly why: string;
}

/** Compares a report with the goals. */
export function standings(report: Report): Standing[] {
  return [...GOALS.map((one) => standingOf(one, report)), ...limitStandings(report)];
}

function medianOf({ cases }: Report, name: string, peer: string): number | undefined {
  return cases.find((one) => one.name === name)?.peers.find((one) => one.name === peer)?.spread?.median;
}

function standingOf({ case: name, peer, of, goal: least, moonshot, why }: Goal, report: Report): Standing {
  const known = report.cases.find((one) => one.name === name);
  const isLess = known !== undefined ? lessIsBetter(known) : name === 'ping';
  const isCase = report.cases.some((one) => one.name === of);
  const base = isCase ? medianOf(report, of, peer) : medianOf(report, name, of);
  const figure = medianOf(report, name, peer);
  const sign = isLess ? '≤' : '≥';
  const common = {
    what: `${name}, ${peer}`,
    wanted: `${sign} ${least} × ${of}`,
    moonshot: moonshot === undefined ? '' : `${sign} ${moonshot} ×`,
    why,
  };
  if (base === undefined || figure === undefined || base === 0) {
    return { ...common, figure: '', state: 'not measured' };
  }
  const ratio = figure / base;
  const isMet = isLess ? ratio <= least : ratio >= least;
  const state = meanLoad(report) > NOISE_LIMIT ? 'too noisy' : isMet ? 'met' : 'not met';
  return { ...common, figure: `${ratio.toFixed(2)} ×`, state };
}
