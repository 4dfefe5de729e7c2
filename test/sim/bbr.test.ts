// BBR on simulated paths (draft-ietf-ccwg-bbr-06): what it gets, how little it queues, and what it does when the path changes. All in
// virtual time, so the figures are the same on every machine. A payload of 1448 bytes makes a packet of 1500: the link's share is
// counted with headers, as the link does.

import t from 'tap';
import { type FlowPlan, type FlowsOutcome, meanGoodput, runFlows } from './flows.js';

t.setTimeout(0);

const SECOND = 1_000_000;
const LINK = { bandwidthBps: 100_000_000, delayUs: 25_000, queueFrames: 417 };
const BBR: readonly FlowPlan[] = [{ control: 'bbr' }];
const WIRE = 1500 / 1448;

/** Mbit/s of the link that a flow took between two times in seconds. */
function share({ flows }: FlowsOutcome, from: number, to: number, flow = 0): number {
  return (meanGoodput(flows[flow], from * SECOND, to * SECOND) * WIRE) / 1e6;
}

t.test(
  'a clean path of 100 Mbit/s and 50 ms is filled, without a queue but while it is being probed',
  async (t) => {
    const outcome = runFlows({ path: LINK, flows: BBR, lengthUs: 20 * SECOND });
    const used = share(outcome, 3, 20);
    // 2 % go to ProbeRTT (5.3.4.2) and 1 % to the margin of pacing (5.6.2).
    t.ok(used >= 95, `${used.toFixed(2)} Mbit/s of 100`);
    t.equal(outcome.timeouts, 0);
    const queued = outcome.flows[0].points.filter(
      ({ timeUs, srttUs }) => timeUs > 3 * SECOND && srttUs > 55_000,
    );
    const part = queued.length / 170;
    t.ok(part < 0.25, `more than 5 ms of queue for ${(part * 100).toFixed(0)} % of the time`);
  },
);

t.test('with 1 % of random loss it keeps 85 % of the link', async (t) => {
  const used = [1, 2, 3, 4].map((seed) =>
    share(runFlows({ path: { ...LINK, loss: 0.01 }, flows: BBR, lengthUs: 20 * SECOND, seed }), 3, 20),
  );
  const mean = used.reduce((sum, value) => sum + value, 0) / used.length;
  t.ok(mean >= 85, `${mean.toFixed(2)} Mbit/s of 100: ${used.map((value) => value.toFixed(1)).join(', ')}`);
});

t.test('1 Gbit/s and 100 ms are filled by one flow', async (t) => {
  const path = { bandwidthBps: 1_000_000_000, delayUs: 50_000, queueFrames: 8_333 };
  const sysctl = { tcp_rmem: '4096 131072 134217728', tcp_wmem: '4096 65536 67108864' };
  const outcome = runFlows({ path, sysctl, flows: BBR, lengthUs: 6 * SECOND });
  const used = share(outcome, 2, 5);
  t.ok(used >= 950, `${used.toFixed(1)} Mbit/s of 1000`);
  t.equal(outcome.timeouts, 0);
});

t.test('a buffer of a twentieth of the bandwidth-delay product is enough', async (t) => {
  const outcome = runFlows({ path: { ...LINK, queueFrames: 20 }, flows: BBR, lengthUs: 20 * SECOND });
  const used = share(outcome, 3, 20);
  t.ok(used >= 80, `${used.toFixed(2)} Mbit/s of 100`);
  t.ok(outcome.retransmitted < 1_000, `${outcome.retransmitted} of some 140,000 segments sent again`);
  t.equal(outcome.timeouts, 0);
});

t.test('every five seconds half of the window shows the round trip without a queue', async (t) => {
  const { flows } = runFlows({ path: LINK, flows: BBR, lengthUs: 17 * SECOND, intervalUs: 20_000 });
  const isLow = flows[0].points.map(({ timeUs, cwnd }) => timeUs > 3 * SECOND && cwnd < 400_000);
  const begins = flows[0].points
    .filter((_, i) => isLow[i] && !isLow[i - 1])
    .map(({ timeUs }) => timeUs / SECOND);
  t.equal(begins.length, 3, begins.join(', '));
  for (let i = 1; i < begins.length; i++) {
    const interval = begins[i] - begins[i - 1];
    t.ok(interval > 5 && interval < 6, `${interval.toFixed(2)} s`);
  }
  const low = isLow.filter((is) => is).length * 0.02;
  t.ok(low > 3 * 0.2 && low < 3 * 0.4, `${low.toFixed(2)} s in three times`);
});

t.test('a path that becomes five times as fast is found out', async (t) => {
  const outcome = runFlows({
    path: { ...LINK, bandwidthBps: 20_000_000 },
    flows: BBR,
    lengthUs: 20 * SECOND,
    changes: [{ atUs: 5 * SECOND, path: { bandwidthBps: 100_000_000 } }],
  });
  t.ok(share(outcome, 3, 5) >= 18, 'the slow path was filled');
  const used = share(outcome, 14, 20);
  t.ok(used >= 90, `${used.toFixed(2)} Mbit/s of 100`);
});

