// Prints what flows over one bottleneck do, interval by interval, for plots of convergence and fairness: one JSON object a line, then
// a line with the sums. Simulated in virtual time (test/sim/flows.ts), so the same everywhere.
//
//   node build/bench/flows.js --bandwidth 100e6 --rtt 50 --queue 417 --loss 0 --seconds 30 bbr cubic@2 cubic@4
//
// A flow is the name of its congestion control, and after an @ the second at which it begins.

import { parseArgs } from 'node:util';
import { jainIndex, meanGoodput, runFlows } from '../test/sim/flows.js';

const SECOND = 1_000_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bandwidth: { type: 'string', default: '100e6' },
    rtt: { type: 'string', default: '50' },
    queue: { type: 'string', default: '417' },
    loss: { type: 'string', default: '0' },
    seconds: { type: 'string', default: '30' },
    interval: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
  },
});
const flows = (positionals.length === 0 ? ['bbr', 'cubic'] : positionals).map((text) => {
  const [control, start = '0'] = text.split('@');
  return { control, startUs: Math.round(Number(start) * SECOND) };
});
const seconds = Number(values.seconds);
const outcome = runFlows({
  path: {
    bandwidthBps: Number(values.bandwidth),
    delayUs: Math.round(Number(values.rtt) * 500),
    queueFrames: Number(values.queue),
    loss: Number(values.loss),
  },
  flows,
  lengthUs: seconds * SECOND,
  intervalUs: Math.round(Number(values.interval) * 1000),
  seed: Number(values.seed),
  sysctl: { tcp_rmem: '4096 131072 134217728', tcp_wmem: '4096 65536 67108864' },
});
for (const [flow, { control, points }] of outcome.flows.entries()) {
  for (const point of points) console.log(JSON.stringify({ flow, control, ...point }));
}
const later = (seconds * SECOND) / 3;
const goodputBps = outcome.flows.map((flow) => Math.round(meanGoodput(flow, later, seconds * SECOND)));
const { dropped, retransmitted, timeouts } = outcome;
const summary = { goodputBps, jain: jainIndex(goodputBps), dropped, retransmitted, timeouts };
console.log(JSON.stringify(summary));
