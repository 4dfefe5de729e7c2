// Loss recovery: what an acknowledgment, a duplicate one and a timeout do to the window and to what is sent again. RACK finds
// losses with SACK (RFC 8985), three duplicate ACKs without (RFC 5681, NewReno RFC 6582); the window goes down by proportional
// rate reduction (RFC 9937), and comes back when the loss turns out to be none (RFC 3522, RFC 2883).

import type { TcpCore } from './core.js';
import { DUP_THRESHOLD, detectLoss, onRecoveryEnd } from './rack.js';
import type { Scoreboard } from './scoreboard.js';
import { diff, geq, lt, max } from './seq.js';
import type { Tcb } from './tcb.js';

/** No loss is being repaired. */
export const OPEN = 0;
/** Fast recovery, until SND.UNA reaches `recover`. */
export const RECOVERY = 1;
/** After a retransmission timeout, until SND.UNA reaches `recover`. */
export const LOSS = 2;

/** Bytes sent and not acknowledged, FIN included. */
export function flightSize(tcb: Tcb): number {
  return diff(tcb.snd.nxt, tcb.snd.una);
}

/** Bytes thought to be in the network (RFC 6675 4, `pipe`). */
export function pipe(tcb: Tcb): number {
  const { board, cc } = tcb;
  if (board === null) return 0;
  return flightSize(tcb) - board.sacked - cc.renoSacked - board.lost + board.repaired;
}

/** True while something deemed lost waits to be sent again. */
export function hasLost(tcb: Tcb): boolean {
  return tcb.board?.hasUnrepaired ?? false;
}

/** What one acknowledgment has told; filled by `ack.ts` and read here. */
export class AckReport {
  /** Bytes by which SND.UNA has moved. */
  acked = 0;
  /** Bytes that are newly known to be with the peer, by SND.UNA or by SACK. */
  delivered = 0;
  /** Bytes outstanding before it. */
  flight = 0;
  isDuplicate = false;
  isDsack = false;
  /** TSecr of the segment; valid when `hasEcho`. */
  hasEcho = false;
  tsEcr = 0;
}

/** Works off an acknowledgment: recovery ends, goes on or begins, and the window follows. */
export function onAck(core: TcpCore, tcb: Tcb, report: AckReport): void {
  const { cc, board, snd } = tcb;
  const wasLost = board === null ? 0 : board.lost - board.repaired;
  if (report.acked > 0) endDuplicates(tcb, report);
  else if (report.isDuplicate && !tcb.sack) countDuplicate(tcb, report);
  const wasReducing = cc.phase === RECOVERY;
  if (cc.phase !== OPEN) {
    if (mayUndo(tcb, report)) undo(tcb);
    else if (geq(snd.una, cc.recover)) endRecovery(tcb);
  }
  // RFC 9293 3.4: what stays behind by 2 GiB would seem to lie ahead.
  cc.recover = max(cc.recover, snd.una);
  if (board !== null && board.count > 0) findLosses(core, tcb, board, report);
  const isLosing = board !== null && board.lost - board.repaired > wasLost;
  if (cc.phase === RECOVERY) reduce(tcb, report, report.acked > 0 && !isLosing);
  else if (report.acked > 0 && !wasReducing && isWindowLimited(tcb, report.flight)) {
    tcb.congestion?.onAck(core, tcb, report.acked);
  }
}

/** Counts a duplicate ACK: without SACK it says that one segment, unknown which, has arrived. */
function countDuplicate(tcb: Tcb, report: AckReport): void {
  const { cc, snd } = tcb;
  if (++cc.dupAcks === 1) cc.dupFlight = report.flight;
  // After a timeout they are about what was sent before it.
  if (cc.phase === LOSS) return;
  const more = Math.min(snd.mss, flightSize(tcb) - snd.mss - cc.renoSacked);
  if (more <= 0) return;
  cc.renoSacked += more;
  report.delivered += more;
}

/** Progress: what duplicates have told of is among what is acknowledged now. */
function endDuplicates(tcb: Tcb, report: AckReport): void {
  const { cc } = tcb;
  cc.dupAcks = 0;
  if (cc.renoSacked === 0) return;
  const known = Math.min(cc.renoSacked, report.acked);
  cc.renoSacked = cc.phase === RECOVERY ? cc.renoSacked - known : 0;
  report.delivered = Math.max(1, report.delivered - known);
}

function findLosses(core: TcpCore, tcb: Tcb, board: Scoreboard, report: AckReport): void {
  const { cc, snd } = tcb;
  if (tcb.sack) {
    if (tcb.rack.advanced && detectLoss(core, tcb, board, cc.phase !== OPEN) && cc.phase === OPEN) {
      enterRecovery(core, tcb, report.flight);
    }
    tcb.rack.advanced = false;
  } else if (cc.phase === OPEN) {
    // RFC 6582 3.2 step 1: only if everything sent before the last recovery is acknowledged.
    if (cc.dupAcks >= DUP_THRESHOLD && geq(snd.una, cc.recover)) {
      board.lose(board.first);
      enterRecovery(core, tcb, cc.dupFlight);
    }
  } else if (cc.phase === RECOVERY && report.acked > 0) {
    // RFC 6582 3.2: a partial acknowledgment points at the next hole.
    board.lose(board.first);
  }
}

