// Compares two reports by ratio, which is how a change is judged: the runs of both are on the same machine, close together.

import { lessIsBetter } from './cases.js';
import { meanLoad, NOISE_LIMIT, type Report } from './report/report.js';
import { noiseOf } from './statistics.js';

/** Lines that say how the second report stands to the first; a difference within the spread of either is called none. */
export function compare(before: Report, after: Report): string[] {
  const lines: string[] = [];
  // The peers took turns, but what comes and goes within a round has met one of them only.
  const isDisturbed = [before, after].some((report) => meanLoad(report) > NOISE_LIMIT);
  for (const now of after.cases) {
    const then = before.cases.find(({ name }) => name === now.name);
    for (const { name, spread } of now.peers) {
      const old = then?.peers.find((peer) => peer.name === name)?.spread;
      if (spread === undefined || old === undefined || old.median === 0) continue;
      const ratio = spread.median / old.median;
      const isNoise = Math.abs(ratio - 1) <= Math.max(noiseOf(old), noiseOf(spread)) / 2;
      const isBetter = ratio > 1 !== lessIsBetter(now);
      const difference = isDisturbed ? 'too noisy to tell' : isBetter ? 'better' : 'worse';
      const verdict = isNoise ? 'no difference beyond the spread' : difference;
      lines.push(`${now.name}, ${name}: ${ratio.toFixed(3)} × (${verdict})`);
    }
  }
  return lines;
}

/** The same for two checkouts in one report, whose runs took turns: how `mtcp` stands to `other`. */
export function compareCheckouts(report: Report): string[] {
  const cases = report.cases.map((work) => {
    const peers = work.peers
      .filter(({ name }) => name === 'other')
      .map((peer) => ({ ...peer, name: 'mtcp' }));
    return { ...work, peers };
  });
  return compare({ ...report, cases }, report);
}
