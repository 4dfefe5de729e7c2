// BBR's states one after the other (draft-ietf-ccwg-bbr-06 5.3.1 to 5.3.3): Startup until the pipe is full, Drain, and then the
// cycle of probing for bandwidth. ProbeRTT is in `bbr-probe-rtt.ts`.

import { isInflightTooHigh } from './bbr-loss.js';
import { advanceMaxBwFilter } from './bbr-model.js';
import {
  enterDrain,
  raiseInflightLongtermSlope,
  startProbeBwCruise,
  startProbeBwDown,
  startProbeBwRefill,
  startProbeBwUp,
} from './bbr-phases.js';
import {
  ACKS_INIT,
  ACKS_PROBE_FEEDBACK,
  ACKS_PROBE_STARTING,
  ACKS_PROBE_STOPPING,
  type BbrState,
  DRAIN,
  PROBE_BW_CRUISE,
  PROBE_BW_DOWN,
  PROBE_BW_REFILL,
  PROBE_BW_UP,
  STARTUP,
} from './bbr-state.js';
import { bdp, inflightWithHeadroom, pathVolume, targetInflight } from './bbr-volume.js';
import type { TcpCore } from './core.js';
import { pipe } from './flight.js';
import { RECOVERY } from './loss-phases.js';
import type { AckReport } from './recovery.js';
import type { Tcb } from './tcb.js';

/** 5.3.1.3: so many ACKs of a round trip that tell of losses end Startup. */
const STARTUP_FULL_LOSSES = 6;
/** 5.3.2: Drain ends after so many round trips, whatever is in flight. */
const DRAIN_ROUNDS = 3;
/** 5.3.3.8.3: with small volumes as often as Reno would, in round trips, but not more rarely than this. */
const MAX_RENO_ROUNDS = 63;

const INFINITY: number = Number.POSITIVE_INFINITY;

/** 5.3.1.1, CheckStartupDone */
export function checkStartupDone(core: TcpCore, tcb: Tcb, bbr: BbrState, report: AckReport): void {
  checkStartupHighLoss(core, tcb, bbr, report);
  if (bbr.phase === STARTUP && bbr.fullBwReached) enterDrain(bbr);
}

/** 5.3.1.3, CheckStartupHighLoss. Linux counts the ACKs that tell of losses as the discontiguous ranges; so is it done here. */
function checkStartupHighLoss(core: TcpCore, tcb: Tcb, bbr: BbrState, report: AckReport): void {
  if (bbr.fullBwReached) return;
  if (report.lost > 0) bbr.lossEventsInRound++;
  if (!bbr.lossRoundStart) return;
  const { sample } = report;
  const least = tcb.sack ? STARTUP_FULL_LOSSES : 1;
  const isMany = bbr.lossEventsInRound >= least && tcb.cc.phase === RECOVERY;
  bbr.lossEventsInRound = 0;
  if (!isMany || !isInflightTooHigh(tcb, sample.txInFlight, sample.lost)) return;
  bbr.undoState = STARTUP;
  bbr.fullBwReached = true;
  bbr.inflightLongterm = Math.max(bdp(core, tcb, bbr), bbr.inflightLatest);
}

/** 5.3.2, CheckDrainDone */
export function checkDrainDone(core: TcpCore, tcb: Tcb, bbr: BbrState): void {
  if (bbr.phase !== DRAIN) return;
  const isDrained = pipe(tcb) <= pathVolume(core, tcb, bbr, bbr.bw);
  if (isDrained || bbr.roundCount > bbr.drainStartRound + DRAIN_ROUNDS) startProbeBwDown(core, tcb, bbr);
}

/** 5.3.3.9, UpdateProbeBWCyclePhase */
export function updateProbeBwCycle(core: TcpCore, tcb: Tcb, bbr: BbrState, report: AckReport): void {
  if (!bbr.fullBwReached) return;
  if (adaptLongTermModel(core, tcb, bbr, report)) return;
  switch (bbr.phase) {
    case PROBE_BW_DOWN:
      if (isTimeToProbe(core, tcb, bbr)) startProbeBwRefill(core, tcb, bbr);
      else if (isTimeToCruise(core, tcb, bbr)) startProbeBwCruise(bbr);
      break;
    case PROBE_BW_CRUISE:
      if (isTimeToProbe(core, tcb, bbr)) startProbeBwRefill(core, tcb, bbr);
      break;
    case PROBE_BW_REFILL:
      if (!bbr.roundStart) break;
      bbr.isBwProbeSample = true;
      startProbeBwUp(core, tcb, bbr, report.sample.rate);
      break;
    case PROBE_BW_UP:
      if (!isTimeToGoDown(tcb, bbr, report)) break;
      bbr.prevProbeTooHigh = false;
      startProbeBwDown(core, tcb, bbr);
      break;
    default:
  }
}

