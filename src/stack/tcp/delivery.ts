// How fast the path delivers: each ACK gives a sample of bytes delivered over the time that they took, the longer one of sending
// and of being acknowledged (draft-ietf-ccwg-bbr 4.1, after draft-cheng-iccrg-delivery-rate-estimation). `transmit.ts` tells what
// leaves, `ack.ts` and `sack.ts` what has arrived, `recovery.ts` what is lost.

import type { Micros } from '../clock.js';
import type { TcpCore } from './core.js';
import { pipe, unsentBytes } from './flight.js';
import {
  APP_LIMITED,
  DELIVERED,
  DELIVERED_BYTES,
  LOST_BYTES,
  RATE_APP_LIMITED,
  RATE_BYTES,
  RATE_INTERVAL_US,
} from './ledger.js';
import { RESENT, type Scoreboard } from './scoreboard.js';
import { diff, gt } from './seq.js';
import type { Tcb } from './tcb.js';

/** RS, the sample of one acknowledgment, taken from the segment that was sent last of those that it tells of. */
export class RateSample {
  /** Something was delivered of which it is known when it was sent; without it the rest means nothing. */
  hasData = false;
  /** Bytes delivered over the interval, and the interval in µs. */
  delivered = 0;
  intervalUs = 0;
  /** Bytes in a microsecond; 0 when the sample is not to be relied upon. */
  rate = 0;
  /** The application had nothing to send for a part of it. */
  isAppLimited = false;
  /** Round trip of the segment in µs; -1 when it was sent more than once. */
  rttUs = -1;
  /** Bytes in flight when the segment left, and bytes lost since. */
  txInFlight = 0;
  lost = 0;
  /** RS.prior_delivered and the like for `lost`; the end of the segment. */
  priorDelivered = 0;
  priorLost = 0;
  endSeq = 0;

  reset(): void {
    this.hasData = false;
    this.delivered = 0;
    this.intervalUs = 0;
    this.rate = 0;
    this.isAppLimited = false;
    this.rttUs = -1;
    this.txInFlight = 0;
    this.lost = 0;
    this.priorDelivered = 0;
    this.priorLost = 0;
  }
}

/** A segment has left (4.1.2.2). `wasEmpty`: nothing was in the network before. */
export function onDeparture(
  core: TcpCore,
  tcb: Tcb,
  board: Scoreboard,
  number: number,
  wasEmpty: boolean,
): void {
  const { ledger } = core;
  const { row } = tcb;
  if (wasEmpty) {
    board.firstSentAt = core.clock.now;
    board.deliveredAt = core.clock.now;
  }
  board.noteDeparture(
    number & board.mask,
    ledger.sumOf(row, DELIVERED_BYTES),
    ledger.sumOf(row, LOST_BYTES),
    pipe(tcb),
    ledger.sumOf(row, APP_LIMITED) > 0,
  );
}

/** A segment has arrived (4.1.2.3, UpdateRateSample). To be called before the scoreboard lets go of it. */
export function onArrival(core: TcpCore, tcb: Tcb, board: Scoreboard, number: number): void {
  const { ledger } = core;
  const { sample } = core.report;
  const { now } = core.clock;
  const at = number & board.mask;
  const sentAt = board.sentAt(at);
  ledger.count(tcb.row, DELIVERED);
  board.deliveredAt = now;
  if (sample.hasData && !isNewest(sample, board, at, sentAt)) return;
  sample.hasData = true;
  sample.priorDelivered = board.deliveredBefore(at);
  sample.priorLost = board.lostBefore(at);
  sample.isAppLimited = board.wasAppLimited(at);
  sample.txInFlight = board.inFlightBefore(at);
  sample.intervalUs = Math.max(sentAt - board.firstSentAtBefore(at), now - board.deliveredAtBefore(at));
  sample.rttUs = (board.flagsAt(at) & RESENT) !== 0 ? -1 : now - sentAt;
  sample.endSeq = board.endAt(at);
  board.firstSentAt = sentAt;
}

