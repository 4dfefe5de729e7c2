// What the stack is meant to reach, as ratios to node:net in the same run and as shares of the limit, and whether it does.

import { lessIsBetter } from './cases.js';
import { driverStandings } from './driver-goals.js';
import { limitStandings } from './limits.js';
import { isGeneratorBound, meanLoad, NOISE_LIMIT, type PeerResult, type Report } from './report/report.js';

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

/** What the goals call a limit, instead of a peer to be ahead of. */
const LIMITS = ['raw', 'frames'];
const SHARE = 'as a share of the limit in C';

/** The goals, in the order of the cases. Those by node:net stand beside those by the limit: node:net is not as fast everywhere. */
export const GOALS: readonly Goal[] = [
  goal('conn', 'node', 5.5, 7.6, 'ahead of F-Stack; then of lwIP in C'),
  goal('conn', 'raw', 0.6, 0.84, SHARE),
  goal('ping', 'node', 0.6, undefined, 'half of the time is the wire'),
  goal('ping', 'raw', 1.32, 1, SHARE),
  goal('rpc', 'node', 3.5, 3.8, 'F-Stack; lwIP'),
  goal('rpc', 'raw', 0.6, 0.66, SHARE),
  goal('rpc-1000', 'rpc', 0.85, 0.95, 'many connections cost no more than few'),
  goal('rpc-10000', 'rpc', 0.85, 0.95, 'many connections cost no more than few'),
  goal('http', 'node', 3.2, 5, 'ahead of nginx; then of epoll in C'),
  goal('rpc-8k', 'frames', 0.8, 0.95, 'the limit of the driver'),
  goal('rpc-8k', 'raw', 0.8, 0.95, SHARE),
  goal('rpc-8k-9000', 'frames', 0.8, 0.95, 'the limit of the driver'),
  ...['bulk-out', 'bulk-out-8', 'bulk-out-9000', 'bulk-out-65535'].map((name) => {
    return goal(name, 'frames', 0.8, 0.95, 'the limit of the driver');
  }),
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
  /**
   * A ratio that was taken while the CPUs were busy with other things says nothing either way; one to a limit that the generator held
   * back is too good, so that it cannot show that a goal is met.
   */
  readonly state: 'met' | 'not met' | 'not known' | 'not measured' | 'too noisy';
  readonly why: string;
}

/** Compares a report with the goals. */
export function standings(report: Report): Standing[] {
  return [
    ...GOALS.map((one) => standingOf(one, report)),
    ...driverStandings(report),
    ...limitStandings(report),
  ];
}

function peerOf({ cases }: Report, name: string, peer: string): PeerResult | undefined {
  return cases.find((one) => one.name === name)?.peers.find((one) => one.name === peer);
}

function standingOf({ case: name, peer, of, goal: least, moonshot, why }: Goal, report: Report): Standing {
  const known = report.cases.find((one) => one.name === name);
  const isLess = known !== undefined ? lessIsBetter(known) : name === 'ping';
  const isCase = report.cases.some((one) => one.name === of);
  const other = isCase ? peerOf(report, of, peer) : peerOf(report, name, of);
  const base = other?.spread?.median;
  const figure = peerOf(report, name, peer)?.spread?.median;
  // Then the limit is beyond what was measured.
  const isBound = LIMITS.includes(of) && other !== undefined && isGeneratorBound(other.runs);
  const sign = isLess ? '≤' : '≥';
  const common = {
    what: `${name}, ${peer}`,
    wanted: `${sign} ${least} × ${of}`,
    moonshot: moonshot === undefined ? '' : `${sign} ${moonshot} ×`,
    why: isBound ? `${why}; the generator held ${of} back, so our share is less than this` : why,
  };
  if (base === undefined || figure === undefined || base === 0) {
    return { ...common, figure: '', state: 'not measured' };
  }
  const ratio = figure / base;
  const isMet = isLess ? ratio <= least : ratio >= least;
  const met = isBound ? 'not known' : 'met';
  const state = meanLoad(report) > NOISE_LIMIT ? 'too noisy' : isMet ? met : 'not met';
  return { ...common, figure: `${ratio.toFixed(2)} ×`, state };
}
