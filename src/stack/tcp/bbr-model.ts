// BBR's model of the path (draft-ietf-ccwg-bbr-06 5.5): round trips, the largest delivery rate of two probing cycles, what the last
// round trip delivered, and how much ACKs come in heaps. Fed with the rate sample of each ACK.

import { startRound } from './bbr-phases.js';
import type { BbrState } from './bbr-state.js';
import { PACING_MARGIN } from './bbr-volume.js';
import type { TcpCore } from './core.js';
import { deliveredBytes, type RateSample } from './delivery.js';
import type { Tcb } from './tcb.js';

/** 5.3.1.2: growth by less than a quarter in three round trips means that the pipe is full. */
const FULL_BW_GROWTH = 1.25;
const FULL_BW_ROUNDS = 3;
/** 2.12: the filter covers ten round trips, in two halves; in Startup one. */
const EXTRA_ACKED_HALF_ROUNDS = 5;

/** 5.5.1, UpdateRound */
export function updateRound(core: TcpCore, tcb: Tcb, bbr: BbrState, sample: RateSample): void {
  bbr.roundStart = sample.hasData && sample.priorDelivered >= bbr.nextRoundDelivered;
  if (!bbr.roundStart) return;
  startRound(core, tcb, bbr);
  bbr.roundCount = (bbr.roundCount + 1) & 0x3fffffff;
  bbr.roundsSinceProbeUp++;
}

/** 5.5.5, UpdateMaxBw: what the application limited counts only where it shows that the estimate is too low. */
export function updateMaxBw(bbr: BbrState, sample: RateSample): void {
  if (sample.rate <= 0 || (sample.isAppLimited && sample.rate < bbr.maxBw)) return;
  if (sample.rate > bbr.bwNow) bbr.bwNow = sample.rate;
}

/** 5.5.6, AdvanceMaxBwFilter. A cycle without any sample is none. */
export function advanceMaxBwFilter(bbr: BbrState): void {
  if (bbr.bwNow === 0) return;
  bbr.bwBefore = bbr.bwNow;
  bbr.bwNow = 0;
}

/** 5.5.10.3, UpdateLatestDeliverySignals */
export function updateLatestDelivery(core: TcpCore, tcb: Tcb, bbr: BbrState, sample: RateSample): void {
  bbr.lossRoundStart = false;
  if (!sample.hasData) return;
  bbr.bwLatest = Math.max(bbr.bwLatest, sample.rate);
  bbr.inflightLatest = Math.max(bbr.inflightLatest, sample.delivered);
  if (sample.priorDelivered < bbr.lossRoundDelivered) return;
  bbr.lossRoundDelivered = deliveredBytes(core, tcb);
  bbr.lossRoundStart = true;
}

/** 5.5.10.3, AdvanceLatestDeliverySignals */
export function advanceLatestDelivery(bbr: BbrState, sample: RateSample): void {
  if (!bbr.lossRoundStart) return;
  bbr.bwLatest = sample.rate;
  bbr.inflightLatest = sample.delivered;
  bbr.sentShare = bbr.nextSentShare;
  bbr.nextSentShare = Math.min(bbr.pacingGain, 1) * PACING_MARGIN;
}

/** 5.5.9, UpdateACKAggregation, for `acked` bytes newly delivered. */
export function updateAggregation(core: TcpCore, tcb: Tcb, bbr: BbrState, acked: number): void {
  const { now } = core.clock;
  let expected = bbr.bw * (now - bbr.extraAckedAt);
  if (bbr.extraAckedDelivered <= expected) {
    bbr.extraAckedDelivered = 0;
    bbr.extraAckedAt = now;
    expected = 0;
  }
  bbr.extraAckedDelivered += acked;
  const extra = Math.min(Math.floor(bbr.extraAckedDelivered - expected), tcb.cc.cwnd);
  if (bbr.roundStart && ++bbr.extraAckedRounds >= (bbr.fullBwReached ? EXTRA_ACKED_HALF_ROUNDS : 1)) {
    bbr.extraAckedRounds = 0;
    bbr.extraAckedBefore = bbr.extraAckedNow;
    bbr.extraAckedNow = 0;
  }
  if (extra > bbr.extraAckedNow) bbr.extraAckedNow = extra;
}

/**
 * 5.3.1.2, CheckFullBWReached. As on Linux every sample may show growth, and not only the one with which a round trip begins: a core that
 * comes late makes single samples small.
 */
export function checkFullBw(bbr: BbrState, sample: RateSample): void {
  if (bbr.fullBwNow || sample.isAppLimited) return;
  if (sample.rate >= bbr.fullBw * FULL_BW_GROWTH) {
    bbr.resetFullBw();
    bbr.fullBw = sample.rate;
    return;
  }
  if (!bbr.roundStart) return;
  bbr.fullBwCount++;
  bbr.fullBwNow = bbr.fullBwCount >= FULL_BW_ROUNDS;
  if (bbr.fullBwNow) bbr.fullBwReached = true;
}