t.test(
  'a path that becomes slower is given way to, when two cycles of probing have forgotten what it was',
  async (t) => {
    const outcome = runFlows({
      path: LINK,
      flows: BBR,
      lengthUs: 25 * SECOND,
      changes: [{ atUs: 5 * SECOND, path: { bandwidthBps: 20_000_000 } }],
    });
    const used = share(outcome, 10, 25);
    t.ok(used >= 18, `${used.toFixed(2)} Mbit/s of 20`);
    const { points } = outcome.flows[0];
    const longest = Math.max(
      ...points.filter(({ timeUs }) => timeUs > 17 * SECOND).map(({ srttUs }) => srttUs),
    );
    t.ok(longest < 150_000, `a round trip of ${longest} µs at most, 50 ms without a queue`);
  },
);

t.test('a longer path is believed when ten seconds have passed', async (t) => {
  const outcome = runFlows({
    path: { ...LINK, delayUs: 10_000 },
    flows: BBR,
    lengthUs: 30 * SECOND,
    changes: [{ atUs: 3 * SECOND, path: { delayUs: 40_000 } }],
  });
  const { points } = outcome.flows[0];
  t.ok(points[25].modelRttUs < 37_000, `${points[25].modelRttUs} µs before`);
  t.ok(points[299].modelRttUs > 49_000, `${points[299].modelRttUs} µs in the end`);
  const used = share(outcome, 20, 30);
  t.ok(used >= 90, `${used.toFixed(2)} Mbit/s of 100`);
});

t.test('after two seconds without a path the rate is back at once', async (t) => {
  const outcome = runFlows({
    path: LINK,
    flows: BBR,
    lengthUs: 15 * SECOND,
    changes: [
      { atUs: 4 * SECOND, path: { loss: 1 } },
      { atUs: 6 * SECOND, path: { loss: 0 } },
    ],
  });
  t.ok(outcome.timeouts > 0, `${outcome.timeouts} timeouts`);
  const used = share(outcome, 9, 15);
  t.ok(used >= 90, `${used.toFixed(2)} Mbit/s of 100`);
});

t.test('a program that sends now and then gets the rate of the path at once, and loses little', async (t) => {
  // 1 MB every two seconds: 80 ms at 100 Mbit/s. What the application limits must not become the estimate of the path.
  const outcome = runFlows({
    path: { ...LINK, queueFrames: 100 },
    flows: [{ control: 'bbr', burstBytes: 1_000_000 }],
    lengthUs: 40 * SECOND,
    intervalUs: 2 * SECOND,
  });
  const { points } = outcome.flows[0];
  for (const { goodputBps } of points.slice(3))
    t.equal(goodputBps, 4_000_000, 'each burst arrives in its interval');
  const last = points[points.length - 1];
  t.ok(last.pacingRate > 80e6 / 8, `paced at ${((last.pacingRate * 8) / 1e6).toFixed(1)} Mbit/s`);
  t.ok(last.cwnd > 500_000, `a window of ${last.cwnd} bytes has been kept`);
  t.ok(outcome.dropped < 400, `${outcome.dropped} of 13,800 segments dropped by a queue of 100`);
});

t.test('beside CUBIC neither starves', async (t) => {
  const path = { bandwidthBps: 50_000_000, delayUs: 15_000, queueFrames: 250 };
  const outcome = runFlows({ path, flows: [...BBR, { control: 'cubic' }], lengthUs: 60 * SECOND });
  const [bbr, cubic] = [share(outcome, 20, 60), share(outcome, 20, 60, 1)];
  t.ok(bbr >= 10 && cubic >= 10, `BBR ${bbr.toFixed(1)} and CUBIC ${cubic.toFixed(1)} of 50 Mbit/s`);
  t.ok(bbr + cubic >= 47, 'together they fill it');
});

t.test('a sender that has its CPU only now and then keeps its rate', async (t) => {
  // Bursts that came late were left out; with losses the rate went down from round trip to round trip.
  for (const [awakeUs, asleepUs, loss, least] of [
    [0, 500, 0.01, 90],
    [2_000, 2_000, 0, 92],
    [2_000, 2_000, 0.01, 80],
    [50_000, 8_000, 0.01, 80],
  ] as const) {
    const naps = { awakeUs, asleepUs };
    const used = share(runFlows({ path: { ...LINK, loss }, flows: BBR, lengthUs: 10 * SECOND, naps }), 2, 10);
    const text = `${awakeUs} µs awake, ${asleepUs} µs not, ${loss * 100} % of loss`;
    t.ok(used >= least, `${used.toFixed(2)} Mbit/s of 100: ${text}`);
  }
});
