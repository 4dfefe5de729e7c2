// How flows of one congestion control come to share a bottleneck, for each control: figures, and a chart as SVG. In virtual time,
// so the same on every machine.
//
//     node build/bench/fairness.js [--out build/plots] [reno|cubic|bbr|dctcp …]

import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { CONTEST_PATH, CONTESTS, hold } from '../test/sim/contests.js';
import { drawChart } from './plot.js';

const MSS = 1448;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: 'string', default: 'build/plots' } },
});
mkdirSync(values.out, { recursive: true });
const { bandwidthBps = 0, delayUs = 0, queueFrames = 0 } = CONTEST_PATH;
const where = `${bandwidthBps / 1e6} Mbit/s, round trip ${(2 * delayUs) / 1000} ms, a queue of ${queueFrames} packets`;
for (const contest of CONTESTS) {
  const { control, path = {} } = contest;
  if (positionals.length > 0 && !positionals.includes(control)) continue;
  const { outcome, rates, jain } = hold(contest);
  const mbps = rates.map((rate) => (rate / 1e6).toFixed(1)).join(', ');
  const marks = path.markFrames === undefined ? '' : `, marked from ${path.markFrames} on`;
  const lines = (of: (point: (typeof outcome.flows)[number]['points'][number]) => number) =>
    outcome.flows.map(({ points }, i) => ({
      name: `flow ${i + 1}`,
      points: points.filter(({ cwnd }) => cwnd > 0).map((point) => [point.timeUs / 1e6, of(point)] as const),
    }));
  const file = `${values.out}/fairness-${control}.svg`;
  writeFileSync(
    file,
    drawChart({
      title: `Three flows of ${control}`,
      subtitle: `${where}${marks}. The last 20 s: ${mbps} Mbit/s, Jain's index ${jain.toFixed(3)}`,
      panels: [
        { axis: 'goodput, Mbit/s', lines: lines(({ goodputBps }) => goodputBps / 1e6) },
        { axis: 'cwnd, segments', lines: lines(({ cwnd }) => cwnd / MSS) },
        { axis: 'smoothed round trip, ms', lines: lines(({ srttUs }) => srttUs / 1000) },
      ],
    }),
  );
  const { dropped, retransmitted, timeouts } = outcome;
  console.log(
    `${control.padEnd(6)} ${mbps} Mbit/s, Jain's index ${jain.toFixed(3)}; dropped ${dropped}, sent again ${retransmitted}, timeouts ${timeouts}; ${file}`,
  );
}
