// Parts of BBR by the formulas of draft-ietf-ccwg-bbr-06, on a connection that is made by hand. What it does on a path is in
// test/sim/bbr.test.ts.

import t from 'tap';
import { Clock } from '../../src/stack/clock.js';
import { StackConfig } from '../../src/stack/config.js';
import { bbr } from '../../src/stack/tcp/bbr.js';
import { adaptLowerBounds, adaptToMarks, handleLostPacket, noteMarks } from '../../src/stack/tcp/bbr-loss.js';
import { advanceMaxBwFilter, checkFullBw, updateMaxBw } from '../../src/stack/tcp/bbr-model.js';
import { startProbeBwUp } from '../../src/stack/tcp/bbr-phases.js';
import { updateMinRtt } from '../../src/stack/tcp/bbr-probe-rtt.js';
import {
  type BbrState,
  DRAIN,
  PROBE_BW_CRUISE,
  PROBE_BW_DOWN,
  PROBE_BW_REFILL,
  PROBE_BW_UP,
  STARTUP,
} from '../../src/stack/tcp/bbr-state.js';
import { inflightWithHeadroom, pathVolume, setCwnd } from '../../src/stack/tcp/bbr-volume.js';
import type { TcpCore } from '../../src/stack/tcp/core.js';
import { lose } from '../../src/stack/tcp/delivery.js';
import { DELIVERED_BYTES, Ledger, LOST_BYTES } from '../../src/stack/tcp/ledger.js';
import { MtuSearch } from '../../src/stack/tcp/mtu-search.js';
import { Pacer } from '../../src/stack/tcp/pacing.js';
import { AckReport } from '../../src/stack/tcp/recovery.js';
import { Scoreboard } from '../../src/stack/tcp/scoreboard.js';
import { Tcb } from '../../src/stack/tcp/tcb.js';

const MSS = 1000;
const INFINITY = Number.POSITIVE_INFINITY;

interface Bench {
  core: TcpCore;
  tcb: Tcb;
  state: BbrState;
  board: Scoreboard;
}

/** A connection with a window of 100 segments, a bandwidth of 10 bytes per µs and a round trip of 10 ms. */
function bench(): Bench {
  const config = new StackConfig();
  const ledger = new Ledger();
  ledger.open(0);
  const core = {
    clock: new Clock(),
    config,
    ledger,
    report: new AckReport(),
    random: () => 0x4000_0001,
    bbrStates: [],
  } as unknown as TcpCore;
  const tcb = new Tcb(0);
  tcb.reset(config);
  tcb.sack = true;
  tcb.snd.mss = MSS;
  tcb.cc.cwnd = 100 * MSS;
  tcb.pacer = new Pacer();
  tcb.board = new Scoreboard();
  bbr.init(core, tcb);
  const state = tcb.bbr!;
  state.bwNow = 10;
  state.bw = 10;
  state.minRttUs = 10_000;
  state.fullBwReached = true;
  return { core, tcb, state, board: tcb.board };
}

/** A segment of the scoreboard that left with so much in flight. */
function lost({ core, board }: Bench, txInFlight: number, lostBytes: number): number {
  board.append(0, MSS, false, 0);
  board.noteDeparture(0, 0, core.ledger.sumOf(0, LOST_BYTES), txInFlight, false);
  core.ledger.add(0, LOST_BYTES, lostBytes);
  return 0;
}

t.test('the window is twice the bandwidth-delay product, and what bursts need on top', async (t) => {
  const { core, tcb, state } = bench();
  state.phase = PROBE_BW_CRUISE;
  state.cwndGain = 2;
  tcb.pacer!.quantum = 10_000;
  t.equal(pathVolume(core, tcb, state, 10), 100_000, 'bandwidth times round trip');
  t.equal(pathVolume(core, tcb, state, 1), 30_000, 'three bursts at least (5.5.8.1)');
  tcb.cc.cwnd = 300_000;
  setCwnd(core, tcb, state, MSS);
  t.equal(tcb.cc.cwnd, 200_000);
  state.bw = 0.01;
  setCwnd(core, tcb, state, MSS);
  t.equal(tcb.cc.cwnd, 30_000);
});

t.test('while it cruises, 15 % of what was too much are left to others', async (t) => {
  const { core, tcb, state } = bench();
  t.equal(inflightWithHeadroom(tcb, state), INFINITY);
  state.inflightLongterm = 120_000;
  t.equal(inflightWithHeadroom(tcb, state), 102_000);
  state.inflightLongterm = 4_100;
  t.equal(inflightWithHeadroom(tcb, state), 4_000, 'four segments are always allowed');
  state.phase = PROBE_BW_CRUISE;
  state.cwndGain = 2;
  state.inflightLongterm = 120_000;
  tcb.cc.cwnd = 150_000;
  setCwnd(core, tcb, state, MSS);
  t.equal(tcb.cc.cwnd, 102_000);
});

