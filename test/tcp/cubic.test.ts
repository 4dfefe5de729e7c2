// CUBIC and HyStart++ by their formulas: a window fed with one ACK for each segment, round trip by round trip, is compared with
// values that are computed here from the RFCs' equations and not from the code.

import t from 'tap';
import { Clock } from '../../src/stack/clock.js';
import { StackConfig } from '../../src/stack/config.js';
import type { TcpCore } from '../../src/stack/tcp/core.js';
import { cubic } from '../../src/stack/tcp/cubic.js';
import { AckReport } from '../../src/stack/tcp/recovery.js';
import { add } from '../../src/stack/tcp/seq.js';
import { Tcb } from '../../src/stack/tcp/tcb.js';

const MSS = 1000;
const UNLIMITED = 0x7fffffff;

/** A connection that is always limited by its window. */
class Path {
  readonly clock: Clock = new Clock();
  readonly config: StackConfig = new StackConfig();
  readonly core: TcpCore = { clock: this.clock, config: this.config } as unknown as TcpCore;
  readonly tcb: Tcb = new Tcb(0);
  readonly report: AckReport = new AckReport();
  readonly rttUs: number;

  constructor(segments: number, rttUs: number) {
    this.rttUs = rttUs;
    this.tcb.reset(this.config);
    this.tcb.snd.mss = MSS;
    this.tcb.cc.cwnd = segments * MSS;
    this.tcb.rtt.sample(rttUs, this.config);
    cubic.init(this.core, this.tcb);
  }

  get segments(): number {
    return this.tcb.cc.cwnd / MSS;
  }

  lose(): void {
    const { cc } = this.tcb;
    cubic.remember(this.core, this.tcb);
    cc.ssthresh = cubic.ssthresh(this.tcb, cc.cwnd);
    cc.cwnd = cc.ssthresh;
  }

  /** One round trip: a window of segments is acknowledged one by one, each with the round trip `rttOf` tells. */
  round(rttOf: (segment: number) => number = () => this.rttUs): void {
    const { tcb, clock, core } = this;
    const count = Math.floor(this.segments);
    const begin = clock.now;
    tcb.snd.nxt = add(tcb.snd.una, count * MSS);
    for (let i = 0; i < count; i++) {
      clock.set(begin + ((i + 1) * this.rttUs) / count);
      tcb.snd.una = add(tcb.snd.una, MSS);
      tcb.snd.nxt = add(tcb.snd.una, tcb.cc.cwnd);
      tcb.rtt.lastUs = rttOf(i);
      this.report.delivered = MSS;
      cubic.onAck(core, tcb, this.report);
    }
  }
}

t.test(
  'after a loss the window is 0.7 of what it was, and follows the cubic curve back and beyond',
  async (t) => {
    // RFC 9438 4.2: W(t) = 0.4 (t - K)^3 + Wmax, K = cbrt((Wmax - 0.7 Wmax) / 0.4); a round trip of 100 ms, where Reno is slower.
    const path = new Path(1000, 100_000);
    path.lose();
    t.equal(path.segments, 700);
    const k = Math.cbrt((1000 - 700) / 0.4);
    t.ok(Math.abs(k - 9.0856) < 0.001, 'K is 9.09 s');
    for (let round = 1; round <= 150; round++) {
      path.round();
      if (round % 15 !== 0) continue;
      // The epoch began with the first ACK, and the window is where the curve is a round trip later.
      const seconds = round * 0.1;
      const expected = 0.4 * (seconds - k) ** 3 + 1000;
      const error = Math.abs(path.segments - expected) / expected;
      t.ok(
        error < 0.015,
        `after ${seconds} s: ${path.segments.toFixed(1)}, the curve is at ${expected.toFixed(1)}`,
      );
    }
  },
);

t.test('a window that shrinks remembers less, so that others find room', async (t) => {
  // RFC 9438 4.7: Wmax = cwnd (1 + 0.7) / 2
  const path = new Path(100, 50_000);
  path.lose();
  t.equal(path.tcb.cubic?.wMax, 100);
  path.lose();
  t.equal(path.tcb.cubic?.wMax, 70 * 0.85);
  t.equal(path.segments, 49);
});

t.test('where Reno is faster CUBIC is as fast', async (t) => {
  // RFC 9438 4.3: 3 (1 - 0.7) / (1 + 0.7) = 0.529 segments in a round trip below the former window, one beyond it.
  const path = new Path(20, 10_000);
  path.lose();
  const alpha = (3 * 0.3) / 1.7;
  let before = path.segments;
  for (let round = 0; round < 9; round++) path.round();
  t.ok(
    Math.abs((path.segments - before) / 9 - alpha) < 0.06,
    `${(path.segments - before) / 9} in a round trip`,
  );
  while (path.segments < 21) path.round();
  before = path.segments;
  for (let round = 0; round < 9; round++) path.round();
  t.ok(Math.abs((path.segments - before) / 9 - 1) < 0.06, `${(path.segments - before) / 9} in a round trip`);
});

