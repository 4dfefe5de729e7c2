// What BBR knows of one connection (draft-ietf-ccwg-bbr-06 2.5 to 2.16), under the draft's names. Volumes are in bytes, rates in
// bytes per microsecond, times in microseconds. Borrowed from the core while a connection uses BBR.

import type { Micros } from '../clock.js';
import type { Tcb } from './tcb.js';

export const STARTUP = 0;
export const DRAIN = 1;
export const PROBE_BW_DOWN = 2;
export const PROBE_BW_CRUISE = 3;
export const PROBE_BW_REFILL = 4;
export const PROBE_BW_UP = 5;
export const PROBE_RTT = 6;
/** No state to go back to. */
export const NO_STATE = -1;

/** What the ACKs that come now tell about the probing of bandwidth (2.14). */
export const ACKS_INIT = 0;
export const ACKS_REFILLING = 1;
export const ACKS_PROBE_STARTING = 2;
export const ACKS_PROBE_FEEDBACK = 3;
export const ACKS_PROBE_STOPPING = 4;

const INFINITY: number = Number.POSITIVE_INFINITY;

export class BbrState {
  phase: number = STARTUP;
  pacingGain = 0.5;
  cwndGain = 0.5;
  /** Packet-timed round trips (5.5.1). */
  roundCount = 0;
  roundStart = false;
  nextRoundDelivered = 0.5;
  idleRestart = false;
  hasSeenRtt = false;
  drainStartRound = 0;
  /** BBR.max_bw_filter: the largest samples of this cycle and of the one before. */
  bwNow = 0.5;
  bwBefore = 0.5;
  /** BBR.bw, and the short-term bound on it. */
  bw = 0.5;
  bwShortterm: number = INFINITY;
  inflightShortterm: number = INFINITY;
  inflightLongterm: number = INFINITY;
  maxInflight = 0;
  minRttUs: number = INFINITY;
  minRttAt: Micros = 0.5;
  /** Aggregation of ACKs (2.12): a filter of the present and the former half of its window. */
  extraAckedNow = 0;
  extraAckedBefore = 0;
  extraAckedRounds = 0;
  extraAckedDelivered = 0.5;
  extraAckedAt: Micros = 0.5;
  /** Has the pipe been filled (2.13)? */
  fullBwReached = false;
  fullBwNow = false;
  fullBw = 0.5;
  fullBwCount = 0;
  /** Probing for bandwidth (2.14). */
  ackPhase: number = ACKS_INIT;
  isBwProbeSample = false;
  bwProbeUpAcked = 0;
  bwProbeUpRounds = 0;
  probeUpAckedPerInc: number = INFINITY;
  roundsSinceProbeUp = 0;
  bwProbeWaitUs = 0;
  cycleAt: Micros = 0.5;
  prevProbeTooHigh = false;
  prevProbePrecautionary = false;
  /** What the last round trip delivered, and whether it lost anything (2.10). */
  bwLatest = 0.5;
  /** What pacing let through of the bandwidth when that round trip was sent, and what it lets through now. */
  sentShare = 0.5;
  nextSentShare = 0.5;
  inflightLatest = 0;
  isLossInRound = false;
  lossRoundStart = false;
  lossRoundDelivered = 0.5;
  lossEventsInRound = 0;
  /** Share of bytes marked by ECN, smoothed, and what this round trip has told of it. */
  ecnAlpha = 0.5;
  ecnMarked = 0;
  ecnDelivered = 0;
  isEcnInRound = false;
  /** Probing for the round trip (2.16). */
  probeRttMinUs: number = INFINITY;
  probeRttMinAt: Micros = 0.5;
  probeRttExpired = false;
  probeRttDoneAt: Micros = 0.5;
  isProbeRttTimed = false;
  probeRttRoundDone = false;
  /** The window before loss recovery or ProbeRTT. */
  priorCwnd = 0;
  /** For a loss that was none (2.15). */
  undoState: number = NO_STATE;
  undoBwShortterm: number = INFINITY;
  undoInflightShortterm: number = INFINITY;
  undoInflightLongterm: number = INFINITY;

  /** BBR.max_bw */
  get maxBw(): number {
    return this.bwNow > this.bwBefore ? this.bwNow : this.bwBefore;
  }

  get isInProbeBw(): boolean {
    return this.phase >= PROBE_BW_DOWN && this.phase <= PROBE_BW_UP;
  }

  /** IsProbingBW */
  get isProbingBw(): boolean {
    return this.phase === STARTUP || this.phase === PROBE_BW_REFILL || this.phase === PROBE_BW_UP;
  }

  /** What OnInit (5.2.1) sets to nothing; `bbr.ts` does the rest. */
  reset(): void {
    this.roundCount = 0;
    this.roundStart = false;
    this.nextRoundDelivered = 0;
    this.idleRestart = false;
    this.hasSeenRtt = false;
    this.drainStartRound = 0;
    this.bwNow = 0;
    this.bwBefore = 0;
    this.bw = 0;
    this.inflightLongterm = INFINITY;
    this.maxInflight = 0;
    this.minRttUs = INFINITY;
    this.extraAckedNow = 0;
    this.extraAckedBefore = 0;
    this.extraAckedRounds = 0;
    this.extraAckedDelivered = 0;
    this.fullBwReached = false;
    this.ackPhase = ACKS_INIT;
    this.isBwProbeSample = false;
    this.bwProbeUpAcked = 0;
    this.bwProbeUpRounds = 0;
    this.probeUpAckedPerInc = INFINITY;
    this.roundsSinceProbeUp = 0;
    this.bwProbeWaitUs = 0;
    this.cycleAt = 0;
    this.prevProbeTooHigh = false;
    this.prevProbePrecautionary = false;
    this.sentShare = 1;
    this.nextSentShare = 1;
    this.lossRoundStart = false;
    this.lossRoundDelivered = 0;
    this.lossEventsInRound = 0;
    this.ecnAlpha = 1;
    this.ecnMarked = 0;
    this.ecnDelivered = 0;
    this.isEcnInRound = false;
    this.probeRttMinUs = INFINITY;
    this.probeRttExpired = false;
    this.isProbeRttTimed = false;
    this.probeRttRoundDone = false;
    this.priorCwnd = 0;
    this.undoState = NO_STATE;
    this.undoBwShortterm = 0;
    this.undoInflightShortterm = 0;
    this.undoInflightLongterm = 0;
    this.resetCongestionSignals();
    this.resetShortTermModel();
    this.resetFullBw();
  }

  /** 5.5.10.3, ResetCongestionSignals */
  resetCongestionSignals(): void {
    this.isLossInRound = false;
    this.isEcnInRound = false;
    this.bwLatest = 0;
    this.inflightLatest = 0;
  }

  /** 5.5.10.3, ResetShortTermModel */
  resetShortTermModel(): void {
    this.bwShortterm = INFINITY;
    this.inflightShortterm = INFINITY;
  }

  /** 5.3.1.2, ResetFullBW */
  resetFullBw(): void {
    this.fullBw = 0;
    this.fullBwCount = 0;
    this.fullBwNow = false;
  }
}

/** BBR's state of a connection that uses BBR. */
export function bbrOf(tcb: Tcb): BbrState {
  return tcb.bbr as BbrState;
}
