// The states that BBR enters (draft-ietf-ccwg-bbr-06 5.3): what each begins with. `bbr-cycle.ts` and `bbr-probe-rtt.ts` say when.

import {
  ACKS_PROBE_STARTING,
  ACKS_PROBE_STOPPING,
  ACKS_REFILLING,
  type BbrState,
  DRAIN,
  PROBE_BW_CRUISE,
  PROBE_BW_DOWN,
  PROBE_BW_REFILL,
  PROBE_BW_UP,
  STARTUP,
} from './bbr-state.js';
import type { TcpCore } from './core.js';
import { deliveredBytes } from './delivery.js';
import type { Tcb } from './tcb.js';

/** 2.5: 4 ln 2, with which the rate doubles in a round trip. */
export const STARTUP_PACING_GAIN = 2.77;
const DRAIN_PACING_GAIN = 0.5;
const DOWN_PACING_GAIN = 0.9;
const UP_PACING_GAIN = 1.25;
const DEFAULT_CWND_GAIN = 2;
const UP_CWND_GAIN = 2.25;
/** 5.3.3.8.3: time between two probes for bandwidth, and what chance adds to it at most. */
const PROBE_WAIT_US = 2_000_000;
const PROBE_WAIT_RANDOM_US = 1_000_000;

/** 5.5.1, StartRound */
export function startRound(core: TcpCore, tcb: Tcb, bbr: BbrState): void {
  bbr.nextRoundDelivered = deliveredBytes(core, tcb);
}

/** 5.3.1.1 */
export function enterStartup(bbr: BbrState): void {
  bbr.phase = STARTUP;
  bbr.pacingGain = STARTUP_PACING_GAIN;
  bbr.cwndGain = DEFAULT_CWND_GAIN;
}

/** 5.3.2 */
export function enterDrain(bbr: BbrState): void {
  bbr.phase = DRAIN;
  bbr.pacingGain = DRAIN_PACING_GAIN;
  bbr.cwndGain = DEFAULT_CWND_GAIN;
  bbr.drainStartRound = bbr.roundCount;
}

/** 5.3.3.9 */
export function startProbeBwDown(core: TcpCore, tcb: Tcb, bbr: BbrState): void {
  bbr.resetCongestionSignals();
  bbr.probeUpAckedPerInc = Number.POSITIVE_INFINITY;
  pickProbeWait(core, bbr);
  bbr.cycleAt = core.clock.now;
  bbr.ackPhase = ACKS_PROBE_STOPPING;
  startRound(core, tcb, bbr);
  bbr.phase = PROBE_BW_DOWN;
  bbr.pacingGain = DOWN_PACING_GAIN;
  bbr.cwndGain = DEFAULT_CWND_GAIN;
}

/** 5.3.3.9 */
export function startProbeBwCruise(bbr: BbrState): void {
  bbr.phase = PROBE_BW_CRUISE;
  bbr.pacingGain = 1;
  bbr.cwndGain = DEFAULT_CWND_GAIN;
}

/** 5.3.3.9 */
export function startProbeBwRefill(core: TcpCore, tcb: Tcb, bbr: BbrState): void {
  bbr.resetShortTermModel();
  bbr.bwProbeUpRounds = 0;
  bbr.bwProbeUpAcked = 0;
  bbr.prevProbePrecautionary = false;
  bbr.ackPhase = ACKS_REFILLING;
  startRound(core, tcb, bbr);
  bbr.phase = PROBE_BW_REFILL;
  bbr.pacingGain = 1;
  bbr.cwndGain = DEFAULT_CWND_GAIN;
}

/** 5.3.3.9, for a sample of the delivery rate of `rate`. */
export function startProbeBwUp(core: TcpCore, tcb: Tcb, bbr: BbrState, rate: number): void {
  bbr.ackPhase = ACKS_PROBE_STARTING;
  startRound(core, tcb, bbr);
  bbr.resetFullBw();
  bbr.fullBw = rate;
  bbr.phase = PROBE_BW_UP;
  bbr.pacingGain = UP_PACING_GAIN;
  bbr.cwndGain = UP_CWND_GAIN;
  raiseInflightLongtermSlope(tcb, bbr);
}

/** 5.3.3.9: one segment more in this round trip, two in the next, then four, and so on. */
export function raiseInflightLongtermSlope(tcb: Tcb, bbr: BbrState): void {
  const growth = 2 ** bbr.bwProbeUpRounds;
  bbr.bwProbeUpRounds = Math.min(bbr.bwProbeUpRounds + 1, 30);
  bbr.probeUpAckedPerInc = Math.max(Math.floor(tcb.cc.cwnd / growth), tcb.snd.mss);
}

/** 5.3.3.8.3, PickProbeWait: flows that share a bottleneck must not probe at the same time. */
function pickProbeWait(core: TcpCore, bbr: BbrState): void {
  const random = core.random() >>> 0;
  bbr.roundsSinceProbeUp = random & 1;
  bbr.bwProbeWaitUs = PROBE_WAIT_US + Math.floor(((random >>> 1) / 2 ** 31) * PROBE_WAIT_RANDOM_US);
}
