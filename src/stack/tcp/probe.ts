// Tail loss probes (RFC 8985 7): when the end of a flight meets silence, one segment is sent after about two round trips instead
// of waiting for the retransmission timer, so that the ACK it draws lets RACK repair what is missing.

import { NEVER } from '../clock.js';
import type { TcpCore } from './core.js';
import { onDeparture } from './delivery.js';
import { pipe } from './flight.js';
import { isRepairing } from './loss-phases.js';
import { sendAgain } from './output.js';
import { onPacedDeparture, pacingDelayUs } from './pacing.js';
import type { AckReport } from './recovery.js';
import { SACKED } from './scoreboard.js';
import { geq, gt } from './seq.js';
import type { Tcb } from './tcb.js';

/** What a receiver may delay its ACK of a lone segment by, at worst (RFC 8985 7.2, WCDelAckT). */
const WORST_DELACK_US = 200_000;
/** Added to two round trips otherwise; Linux's TCP_TIMEOUT_MIN. */
const SLACK_US = 2_000;

/** Wait while no round trip has been measured yet (RFC 8985 7.2). */
const NO_RTT_US = 1_000_000;

/** When to probe, in µs from the stack's start; NEVER when a probe would make no sense (RFC 8985 7.2). */
export function probeTime(core: TcpCore, tcb: Tcb): number {
  const { board, cc } = tcb;
  if (core.config.earlyRetrans === 0 || !tcb.sack || board === null || board.count === 0) return NEVER;
  if (isRepairing(cc.phase) || cc.tlpPending || board.sacked > 0) return NEVER;
  if (tcb.rtt.srttUs === 0) return core.clock.now + NO_RTT_US;
  const slackUs = board.count === 1 ? WORST_DELACK_US : SLACK_US;
  // What pacing holds back is not late.
  return core.clock.now + pacingDelayUs(core, tcb) + 2 * tcb.rtt.srttUs + slackUs;
}

/** Resends the last segment that the peer is not known to hold. Returns false when the Nic had no frame. */
export function sendTail(core: TcpCore, tcb: Tcb): boolean {
  const { board, cc, snd } = tcb;
  if (board === null) return true;
  let last = board.next - 1;
  while (last > board.first && (board.flagsAt(last & board.mask) & SACKED) !== 0) last--;
  const fin = board.hasFin(last);
  const length = board.payload(last);
  if (!sendAgain(core, tcb, board.startAt(last & board.mask), length, fin)) return false;
  const wasEmpty = pipe(tcb) === 0;
  board.resend(last, core.clock.now);
  onDeparture(core, tcb, board, last, wasEmpty);
  if (tcb.pacer !== null) onPacedDeparture(core, tcb.pacer, length);
  cc.tlpResent = true;
  cc.tlpEnd = snd.nxt;
  return true;
}

/** RFC 8985 7.4.2: a probe that repaired a loss is the only sign of it, and the window must react. */
export function probeAnswered(core: TcpCore, tcb: Tcb, ack: number, report: AckReport): void {
  const { cc } = tcb;
  if (!cc.tlpPending || !geq(ack, cc.tlpEnd)) return;
  if (!cc.tlpResent || (report.isDsack && report.dsackRight === cc.tlpEnd)) {
    // New data has arrived, or both the original and the probe have: nothing was lost.
    cc.tlpPending = false;
  } else if (gt(ack, cc.tlpEnd)) {
    // Only one of the two has arrived.
    cc.tlpPending = false;
    core.counters.TcpExtTCPLossProbeRecovery++;
    if (tcb.congestion?.ownsWindow) tcb.congestion.remember(core, tcb);
    cc.ssthresh = tcb.congestion?.ssthresh(tcb, Math.min(report.flight, cc.cwnd)) ?? 2 * tcb.snd.mss;
    cc.cwnd = Math.min(cc.cwnd, cc.ssthresh);
  } else if (report.isDuplicate && !report.hasSack) {
    // Both have arrived, and the peer speaks no D-SACK.
    cc.tlpPending = false;
  }
}