/** A segment has been found lost: one reduction for this window of data. */
export function enterRecovery(core: TcpCore, tcb: Tcb, flight: number): void {
  const { cc, snd } = tcb;
  remember(tcb);
  cc.phase = RECOVERY;
  cc.recover = snd.nxt;
  cc.ssthresh = tcb.congestion?.ssthresh(tcb, flight) ?? 2 * snd.mss;
  cc.credit = 0;
  cc.recoverFlight = Math.max(flight, snd.mss);
  cc.prrDelivered = 0;
  cc.prrOut = 0;
  core.counters.TcpExtTCPFastRetrans++;
}

/** RFC 9937 6: as many bytes may leave as the reduction allows for what was delivered. */
function reduce(tcb: Tcb, report: AckReport, isSafe: boolean): void {
  const { cc, snd } = tcb;
  const { delivered } = report;
  if (delivered <= 0) return;
  cc.prrDelivered += delivered;
  const inFlight = pipe(tcb);
  let send: number;
  if (inFlight > cc.ssthresh) {
    send = Math.ceil((cc.prrDelivered * cc.ssthresh) / cc.recoverFlight) - cc.prrOut;
  } else {
    send = Math.max(cc.prrDelivered - cc.prrOut, delivered);
    if (isSafe) send += snd.mss;
    send = Math.min(cc.ssthresh - inFlight, send);
  }
  // The first repair always goes, and the one that a partial acknowledgment asks for (RFC 6582 3.2).
  if (cc.prrOut === 0 || (report.acked > 0 && !tcb.sack)) send = Math.max(send, snd.mss);
  cc.cwnd = Math.max(inFlight + Math.max(0, send), snd.mss);
}

function endRecovery(tcb: Tcb): void {
  const { cc, snd } = tcb;
  if (cc.phase === RECOVERY) {
    // RFC 9937 6 and RFC 6582 3.2: out with the reduced window; without SACK no burst (option 1).
    cc.cwnd = tcb.sack ? cc.ssthresh : Math.min(cc.ssthresh, Math.max(flightSize(tcb), snd.mss) + snd.mss);
    onRecoveryEnd(tcb);
  }
  cc.phase = OPEN;
  cc.undoPossible = false;
  cc.renoSacked = 0;
}

/** The retransmission timer has expired: everything outstanding is deemed lost. */
export function onTimeout(core: TcpCore, tcb: Tcb): void {
  const { cc, snd, board } = tcb;
  // RFC 5681 3.1: ssthresh falls once for the same data, however often it times out.
  if (tcb.retransmits === 0) {
    if (cc.phase === OPEN) remember(tcb);
    cc.ssthresh = tcb.congestion?.ssthresh(tcb, flightSize(tcb)) ?? 2 * snd.mss;
    tcb.congestion?.onTimeout(core, tcb);
  }
  cc.phase = LOSS;
  cc.cwnd = snd.mss;
  cc.credit = 0;
  cc.dupAcks = 0;
  cc.renoSacked = 0;
  cc.recover = snd.nxt;
  cc.tlpPending = false;
  board?.loseAll();
}

/** Keeps what an undo would bring back. */
function remember(tcb: Tcb): void {
  const { cc } = tcb;
  cc.undoPossible = true;
  cc.undoCwnd = cc.cwnd;
  cc.undoSsthresh = cc.ssthresh;
  cc.undoResent = 0;
  cc.hasRepairTime = false;
}

/**
 * True when the repair was for nothing: the first ACK of new data echoes a timestamp from before the first retransmission
 * (RFC 3522 3.2, Eifel), or D-SACKs report every retransmission as a duplicate (RFC 2883, RFC 3708).
 */
function mayUndo(tcb: Tcb, report: AckReport): boolean {
  const { cc } = tcb;
  if (!cc.undoPossible) return false;
  if (report.isDsack && cc.undoResent > 0 && --cc.undoResent === 0) return true;
  if (report.acked === 0 || !cc.hasRepairTime || !report.hasEcho) return false;
  return lt(report.tsEcr, cc.repairTime);
}

function undo(tcb: Tcb): void {
  const { cc } = tcb;
  cc.cwnd = Math.max(cc.cwnd, cc.undoCwnd);
  cc.ssthresh = Math.max(cc.ssthresh, cc.undoSsthresh);
  cc.phase = OPEN;
  cc.undoPossible = false;
  cc.renoSacked = 0;
  tcb.retransmits = 0;
  tcb.rtt.backoff = 0;
  tcb.board?.loseNone();
  tcb.congestion?.onUndo(tcb);
}

/** RFC 5681 3.1, RFC 7661: a window that was not in use says nothing about the path and does not grow. */
function isWindowLimited(tcb: Tcb, flight: number): boolean {
  const { cwnd, ssthresh } = tcb.cc;
  return cwnd < ssthresh ? 2 * flight >= cwnd : flight + tcb.snd.mss > cwnd;
}