/** 4.1.2.3, IsNewestPacket */
function isNewest(sample: RateSample, board: Scoreboard, at: number, sentAt: Micros): boolean {
  if (sentAt !== board.firstSentAt) return sentAt > board.firstSentAt;
  return gt(board.endAt(at), sample.endSeq);
}

/** Completes the sample when everything that the ACK tells is known to have arrived (4.1.2.3, GenerateRateSample). */
export function completeSample(core: TcpCore, tcb: Tcb): void {
  const { ledger, report } = core;
  const { sample } = report;
  const { row } = tcb;
  if (report.delivered <= 0) return;
  ledger.add(row, DELIVERED_BYTES, report.delivered);
  const delivered = ledger.sumOf(row, DELIVERED_BYTES);
  if (delivered > ledger.sumOf(row, APP_LIMITED)) ledger.setSum(row, APP_LIMITED, 0);
  if (!sample.hasData) return;
  sample.delivered = delivered - sample.priorDelivered;
  // An interval shorter than any round trip comes from a segment that was sent again for nothing.
  if (sample.intervalUs <= 0 || sample.intervalUs < tcb.rtt.minRttUs) return;
  sample.rate = sample.delivered / sample.intervalUs;
  const past = ledger.countOf(row, RATE_BYTES) / Math.max(1, ledger.countOf(row, RATE_INTERVAL_US));
  if (sample.isAppLimited && sample.rate < past) return;
  ledger.setCount(row, RATE_BYTES, sample.delivered);
  ledger.setCount(row, RATE_INTERVAL_US, sample.intervalUs);
  ledger.setCount(row, RATE_APP_LIMITED, sample.isAppLimited ? 1 : 0);
}

/** Deems a segment lost, and tells everybody who wants to know. Returns whether that is news. */
export function lose(core: TcpCore, tcb: Tcb, board: Scoreboard, number: number): boolean {
  const length = board.lose(number);
  if (length === 0) return false;
  core.ledger.add(tcb.row, LOST_BYTES, length);
  // RFC 4821 7.5: that a probe of the path's MTU is lost is no sign of congestion.
  if (tcb.mtuSearch?.isProbe(board.startAt(number & board.mask))) return true;
  core.report.lost += length;
  tcb.congestion?.onLost(core, tcb, number & board.mask);
  return true;
}

/** Notes when the application has nothing to send although it might (4.1.2.4). To be called before new data is queued. */
export function checkAppLimited(core: TcpCore, tcb: Tcb): void {
  const { board, cc, snd } = tcb;
  if (unsentBytes(tcb) >= snd.mss) return;
  if (board !== null && (board.hasUnrepaired || pipe(tcb) >= cc.cwnd)) return;
  markAppLimited(core, tcb);
}

/** 4.1.2.4, MarkConnectionAppLimited */
export function markAppLimited(core: TcpCore, tcb: Tcb): void {
  const delivered = core.ledger.sumOf(tcb.row, DELIVERED_BYTES);
  core.ledger.setSum(tcb.row, APP_LIMITED, Math.max(delivered + pipe(tcb), 1));
}

/** Bytes delivered since the connection began (C.delivered). */
export function deliveredBytes(core: TcpCore, tcb: Tcb): number {
  return core.ledger.sumOf(tcb.row, DELIVERED_BYTES);
}

/** RS.lost: bytes lost since the segment left that the sample was taken from. */
export function lostSinceDeparture(core: TcpCore, tcb: Tcb): number {
  return core.ledger.sumOf(tcb.row, LOST_BYTES) - core.report.sample.priorLost;
}

/** Bytes lost since the segment in a slot last left (C.lost - P.lost). */
export function lostSince(core: TcpCore, tcb: Tcb, board: Scoreboard, at: number): number {
  return core.ledger.sumOf(tcb.row, LOST_BYTES) - board.lostBefore(at);
}

/** Length of the segment in a slot, in sequence numbers. */
export function lengthAt(board: Scoreboard, at: number): number {
  return diff(board.endAt(at), board.startAt(at));
}