/** 5.3.3.8.3, IsTimeToProbeBW and IsRenoCoexistenceProbeTime. */
function isTimeToProbe(core: TcpCore, tcb: Tcb, bbr: BbrState): boolean {
  if (core.clock.now > bbr.cycleAt + bbr.bwProbeWaitUs) return true;
  const renoRounds = targetInflight(core, tcb, bbr) / tcb.snd.mss;
  return bbr.roundsSinceProbeUp >= Math.min(renoRounds, MAX_RENO_ROUNDS);
}

/** 5.3.3.9, IsTimeToCruise */
function isTimeToCruise(core: TcpCore, tcb: Tcb, bbr: BbrState): boolean {
  const inFlight = pipe(tcb);
  return inFlight <= inflightWithHeadroom(tcb, bbr) && inFlight <= pathVolume(core, tcb, bbr, bbr.maxBw);
}

/** 5.3.3.9, IsTimeToGoDown */
function isTimeToGoDown(tcb: Tcb, bbr: BbrState, report: AckReport): boolean {
  const { cc, snd } = tcb;
  // What was in flight before this ACK; a volume is reached when no other segment fits in.
  const inFlight = pipe(tcb) + report.delivered + report.lost;
  if (bbr.prevProbeTooHigh && inFlight + snd.mss > bbr.inflightLongterm) {
    bbr.prevProbePrecautionary = true;
    return true;
  }
  if (cc.wasLimited && cc.cwnd >= bbr.inflightLongterm) {
    // It is the volume that limits the rate, and not the path.
    bbr.resetFullBw();
    bbr.fullBw = report.sample.rate;
    return false;
  }
  return bbr.fullBwNow;
}

/** 5.3.3.9, AdaptLongTermModel. Returns true when it has decided on the next state. */
function adaptLongTermModel(core: TcpCore, tcb: Tcb, bbr: BbrState, report: AckReport): boolean {
  const { sample } = report;
  if (bbr.ackPhase === ACKS_PROBE_STARTING && bbr.roundStart) bbr.ackPhase = ACKS_PROBE_FEEDBACK;
  if (bbr.ackPhase === ACKS_PROBE_STOPPING && bbr.roundStart) {
    bbr.isBwProbeSample = false;
    bbr.ackPhase = ACKS_INIT;
    if (bbr.isInProbeBw && !sample.isAppLimited) advanceMaxBwFilter(bbr);
    // 5.3.3.6, precautionary probing: the careful probe did no harm.
    if (bbr.isInProbeBw && bbr.prevProbePrecautionary && !bbr.prevProbeTooHigh) {
      startProbeBwRefill(core, tcb, bbr);
      return true;
    }
  }
  if (bbr.inflightLongterm === INFINITY || isInflightTooHigh(tcb, sample.txInFlight, sample.lost))
    return false;
  if (sample.txInFlight > bbr.inflightLongterm) bbr.inflightLongterm = sample.txInFlight;
  if (bbr.phase === PROBE_BW_UP) probeInflightLongtermUpward(tcb, bbr, report.delivered);
  return false;
}

/** 5.3.3.9, ProbeInflightLongtermUpward */
function probeInflightLongtermUpward(tcb: Tcb, bbr: BbrState, acked: number): void {
  const { cc, snd } = tcb;
  if (!cc.wasLimited || cc.cwnd < bbr.inflightLongterm) return;
  bbr.bwProbeUpAcked += acked;
  if (bbr.bwProbeUpAcked >= bbr.probeUpAckedPerInc) {
    const steps = Math.floor(bbr.bwProbeUpAcked / bbr.probeUpAckedPerInc);
    bbr.bwProbeUpAcked -= steps * bbr.probeUpAckedPerInc;
    bbr.inflightLongterm += steps * snd.mss;
  }
  if (bbr.roundStart) raiseInflightLongtermSlope(tcb, bbr);
}
