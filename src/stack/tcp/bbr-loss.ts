// What losses and ECN marks tell BBR (draft-ietf-ccwg-bbr-06 5.5.10, 5.5.11). While it probes for bandwidth, too many of them show
// how much in flight is too much in the long term; otherwise they lower the short-term bounds, once in a round trip.
//
// The draft leaves the answer to ECN open but for "MUST treat any CE marks as congestion" (3.7). Here the share of marked bytes is
// smoothed as DCTCP does (RFC 8257 3.3), and a round trip with marks lowers the short-term volume by a part of it.

import { startProbeBwDown } from './bbr-phases.js';
import { type BbrState, NO_STATE, PROBE_BW_UP, PROBE_RTT } from './bbr-state.js';
import { targetInflight } from './bbr-volume.js';
import type { TcpCore } from './core.js';
import { deliveredBytes, lengthAt, lostSince } from './delivery.js';
import { OPEN } from './loss-phases.js';
import type { Scoreboard } from './scoreboard.js';
import type { Tcb } from './tcb.js';

/** 2.8: more lost than this part of a round trip is too much. */
const LOSS_THRESH = 0.02;
const BETA = 0.7;
/** RFC 8257 3.3, g, and how much of the smoothed share of marks the volume falls by. */
const ECN_GAIN = 1 / 16;
const ECN_FACTOR = 1 / 3;
/** Marks on more than this part of a round trip, while probing, are too much. */
const ECN_THRESH = 0.5;

const INFINITY: number = Number.POSITIVE_INFINITY;

/** 5.6.4.4, SaveCwnd */
export function saveCwnd(tcb: Tcb, bbr: BbrState): void {
  const { cc } = tcb;
  const isGood = cc.phase === OPEN && bbr.phase !== PROBE_RTT;
  bbr.priorCwnd = isGood ? cc.cwnd : Math.max(bbr.priorCwnd, cc.cwnd);
}

/** 5.6.4.4, RestoreCwnd */
export function restoreCwnd(tcb: Tcb, bbr: BbrState): void {
  tcb.cc.cwnd = Math.max(tcb.cc.cwnd, bbr.priorCwnd);
}

/** 5.5.11.1, SaveStateUponLoss */
function saveStateUponLoss(tcb: Tcb, bbr: BbrState): void {
  saveCwnd(tcb, bbr);
  bbr.undoState = NO_STATE;
  bbr.undoBwShortterm = bbr.bwShortterm;
  bbr.undoInflightShortterm = bbr.inflightShortterm;
  bbr.undoInflightLongterm = bbr.inflightLongterm;
}

/** 5.5.10.2, NoteLoss */
export function noteLoss(core: TcpCore, tcb: Tcb, bbr: BbrState): void {
  if (!bbr.isLossInRound) {
    bbr.lossRoundDelivered = deliveredBytes(core, tcb);
    saveStateUponLoss(tcb, bbr);
  }
  bbr.isLossInRound = true;
}

/** 5.5.10.2, HandleLostPacket, of the segment in slot `at` of the scoreboard. */
export function handleLostPacket(
  core: TcpCore,
  tcb: Tcb,
  bbr: BbrState,
  board: Scoreboard,
  at: number,
): void {
  noteLoss(core, tcb, bbr);
  if (!bbr.isBwProbeSample) return;
  const txInFlight = board.inFlightBefore(at);
  const lost = lostSince(core, tcb, board, at);
  if (!isInflightTooHigh(tcb, txInFlight, lost)) return;
  const volume = inflightAtLoss(txInFlight, lost, lengthAt(board, at));
  handleInflightTooHigh(core, tcb, bbr, volume, board.wasAppLimited(at));
}

/** 5.5.10.2, IsInflightTooHigh. Without SACK only one loss can be seen in a round trip, and is enough. */
export function isInflightTooHigh(tcb: Tcb, txInFlight: number, lost: number): boolean {
  return lost > txInFlight * LOSS_THRESH || (lost > 0 && !tcb.sack);
}

