// The smallest parts of TCP: sequence numbers, the table of states, the round-trip estimator, limits on ACKs.

import t from 'tap';
import { Clock } from '../../src/stack/clock.js';
import { StackConfig } from '../../src/stack/config.js';
import { createRandom } from '../../src/stack/random.js';
import { onDsack, onRecoveryEnd } from '../../src/stack/tcp/rack.js';
import { RttEstimator } from '../../src/stack/tcp/rtt.js';
import * as seq from '../../src/stack/tcp/seq.js';
import * as state from '../../src/stack/tcp/state.js';
import { Tcb } from '../../src/stack/tcp/tcb.js';
import { Throttle } from '../../src/stack/tcp/throttle.js';

const MAX = 0x7fffffff;
const MIN = -0x80000000;

t.test('sequence numbers are compared round the circle', async (t) => {
  t.equal(seq.add(MAX, 1), MIN);
  t.equal(seq.add(MIN, -1), MAX);
  t.equal(seq.diff(MIN, MAX), 1);
  t.equal(seq.diff(-1, 0), -1);
  t.ok(seq.lt(MAX, MIN), 'the number after the largest is larger');
  t.ok(seq.gt(0, -1));
  t.ok(seq.leq(5, 5) && seq.geq(5, 5));
  t.notOk(seq.lt(5, 5) || seq.gt(5, 5));
  t.equal(seq.max(MAX, MIN), MIN);
  t.equal(seq.min(MAX, MIN), MAX);
});

t.test('a window is half open, and an empty one holds nothing', async (t) => {
  t.ok(seq.inWindow(-1, -1, 2));
  t.ok(seq.inWindow(0, -1, 2));
  t.notOk(seq.inWindow(1, -1, 2));
  t.notOk(seq.inWindow(-2, -1, 2));
  t.notOk(seq.inWindow(7, 7, 0));
  t.ok(seq.inWindow(MIN + 3, MAX, 5), 'across the end of the space');
});

/** RFC 9293 figure 5 and section 3.10.7, with CLOSED after every state for aborts, resets and timeouts. */
const LEGAL: Record<number, number[]> = {
  [state.CLOSED]: [state.SYN_SENT, state.SYN_RCVD],
  [state.LISTEN]: [],
  [state.SYN_SENT]: [state.CLOSED, state.SYN_RCVD, state.ESTABLISHED],
  [state.SYN_RCVD]: [state.CLOSED, state.ESTABLISHED, state.FIN_WAIT_1, state.CLOSE_WAIT],
  [state.ESTABLISHED]: [state.CLOSED, state.FIN_WAIT_1, state.CLOSE_WAIT],
  [state.FIN_WAIT_1]: [state.CLOSED, state.FIN_WAIT_2, state.CLOSING, state.TIME_WAIT],
  [state.FIN_WAIT_2]: [state.CLOSED, state.TIME_WAIT],
  [state.CLOSE_WAIT]: [state.CLOSED, state.LAST_ACK],
  [state.CLOSING]: [state.CLOSED, state.TIME_WAIT],
  [state.LAST_ACK]: [state.CLOSED],
  [state.TIME_WAIT]: [state.CLOSED],
};

t.test('the table of states has the edges of RFC 9293 and no other', async (t) => {
  for (let from = 0; from <= 10; from++) {
    for (let to = 0; to <= 10; to++) {
      const legal = LEGAL[from].includes(to);
      t.equal(state.isLegal(from, to), legal, `${state.stateName(from)} to ${state.stateName(to)}`);
      const tcb = new Tcb(0);
      tcb.state = from;
      if (legal) {
        state.enter(tcb, to);
        t.equal(tcb.state, to);
      } else {
        t.throws(() => state.enter(tcb, to), /illegal TCP state change/);
      }
    }
  }
});

t.test('states have the names of the RFC, and say who may send and receive', async (t) => {
  t.equal(state.stateName(state.SYN_RCVD), 'SYN-RECEIVED');
  t.equal(state.stateName(99), 'state 99');
  const all = Array.from({ length: 11 }, (_, i) => i);
  t.same(all.filter(state.maySend), [state.ESTABLISHED, state.CLOSE_WAIT]);
  t.same(all.filter(state.mayReceive), [state.ESTABLISHED, state.FIN_WAIT_1, state.FIN_WAIT_2]);
  t.same(all.filter(state.isSynchronized), all.slice(state.ESTABLISHED));
});

t.test('the timeout is that of RFC 6298', async (t) => {
  const config = new StackConfig();
  const rtt = new RttEstimator();
  rtt.reset(config);
  t.equal(rtt.timeoutUs(config), 1_000_000, '2.1: one second before the first sample');
  rtt.sample(400_000, config);
  t.match(rtt, { srttUs: 400_000, rttvarUs: 200_000 }, '2.2: the first sample');
  t.equal(rtt.timeoutUs(config), 1_200_000);
  rtt.sample(200_000, config);
  t.match(rtt, { srttUs: 375_000, rttvarUs: 200_000 }, '2.3: a further one');
  t.equal(rtt.timeoutUs(config), 1_175_000);
});