t.test('the bandwidth is the largest of this probing cycle and the one before', async (t) => {
  const { core, state } = bench();
  const { sample } = core.report;
  sample.rate = 12;
  updateMaxBw(state, sample);
  t.equal(state.maxBw, 12);
  advanceMaxBwFilter(state);
  sample.rate = 8;
  updateMaxBw(state, sample);
  t.equal(state.maxBw, 12);
  advanceMaxBwFilter(state);
  t.equal(state.maxBw, 8);
  advanceMaxBwFilter(state);
  t.equal(state.maxBw, 8, 'a cycle without a sample is none');
  sample.isAppLimited = true;
  sample.rate = 7;
  updateMaxBw(state, sample);
  t.equal(state.bwNow, 0, 'what the application limited says little');
  sample.rate = 9;
  updateMaxBw(state, sample);
  t.equal(state.maxBw, 9, 'unless it is more');
});

t.test('three round trips without a quarter of growth mean that the pipe is full', async (t) => {
  const { core, state } = bench();
  const { sample } = core.report;
  state.fullBwReached = false;
  state.roundStart = true;
  for (const [rate, reached] of [
    [4, false],
    [5, false],
    [6, false],
    [6.2, false],
    [6.2, true],
  ] as const) {
    sample.rate = rate;
    checkFullBw(state, sample);
    t.equal(state.fullBwReached, reached, `${rate}`);
  }
});

t.test('growth in the midst of a round trip is growth, too', async (t) => {
  const { core, state } = bench();
  const { sample } = core.report;
  state.fullBwReached = false;
  for (let round = 0; round < 6; round++) {
    // The sample that begins a round trip is spoilt by a core that came late.
    state.roundStart = true;
    sample.rate = 2;
    checkFullBw(state, sample);
    state.roundStart = false;
    sample.rate = 4 * 2 ** round;
    checkFullBw(state, sample);
  }
  t.notOk(state.fullBwReached);
});

t.test('losses of more than 2 % while probing show how much was too much', async (t) => {
  const at = bench();
  const { core, tcb, state, board } = at;
  startProbeBwUp(core, tcb, state, 10);
  state.isBwProbeSample = true;
  // 5.5.10.2: 2,000 of 100,000 bytes are just 2 %.
  handleLostPacket(core, tcb, state, board, lost(at, 100_000, 2_000));
  t.equal(state.inflightLongterm, INFINITY);
  t.equal(state.phase, PROBE_BW_UP);
  board.clear();
  handleLostPacket(core, tcb, state, board, lost(at, 200_000, 5_000));
  // 199,000 were in flight before, 4,000 lost of them: the threshold was crossed (0.02 × 199,000 - 4,000) / 0.98 before its end.
  t.equal(state.inflightLongterm, Math.floor(199_000 + (0.02 * 199_000 - 4_000) / 0.98));
  t.equal(state.phase, PROBE_BW_DOWN);
  t.ok(state.prevProbeTooHigh);
  const { inflightLongterm } = state;
  board.clear();
  handleLostPacket(core, tcb, state, board, lost(at, 50_000, 5_000));
  t.equal(state.inflightLongterm, inflightLongterm, 'once in a probe');
});

t.test(
  'losses while not probing lower the short-term bounds to what was delivered, at most by three tenths',
  async (t) => {
    const { tcb, state } = bench();
    state.phase = PROBE_BW_CRUISE;
    state.isLossInRound = true;
    state.bwLatest = 9;
    state.inflightLatest = 90_000;
    adaptLowerBounds(tcb, state);
    t.same([state.bwShortterm, state.inflightShortterm], [9, 90_000]);
    state.bwLatest = 1;
    state.inflightLatest = 1_000;
    adaptLowerBounds(tcb, state);
    t.same([state.bwShortterm, state.inflightShortterm], [9 * 0.7, Math.floor(90_000 * 0.7)]);
    state.resetShortTermModel();
    state.phase = PROBE_BW_UP;
    adaptLowerBounds(tcb, state);
    t.same([state.bwShortterm, state.inflightShortterm], [INFINITY, INFINITY], 'not while it probes');
  },
);

t.test('the loss of a probe of the MTU is no loss', async (t) => {
  const { core, tcb, state, board } = bench();
  board.append(0, 2 * MSS, false, 0);
  board.append(2 * MSS, 3 * MSS, false, 0);
  tcb.congestion = bbr;
  tcb.mtuSearch = new MtuSearch();
  tcb.mtuSearch.size = 2 * MSS + 40;
  tcb.mtuSearch.end = 2 * MSS;
  t.ok(lose(core, tcb, board, 0), 'it is sent again');
  t.notOk(state.isLossInRound);
  t.equal(core.report.lost, 0);
  lose(core, tcb, board, 1);
  t.ok(state.isLossInRound, 'that of another segment is');
  t.equal(core.report.lost, MSS);
});