/** 5.5.10.2: how much was in flight when losses crossed the threshold, in the midst of a segment maybe. */
function inflightAtLoss(txInFlight: number, lost: number, length: number): number {
  const inflightBefore = txInFlight - length;
  const lostBefore = lost - length;
  const lostPrefix = (LOSS_THRESH * inflightBefore - lostBefore) / (1 - LOSS_THRESH);
  return Math.floor(inflightBefore + lostPrefix);
}

/** 5.5.10.2: `volume` in flight was too much. */
function handleInflightTooHigh(
  core: TcpCore,
  tcb: Tcb,
  bbr: BbrState,
  volume: number,
  isAppLimited: boolean,
): void {
  bbr.prevProbeTooHigh = true;
  // Once in a probe.
  bbr.isBwProbeSample = false;
  if (!isAppLimited) {
    bbr.inflightLongterm = Math.max(volume, Math.floor(targetInflight(core, tcb, bbr) * BETA));
  }
  if (bbr.phase !== PROBE_BW_UP) return;
  bbr.undoState = PROBE_BW_UP;
  startProbeBwDown(core, tcb, bbr);
}

/**
 * 5.5.10.3, once in a round trip, LossLowerBounds and what ECN adds. The draft expects that X % of loss lower the rate by X %
 * (5.3.3.8.3). What pacing itself held back of the estimate was not lost: without its share a single loss in ProbeBW_DOWN would
 * take ten per cent until the next probe.
 */
export function adaptLowerBounds(tcb: Tcb, bbr: BbrState): void {
  if (bbr.isProbingBw || !(bbr.isLossInRound || bbr.isEcnInRound)) return;
  if (bbr.bwShortterm === INFINITY) bbr.bwShortterm = bbr.maxBw;
  if (bbr.inflightShortterm === INFINITY) bbr.inflightShortterm = tcb.cc.cwnd;
  const ecnVolume = bbr.isEcnInRound
    ? Math.floor(bbr.inflightShortterm * (1 - bbr.ecnAlpha * ECN_FACTOR))
    : INFINITY;
  if (bbr.isLossInRound) {
    // In Drain a queue delivers more than pacing lets through: a bound above what it bounds would swallow the next loss.
    const delivered = Math.max(bbr.bwLatest, Math.min(bbr.bwLatest / bbr.sentShare, bbr.maxBw));
    bbr.bwShortterm = Math.max(delivered, BETA * bbr.bwShortterm);
    bbr.inflightShortterm = Math.max(bbr.inflightLatest, Math.floor(BETA * bbr.inflightShortterm));
  }
  bbr.inflightShortterm = Math.min(bbr.inflightShortterm, ecnVolume);
}

/** ECN: `marked` of `delivered` bytes met congestion. */
export function noteMarks(bbr: BbrState, marked: number): void {
  bbr.ecnMarked += marked;
  bbr.isEcnInRound = true;
}

/** Once in a round trip: smooths the share of marks (RFC 8257 3.3), and ends a probe that has caused too many. */
export function adaptToMarks(core: TcpCore, tcb: Tcb, bbr: BbrState): void {
  const { ecnMarked, ecnDelivered } = bbr;
  if (ecnMarked === 0 && bbr.ecnAlpha === 0) {
    bbr.ecnDelivered = 0;
    return;
  }
  const share = ecnDelivered > 0 ? Math.min(1, ecnMarked / ecnDelivered) : 0;
  bbr.ecnAlpha += ECN_GAIN * (share - bbr.ecnAlpha);
  if (bbr.ecnAlpha < 1e-3) bbr.ecnAlpha = 0;
  bbr.ecnMarked = 0;
  bbr.ecnDelivered = 0;
  if (share <= ECN_THRESH || !bbr.isBwProbeSample) return;
  const { sample } = core.report;
  handleInflightTooHigh(core, tcb, bbr, sample.txInFlight, sample.isAppLimited);
}
