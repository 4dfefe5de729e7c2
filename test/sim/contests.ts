// Three flows of one congestion control that begin ten seconds after each other and share a bottleneck: `fairness.test.ts` asks how
// evenly the last twenty seconds are parted, `bench/fairness.ts` draws the whole minute.

import type { PathOptions } from '../../src/nic/path.js';
import { type FlowsOutcome, jainIndex, meanGoodput, runFlows } from './flows.js';

const SECOND = 1_000_000;

/** 50 Mbit/s, a round trip of 30 ms, and a queue that holds as much as the path. */
export const CONTEST_PATH: PathOptions = { bandwidthBps: 50_000_000, delayUs: 15_000, queueFrames: 125 };
export const CONTEST_SECONDS = 60;
const STARTS = [0, 10, 20];
/** What counts for the index. */
const SETTLED_SECONDS = 40;

export interface Contest {
  readonly control: string;
  /** The least index that the test takes. */
  readonly least: number;
  readonly path?: PathOptions;
  readonly sysctl?: Readonly<Record<string, number | string>>;
}

export const CONTESTS: readonly Contest[] = [
  { control: 'reno', least: 0.95 },
  { control: 'cubic', least: 0.95 },
  { control: 'bbr', least: 0.95 },
  // A queue that is marked early (RFC 8257 4.1); both ends must know DCTCP.
  {
    control: 'dctcp',
    least: 0.95,
    path: { markFrames: 20 },
    sysctl: { tcp_ecn: 1, tcp_congestion_control: 'dctcp' },
  },
];

export interface ContestResult {
  readonly outcome: FlowsOutcome;
  /** Goodput of each flow while all are settled, in bits per second. */
  readonly rates: readonly number[];
  readonly jain: number;
}

export function hold({ control, path = {}, sysctl = {} }: Contest): ContestResult {
  const outcome = runFlows({
    path: { ...CONTEST_PATH, ...path },
    flows: STARTS.map((start) => ({ control, startUs: start * SECOND })),
    lengthUs: CONTEST_SECONDS * SECOND,
    intervalUs: SECOND / 4,
    sysctl,
  });
  const [from, to] = [SETTLED_SECONDS * SECOND, CONTEST_SECONDS * SECOND];
  const rates = outcome.flows.map((flow) => meanGoodput(flow, from, to));
  return { outcome, rates, jain: jainIndex(rates) };
}