t.test('in a round trip the window grows by half at most', async (t) => {
  // RFC 9438 4.2: the target is bounded by 1.5 times the window, however steep the curve is.
  const path = new Path(10, 2_000_000);
  path.lose();
  for (let round = 0; round < 6; round++) {
    const before = path.segments;
    path.round();
    t.ok(path.segments <= 1.5 * before + 0.01, `${before} to ${path.segments}`);
  }
  t.ok(path.segments > 30, 'and the curve was steeper');
});

t.test('time without data is not part of the curve', async (t) => {
  const idle = new Path(1000, 100_000);
  const busy = new Path(1000, 100_000);
  for (const path of [idle, busy]) {
    path.lose();
    for (let round = 0; round < 20; round++) path.round();
  }
  idle.clock.set(idle.clock.now + 60_000_000);
  for (let round = 0; round < 20; round++) {
    idle.round();
    busy.round();
  }
  t.ok(Math.abs(idle.segments - busy.segments) < 1, `${idle.segments}, without a pause ${busy.segments}`);
});

t.test('an undo puts the curve back, and after a timeout a new one begins', async (t) => {
  const path = new Path(1000, 100_000);
  path.lose();
  for (let round = 0; round < 30; round++) path.round();
  const { cubic: state } = path.tcb;
  const { wMax, k, epochAt } = { ...state };
  cubic.remember(path.core, path.tcb);
  cubic.ssthresh(path.tcb, path.tcb.cc.cwnd);
  cubic.onTimeout(path.core, path.tcb);
  // RFC 9438 4.8: K is 0, and the curve begins at its top.
  t.equal(state?.wMax, 0);
  cubic.onUndo(path.core, path.tcb);
  t.strictSame({ wMax: state?.wMax, k: state?.k, epochAt: state?.epochAt }, { wMax, k, epochAt });
});

t.test('slow start doubles, and ends at the threshold', async (t) => {
  const path = new Path(10, 50_000);
  path.round();
  t.equal(path.segments, 20);
  path.tcb.cc.ssthresh = 25_000;
  path.round();
  t.ok(path.segments >= 25 && path.segments < 26.5, `${path.segments}`);
});

t.test(
  'one ACK adds eight segments in slow start at most, and as much as it tells of when paced',
  async (t) => {
    // RFC 9406 4.3: L is 8 without pacing.
    const path = new Path(20, 50_000);
    path.report.delivered = 12 * MSS;
    cubic.onAck(path.core, path.tcb, path.report);
    t.equal(path.segments, 28);
    path.tcb.pacer = {} as Tcb['pacer'];
    cubic.onAck(path.core, path.tcb, path.report);
    t.equal(path.segments, 40);
  },
);

t.test(
  'HyStart++: growth is slowed when the delay grows, and slow start ends after five such rounds',
  async (t) => {
    // RFC 9406 4.2: the threshold is an eighth of 80 ms, 10 ms; a quarter of the growth in conservative slow start
    const path = new Path(16, 80_000);
    path.round();
    t.equal(path.segments, 32);
    path.round(() => 89_000);
    t.equal(path.segments, 64, '9 ms are not enough');
    path.round(() => 105_000);
    // An eighth of 89 ms is 11.1 ms. Seven samples are too few; from the ninth ACK on growth is a quarter.
    t.equal(path.segments, 64 + 8 + 56 / 4);
    for (let round = 0; round < 4; round++) path.round(() => 105_000);
    t.equal(path.tcb.cc.ssthresh, UNLIMITED, 'the round in which it began and four more');
    path.round(() => 105_000);
    t.ok(path.tcb.cc.ssthresh < UNLIMITED, 'slow start is over');
  },
);

t.test('HyStart++: 4 ms of delay at least count as growth, and 16 ms always do', async (t) => {
  // RFC 9406 4.3, MIN_RTT_THRESH and MAX_RTT_THRESH; eighths of the round trips would be 1 ms and 50 ms.
  const short = new Path(16, 8_000);
  short.round();
  short.round(() => 11_000);
  t.equal(short.segments, 64, '3 ms are not enough');
  short.round(() => 15_500);
  t.equal(short.segments, 64 + 8 + 56 / 4);
  const long = new Path(16, 400_000);
  long.round();
  long.round(() => 417_000);
  t.equal(long.segments, 32 + 8 + 24 / 4);
});

t.test('HyStart++: slow start goes on when the delay was but a spike', async (t) => {
  const path = new Path(16, 80_000);
  path.round();
  path.round(() => 80_000);
  path.round(() => 100_000);
  const before = path.segments;
  path.round(() => 80_000);
  t.ok(path.segments > before * 1.7, `${before} to ${path.segments}`);
  t.equal(path.tcb.cc.ssthresh, UNLIMITED);
});

t.test('HyStart++: once it has ended slow start it leaves later slow starts alone', async (t) => {
  const path = new Path(16, 80_000);
  path.round();
  while (path.tcb.cc.ssthresh === UNLIMITED) path.round(() => 100_000 + path.clock.now / 100);
  cubic.ssthresh(path.tcb, path.tcb.cc.cwnd);
  cubic.onTimeout(path.core, path.tcb);
  path.tcb.cc.ssthresh = 50 * MSS;
  path.tcb.cc.cwnd = MSS;
  for (let round = 0; round < 4; round++) path.round();
  t.equal(path.segments, 16);
  t.equal(path.tcb.cc.ssthresh, 50 * MSS);
});