t.test('what its own pacing held back of the bandwidth does not count as lost', async (t) => {
  const { tcb, state } = bench();
  state.phase = PROBE_BW_DOWN;
  state.isLossInRound = true;
  // Sent at nine tenths less one per cent, and all but one per cent of that was delivered.
  state.sentShare = 0.9 * 0.99;
  state.bwLatest = 10 * 0.9 * 0.99 * 0.99;
  adaptLowerBounds(tcb, state);
  t.ok(Math.abs(state.bwShortterm - 9.9) < 1e-9, `${state.bwShortterm}`);
});

t.test('the short-term bound is not above the bandwidth when Drain has delivered a queue', async (t) => {
  const { tcb, state } = bench();
  state.phase = PROBE_BW_DOWN;
  state.isLossInRound = true;
  state.sentShare = 0.5 * 0.99;
  state.bwLatest = 9.8;
  adaptLowerBounds(tcb, state);
  t.equal(state.bwShortterm, 10);
});

t.test('marks of ECN lower the short-term volume by a third of their smoothed share', async (t) => {
  const { core, tcb, state } = bench();
  state.phase = PROBE_BW_CRUISE;
  t.equal(state.ecnAlpha, 1, 'RFC 8257 3.3: it begins with the worst');
  state.ecnDelivered = 100_000;
  adaptToMarks(core, tcb, state);
  t.equal(state.ecnAlpha, 15 / 16, 'and g is 1/16');
  state.ecnDelivered = 100_000;
  noteMarks(state, 100_000);
  adaptToMarks(core, tcb, state);
  const alpha = 15 / 16 + 1 / 256;
  t.equal(state.ecnAlpha, alpha);
  adaptLowerBounds(tcb, state);
  t.equal(state.inflightShortterm, Math.floor(100_000 * (1 - alpha / 3)));
  t.equal(state.bwShortterm, 10);
  for (let round = 0; round < 200; round++) {
    state.ecnDelivered = 100_000;
    adaptToMarks(core, tcb, state);
  }
  t.equal(state.ecnAlpha, 0, 'it is forgotten');
});

t.test('marks on most of a probe show how much was too much', async (t) => {
  const { core, tcb, state } = bench();
  startProbeBwUp(core, tcb, state, 10);
  state.isBwProbeSample = true;
  core.report.sample.txInFlight = 150_000;
  state.ecnDelivered = 100_000;
  noteMarks(state, 60_000);
  adaptToMarks(core, tcb, state);
  t.equal(state.inflightLongterm, 150_000);
  t.equal(state.phase, PROBE_BW_DOWN);
});

t.test('a loss that was none brings back what it had taken', async (t) => {
  const at = bench();
  const { core, tcb, state, board } = at;
  startProbeBwUp(core, tcb, state, 10);
  state.isBwProbeSample = true;
  state.inflightLongterm = 300_000;
  handleLostPacket(core, tcb, state, board, lost(at, 200_000, 5_000));
  t.ok(state.inflightLongterm < 200_000);
  tcb.cc.cwnd = 4_000;
  bbr.onUndo(core, tcb);
  t.equal(state.inflightLongterm, 300_000);
  t.equal(tcb.cc.cwnd, 100_000);
  t.equal(state.phase, PROBE_BW_REFILL, 'the probe is made again');
  state.phase = DRAIN;
  state.undoState = STARTUP;
  bbr.onUndo(core, tcb);
  t.equal(state.phase, STARTUP);
  t.notOk(state.fullBwReached);
});

t.test(
  'the smallest round trip of ten seconds counts, and five seconds without a smaller one want a probe',
  async (t) => {
    const { core, state } = bench();
    const { sample } = core.report;
    const at = (seconds: number, rttUs: number): void => {
      core.clock.set(seconds * 1e6);
      sample.rttUs = rttUs;
      updateMinRtt(core, state, sample);
    };
    state.minRttUs = INFINITY;
    state.probeRttMinUs = INFINITY;
    at(1, 10_000);
    at(2, 20_000);
    t.same([state.minRttUs, state.probeRttExpired], [10_000, false]);
    at(6.5, 21_000);
    t.same([state.minRttUs, state.probeRttExpired], [10_000, true]);
    at(11.5, 22_000);
    t.equal(state.minRttUs, 21_000, 'the smallest since the probe was due');
    at(12, -1);
    t.equal(state.minRttUs, 21_000, 'a segment sent twice tells nothing');
  },
);

t.test('it waits for two to three seconds between probes, and one round trip more or less', async (t) => {
  const { core, tcb, state } = bench();
  core.ledger.setSum(0, DELIVERED_BYTES, 5_000);
  bbr.onUndo(core, tcb);
  state.phase = PROBE_BW_UP;
  state.isBwProbeSample = true;
  handleLostPacket(
    core,
    tcb,
    state,
    tcb.board!,
    lost({ core, tcb, state, board: tcb.board! }, 10_000, 5_000),
  );
  // random() gives 0x40000001: its lowest bit, and a quarter of a second.
  t.equal(state.roundsSinceProbeUp, 1);
  t.equal(state.bwProbeWaitUs, 2_250_000);
  t.equal(state.nextRoundDelivered, 5_000);
});