t.test('the timeout doubles up to its largest value, and a sample ends that', async (t) => {
  const config = new StackConfig();
  const rtt = new RttEstimator();
  rtt.reset(config);
  rtt.sample(100_000, config);
  t.equal(rtt.timeoutUs(config), 300_000);
  for (const seconds of [0.6, 1.2, 2.4, 4.8, 9.6, 19.2, 38.4, 76.8, 120, 120]) {
    rtt.backoff++;
    t.equal(rtt.timeoutUs(config), seconds * 1e6);
  }
  rtt.backoff = 1000;
  t.equal(rtt.timeoutUs(config), 120_000_000);
  rtt.sample(100_000, config);
  t.equal(rtt.backoff, 0);
  rtt.sample(1e12, config);
  t.equal(rtt.timeoutUs(config), 120_000_000, 'no sample makes it larger');
});

t.test('a round trip of nothing is one microsecond, and the least timeout holds', async (t) => {
  const config = new StackConfig();
  const rtt = new RttEstimator();
  rtt.reset(config);
  for (let i = 0; i < 50; i++) rtt.sample(0, config);
  t.equal(rtt.srttUs, 1);
  t.equal(rtt.timeoutUs(config), 200_001);
  config.set('tcp_rto_min_us', 5000);
  rtt.sample(0, config);
  t.equal(rtt.timeoutUs(config), 5001);
});

function throttle(limit: number) {
  const clock = new Clock();
  const config = new StackConfig({ tcp_challenge_ack_limit: limit, tcp_invalid_ratelimit: 500 });
  return { clock, throttle: new Throttle(clock, config, createRandom(1)) };
}

t.test('the smallest round trip is that of a window, not of a life', async (t) => {
  // RFC 8985 5.2 leaves the length of RACK.min_RTT's window open; tcp_min_rtt_wlen says 300 s on Linux
  const config = new StackConfig({ tcp_min_rtt_wlen: 100 });
  const rtt = new RttEstimator();
  rtt.reset(config);
  const observed = [
    [0, 50, 50],
    [10, 60, 50],
    [40, 55, 50],
    // The path has become longer: what is left is the smallest of the second half of the window.
    [60, 80, 50],
    [80, 70, 50],
    [99, 90, 50],
    [101, 90, 70],
    [150, 85, 70],
    [181, 95, 85],
    // A smaller one counts at once.
    [182, 40, 40],
    // After a long silence there is nothing to remember.
    [1000, 60, 60],
  ];
  for (const [second, ms, smallest] of observed) {
    rtt.observe(ms * 1000, second * 1e6, config);
    t.equal(rtt.minRttUs, smallest * 1000, `${ms} ms at ${second} s`);
  }
});

t.test('a connection answers something invalid once in 500 ms', async (t) => {
  const { clock, throttle: limit } = throttle(1000);
  const one = new Tcb(0);
  const other = new Tcb(1);
  t.ok(limit.allowInvalid(one), 'also at time 0');
  t.notOk(limit.allowInvalid(one));
  t.notOk(limit.allowChallenge(one), 'challenges count as well');
  t.ok(limit.allowInvalid(other), 'another connection has its own time');
  clock.set(499_999);
  t.notOk(limit.allowInvalid(one));
  clock.set(500_000);
  t.ok(limit.allowChallenge(one));
});

t.test('the stack sends a random number of challenges in a second, at most the limit', async (t) => {
  const { clock, throttle: limit } = throttle(100);
  const budgets = new Set<number>();
  for (let second = 0; second < 20; second++) {
    clock.set(second * 1_000_000);
    let allowed = 0;
    for (let i = 0; i < 200; i++) if (limit.allowChallenge(new Tcb(i))) allowed++;
    t.ok(allowed >= 50 && allowed <= 100, `second ${second}: ${allowed}`);
    budgets.add(allowed);
  }
  t.ok(budgets.size > 5, 'an attacker cannot know it');
});

t.test('a limit of 0 challenges nobody', async (t) => {
  const { throttle: limit } = throttle(0);
  t.notOk(limit.allowChallenge(new Tcb(0)));
});

t.test('a reordering window that D-SACKs have widened wears off after 16 recoveries', async (t) => {
  // RFC 8985 6.2 step 4, RACK.reo_wnd_persist
  const tcb = new Tcb(0);
  tcb.reset(new StackConfig());
  onDsack(tcb);
  t.equal(tcb.rack.reoWndMult, 2);
  for (let i = 0; i < 15; i++) onRecoveryEnd(tcb);
  t.equal(tcb.rack.reoWndMult, 2);
  onRecoveryEnd(tcb);
  t.equal(tcb.rack.reoWndMult, 1);
});
