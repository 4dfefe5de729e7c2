// Pacing by numbers, on a connection that is made by hand. How it looks on the wire is in test/script/pacing.script.

import t from 'tap';
import { Clock, NEVER } from '../../src/stack/clock.js';
import { StackConfig } from '../../src/stack/config.js';
import { BbrState } from '../../src/stack/tcp/bbr-state.js';
import { pace } from '../../src/stack/tcp/bbr-volume.js';
import type { TcpCore } from '../../src/stack/tcp/core.js';
import { mayDepart, onPacedDeparture, Pacer, setPacingRate } from '../../src/stack/tcp/pacing.js';
import { Tcb } from '../../src/stack/tcp/tcb.js';

const MSS = 1000;

/** A paced connection at 10 bytes per µs: bursts of 10,000 bytes, a millisecond each. */
function bench(): { core: TcpCore; tcb: Tcb; pacer: Pacer; armed: () => number } {
  let armed = 0;
  const clock = new Clock();
  clock.set(1_000_000);
  const core = { clock, config: new StackConfig(), arm: () => armed++ } as unknown as TcpCore;
  const tcb = new Tcb(0);
  tcb.reset(core.config);
  tcb.snd.mss = MSS;
  const pacer = new Pacer();
  pacer.reset();
  tcb.pacer = pacer;
  setPacingRate(core, tcb, pacer, 10);
  return { core, tcb, pacer, armed: () => armed };
}

/** Sends segments until pacing holds one back; returns how many. */
function burst(core: TcpCore, tcb: Tcb, pacer: Pacer): number {
  let segments = 0;
  for (; mayDepart(core, tcb, pacer); segments++) onPacedDeparture(core, pacer, MSS);
  return segments;
}

t.test('what has left ahead of time is paid at the new rate when the rate changes', async (t) => {
  const { core, tcb, pacer, armed } = bench();
  burst(core, tcb, pacer);
  t.equal(pacer.resumeAt, 1_001_000, 'a burst of a millisecond');
  core.clock.set(1_000_500);
  const before = armed();
  setPacingRate(core, tcb, pacer, 1);
  t.equal(pacer.resumeAt, 1_005_500, 'half of it is left, and takes ten times as long');
  setPacingRate(core, tcb, pacer, 100);
  t.equal(pacer.resumeAt, 1_000_550, 'or a tenth of the time');
  t.ok(armed() > before, 'and the timer comes then');
  core.clock.set(1_000_600);
  setPacingRate(core, tcb, pacer, 1);
  t.equal(pacer.nextAt, 1_000_550, 'what is over stays as it is');
});

t.test('a rate that changes while nothing waits wakes nobody', async (t) => {
  const { core, tcb, pacer, armed } = bench();
  mayDepart(core, tcb, pacer);
  onPacedDeparture(core, pacer, MSS);
  setPacingRate(core, tcb, pacer, 1);
  t.equal(pacer.nextAt, 1_001_000);
  t.equal(pacer.resumeAt, NEVER);
  t.equal(armed(), 0);
});

t.test('BBR does not pace below a segment in a round trip, however little was delivered', async (t) => {
  const { core, tcb, pacer } = bench();
  const state = new BbrState();
  state.reset();
  state.fullBwReached = true;
  state.bw = 3e-6;
  tcb.rtt.srttUs = 50_000;
  pace(core, tcb, pacer, state, 1);
  t.equal(pacer.rate, MSS / 50_000);
  state.bw = 0;
  pace(core, tcb, pacer, state, 1);
  t.equal(pacer.rate, MSS / 50_000, 'without any sample it stays as it is');
});

t.test('what a core that comes late owes is made good at twice the rate', async (t) => {
  const { core, tcb, pacer } = bench();
  tcb.rtt.srttUs = 50_000;
  t.equal(burst(core, tcb, pacer), 10);
  core.clock.set(1_004_000);
  t.equal(burst(core, tcb, pacer), 10, 'three milliseconds late');
  t.equal(pacer.resumeAt, 1_004_500, 'and the next burst in half the time');
  for (const at of [1_004_500, 1_005_000, 1_005_500, 1_006_000, 1_006_500]) {
    core.clock.set(at);
    t.equal(burst(core, tcb, pacer), 10);
  }
  t.equal(pacer.resumeAt, 1_007_000, 'eight bursts in 7 ms');
  core.clock.set(1_007_000);
  burst(core, tcb, pacer);
  t.equal(pacer.resumeAt, 1_008_000, 'until all is paid');
});

t.test('a core that was away for long makes good a quarter of a round trip', async (t) => {
  const { core, tcb, pacer } = bench();
  tcb.rtt.srttUs = 40_000;
  burst(core, tcb, pacer);
  core.clock.set(2_000_000);
  let sent = 0;
  for (; core.clock.now < 2_100_000; core.clock.set(pacer.resumeAt)) sent += burst(core, tcb, pacer);
  t.equal(sent * MSS, 10 * (100_000 + 10_000));
});

t.test('time in which nothing had to wait is not made good', async (t) => {
  const { core, tcb, pacer } = bench();
  tcb.rtt.srttUs = 40_000;
  mayDepart(core, tcb, pacer);
  onPacedDeparture(core, pacer, 10 * MSS);
  core.clock.set(1_020_000);
  burst(core, tcb, pacer);
  t.equal(pacer.resumeAt, 1_021_000);
});
