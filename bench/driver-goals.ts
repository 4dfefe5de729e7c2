// The goals of the packet driver: shares of what the same does in C, in the same rounds.

import type { Standing } from './goals.js';
import { type PacketCase, TURNS } from './packets/turns.js';
import type { PacketResult } from './packets.js';
import { meanLoad, NOISE_LIMIT, type Report } from './report/report.js';

const GOAL = 0.9;
const MOONSHOT = 0.97;
/** When so many turns find nothing, the sender is what is measured. */
const EMPTY = 0.5;

/** How they stand. */
export function driverStandings(report: Report): Standing[] {
  const results = report.tables?.find(({ name }) => name === 'packets')?.data;
  const known = (results ?? []) as readonly PacketResult[];
  return (Object.keys(TURNS) as PacketCase[]).map((name) => {
    return standingOf(
      name,
      known.find((one) => one.case === name),
      report,
    );
  });
}

function standingOf(name: PacketCase, result: PacketResult | undefined, report: Report): Standing {
  const isBound = result !== undefined && result.empty > EMPTY;
  const why = 'the packet driver, beside the same in C';
  const common = {
    what: `${name}, TypeScript`,
    wanted: `≥ ${GOAL} × C`,
    moonshot: `≥ ${MOONSHOT} ×`,
    why: isBound ? `${why}; the sender was the limit of both` : why,
  };
  // Reports of before have one figure, and none in C.
  if (result?.mppsInC === undefined) return { ...common, figure: '', state: 'not measured' };
  const ratio = result.mpps.median / result.mppsInC.median;
  const state = meanLoad(report) > NOISE_LIMIT ? 'too noisy' : ratio >= GOAL ? 'met' : 'not met';
  return { ...common, figure: `${ratio.toFixed(2)} ×`, state };
}
