// Flows of one kind share a bottleneck: how evenly, and how soon one that comes later has its part (Jain's index of the goodput).

import t from 'tap';
import { CONTESTS, hold } from './contests.js';
import { jainIndex, meanGoodput, runFlows } from './flows.js';

t.setTimeout(0);

const SECOND = 1_000_000;
const PATH = { bandwidthBps: 50_000_000, delayUs: 15_000 };

/** Runs flows that begin two seconds after each other, and returns the index of the last third of the time. */
function index(
  control: string,
  flows: number,
  queueFrames: number,
  seconds: number,
): { jain: number; sum: number } {
  const plans = Array.from({ length: flows }, (_, i) => ({ control, startUs: 2 * i * SECOND }));
  const outcome = runFlows({ path: { ...PATH, queueFrames }, flows: plans, lengthUs: seconds * SECOND });
  const rates = outcome.flows.map((flow) => meanGoodput(flow, (seconds * SECOND * 2) / 3, seconds * SECOND));
  return { jain: jainIndex(rates), sum: rates.reduce((total, rate) => total + rate, 0) / 1e6 };
}

for (const [control, queueFrames, least] of [
  ['reno', 125, 0.95],
  ['cubic', 125, 0.95],
  ['bbr', 125, 0.95],
  ['bbr', 500, 0.95],
] as const) {
  t.test(`two flows of ${control} and a queue of ${queueFrames} packets come to even parts`, async (t) => {
    const { jain, sum } = index(control, 2, queueFrames, 60);
    t.ok(jain >= least, `Jain's index ${jain.toFixed(3)}`);
    t.ok(sum >= 45, `${sum.toFixed(1)} Mbit/s together`);
  });
}

t.test('two flows of DCTCP come to even parts where the network marks, without a loss', async (t) => {
  const flows = [{ control: 'dctcp' }, { control: 'dctcp', startUs: 2 * SECOND }];
  const path = { ...PATH, queueFrames: 125, markFrames: 20 };
  const outcome = runFlows({ path, flows, lengthUs: 30 * SECOND, sysctl: { tcp_ecn: 3 } });
  const rates = outcome.flows.map((flow) => meanGoodput(flow, 15 * SECOND, 30 * SECOND));
  t.ok(jainIndex(rates) >= 0.95, `Jain's index ${jainIndex(rates).toFixed(3)}`);
  t.equal(outcome.dropped, 0);
});

t.test('two flows of BBR hear of marks, too', async (t) => {
  const flows = [{ control: 'bbr' }, { control: 'bbr', startUs: 2 * SECOND }];
  const path = { ...PATH, queueFrames: 250, markFrames: 40 };
  const outcome = runFlows({ path, flows, lengthUs: 30 * SECOND, sysctl: { tcp_ecn: 3 } });
  const rates = outcome.flows.map((flow) => meanGoodput(flow, 15 * SECOND, 30 * SECOND));
  t.ok(jainIndex(rates) >= 0.95, `Jain's index ${jainIndex(rates).toFixed(3)}`);
  const late = outcome.flows[0].points.filter(({ timeUs }) => timeUs > 15 * SECOND);
  const meanUs = late.reduce((sum, { srttUs }) => sum + srttUs, 0) / late.length;
  t.ok(
    meanUs < 40_000,
    `${meanUs.toFixed(0)} µs of round trip, 30,000 without a queue and 90,000 with a full one`,
  );
});

for (const control of ['reno', 'cubic', 'bbr']) {
  t.test(`four flows of ${control}`, async (t) => {
    const { jain, sum } = index(control, 4, 250, 60);
    t.ok(jain >= 0.9, `Jain's index ${jain.toFixed(3)}`);
    t.ok(sum >= 45, `${sum.toFixed(1)} Mbit/s together`);
  });
}

for (const contest of CONTESTS) {
  t.test(`three flows of ${contest.control}, ten seconds after each other`, async (t) => {
    const { jain, rates } = hold(contest);
    t.ok(jain >= contest.least, `Jain's index ${jain.toFixed(3)}`);
    const sum = rates.reduce((total, rate) => total + rate, 0) / 1e6;
    t.ok(sum >= 45, `${sum.toFixed(1)} Mbit/s together`);
  });
}

t.test('the index is 1 for even parts and 1/n for one that has everything', async (t) => {
  t.equal(jainIndex([3, 3, 3]), 1);
  t.equal(jainIndex([5, 0, 0, 0]), 0.25);
});
