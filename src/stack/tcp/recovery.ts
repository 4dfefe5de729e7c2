// Loss recovery: what an acknowledgment, a duplicate one and a timeout do to the window and to what is sent again. RACK finds
// losses with SACK (RFC 8985), three duplicate ACKs without (RFC 5681, NewReno RFC 6582); the window goes down by proportional
// rate reduction (RFC 9937), and comes back when the loss turns out to be none (RFC 3522, RFC 2883).

import { NEVER } from '../clock.js';
import type { TcpCore } from './core.js';
import { completeSample, lose, lostSinceDeparture, RateSample } from './delivery.js';
import { CLASSIC } from './ecn-state.js';
import { flightSize, pipe } from './flight.js';
import { FRTO_NEW_DATA, FRTO_OFF, FRTO_RESENT, isSpuriousTimeout } from './frto.js';
import { CWR, isRepairing, LOSS, OPEN, RECOVERY } from './loss-phases.js';
import { isLossOfProbe } from './mtu-search.js';
import { DUP_THRESHOLD, detectLoss, onRecoveryEnd, reorderingWindow } from './rack.js';
import type { Scoreboard } from './scoreboard.js';
import { add, diff, geq, gt, lt } from './seq.js';
import type { Tcb } from './tcb.js';
import { isWindowLimited, lossVolume } from './validation.js';

/** How far behind SND.UNA `recover` may stay, in bytes. */
const RECOVER_LAG = 1 << 30;

/** What one acknowledgment has told; filled by `ack.ts` and read here. */
export class AckReport {
  /** Bytes by which SND.UNA has moved. */
  acked = 0;
  /** Bytes that are newly known to be with the peer, by SND.UNA or by SACK. */
  delivered = 0;
  /** Bytes that were newly deemed lost because of it. */
  lost = 0;
  /** Bytes of those delivered that met congestion, as ECN tells; 0 without ECN. */
  ceMarked = 0;
  /** How fast that was (delivery.ts). */
  readonly sample: RateSample = new RateSample();
  /** Bytes outstanding before it. */
  flight = 0;
  isDuplicate = false;
  /** It has delivered something that others had overtaken. */
  isReordered = false;
  /** It carries SACK blocks; the first of them is a D-SACK, about [dsackLeft, dsackRight). */
  hasSack = false;
  isDsack = false;
  /** The D-SACK is about something that was sent again: that was in vain. */
  isVain = false;
  dsackLeft = 0;
  dsackRight = 0;
  /** Something was delivered that had been sent once only, and before `recover` was set. */
  isOriginal = false;
  /** Something was acknowledged that had been sent more than once. */
  isResent = false;
  /** SACK tells of data that was sent after `recover` was set. */
  sackedNew = false;
  /** TSecr of the segment; valid when `hasEcho`. */
  hasEcho = false;
  tsEcr = 0;
}

/** Works off an acknowledgment: recovery ends, goes on or begins, and the window follows. */
export function onAck(core: TcpCore, tcb: Tcb, report: AckReport): void {
  const { cc, board, snd } = tcb;
  if (report.acked > 0) endDuplicates(tcb, report);
  else if (report.isDuplicate && !tcb.sack) countDuplicate(tcb, report);
  completeSample(core, tcb);
  const before = cc.phase;
  const isVain = mayUndo(tcb, report) || (cc.phase === LOSS && isSpuriousTimeout(tcb, report));
  if (isVain) undo(core, tcb);
  else if (cc.phase !== OPEN && geq(snd.una, cc.recover)) endRecovery(core, tcb);
  // RFC 9293 3.4: what stays behind by 2 GiB would seem to lie ahead.
  if (diff(snd.una, cc.recover) > RECOVER_LAG) cc.recover = add(snd.una, -RECOVER_LAG);
  const isLosing = board !== null && board.count > 0 && findLosses(core, tcb, board, report);
  const control = tcb.congestion;
  if (control === null) return;
  if (report.ceMarked > 0 || control.needsEcn) control.onEcnEcho(core, tcb, report);
  if (report.ceMarked > 0) onMark(core, tcb, report);
  if (control.ownsWindow) {
    if (report.sample.hasData) report.sample.lost = lostSinceDeparture(core, tcb);
    control.onAck(core, tcb, report);
  } else if (cc.phase === RECOVERY || cc.phase === CWR) {
    reduce(tcb, report, report.acked > 0 && !isLosing);
  } else if (report.acked > 0 && before !== RECOVERY && before !== CWR && !isVain && isWindowLimited(tcb)) {
    control.onAck(core, tcb, report);
  }
  // RFC 5682 2.1 step 2b: two new segments at most.
  if (cc.frto === FRTO_NEW_DATA) cc.cwnd = Math.min(cc.cwnd, 2 * snd.mss);
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
  // The segment that held SND.UNA back was not among it.
  report.delivered = Math.max(Math.min(report.acked, tcb.snd.mss), report.delivered - known);
}

/** Deems lost what this acknowledgment shows to be. Returns whether anything was. */
function findLosses(core: TcpCore, tcb: Tcb, board: Scoreboard, report: AckReport): boolean {
  const { cc, snd, rack } = tcb;
  if (tcb.sack) {
    const isLosing = rack.advanced && detectLoss(core, tcb, board, isRepairing(cc.phase));
    rack.advanced = false;
    if (isLosing && !isRepairing(cc.phase)) enterRecovery(core, tcb, report.flight, report.delivered);
    return isLosing;
  }
  if (!isRepairing(cc.phase)) {
    // RFC 6582 3.2 step 2: only if more than what was sent before the last recovery is acknowledged.
    if (cc.dupAcks < DUP_THRESHOLD || !gt(snd.una, cc.recover)) return false;
    lose(core, tcb, board, board.first);
    enterRecovery(core, tcb, cc.dupFlight, report.delivered);
    return true;
  }
  // RFC 6582 3.2 step 3: a partial acknowledgment points at the next hole.
  if (cc.phase !== RECOVERY || report.acked === 0) return false;
  lose(core, tcb, board, board.first);
  return true;
}

/**
 * A segment has been found lost, with `flight` bytes outstanding, by news of `delivered` bytes: one reduction for this window of
 * data.
 */
export function enterRecovery(core: TcpCore, tcb: Tcb, flight: number, delivered: number): void {
  const { cc, snd } = tcb;
  if (tcb.mtuSearch !== null && isLossOfProbe(core, tcb, tcb.mtuSearch)) return;
  core.counters.TcpExtTCPFastRetrans++;
  cc.tlpPending = false;
  if (cc.phase === CWR) {
    // The window is going down already for this window of data.
    cc.phase = RECOVERY;
    cc.recover = snd.nxt;
    return;
  }
  remember(core, tcb);
  cc.phase = RECOVERY;
  // RFC 5681 3.2 step 2: what limited transmit has sent beyond the window does not count.
  cc.ssthresh = tcb.congestion?.ssthresh(tcb, lossVolume(tcb, Math.min(flight, cc.cwnd))) ?? 2 * snd.mss;
  beginReduction(tcb, delivered);
}

/** The window goes down to `ssthresh` from here on, until what is outstanding now has been acknowledged. */
function beginReduction(tcb: Tcb, delivered: number): void {
  const { cc, snd } = tcb;
  cc.recover = snd.nxt;
  cc.credit = 0;
  // RFC 9937 6, RecoverFS: what is still to be delivered, what this acknowledgment tells of included.
  const held = (tcb.board?.sacked ?? 0) + cc.renoSacked;
  cc.recoverFlight = Math.max(flightSize(tcb) - held + delivered, snd.mss);
  cc.prrDelivered = 0;
  cc.prrOut = 0;
}

/** The network has marked instead of dropping: one reduction for this window of data, and nothing to undo (RFC 3168 6.1.2). */
function onMark(core: TcpCore, tcb: Tcb, report: AckReport): void {
  const { cc, congestion, ecn, snd } = tcb;
  if (congestion === null || ecn === null) return;
  if (congestion.ownsWindow) {
    ecn.cwrDue = ecn.mode === CLASSIC;
    return;
  }
  // As long as the peer has not been told of one reduction, it goes on echoing what led to it.
  if (cc.phase !== OPEN || ecn.cwrDue) return;
  ecn.cwrDue = ecn.mode === CLASSIC;
  cc.phase = CWR;
  cc.undoPossible = false;
  congestion.remember(core, tcb);
  cc.ssthresh =
    congestion.ssthreshOnMark?.(tcb) ?? congestion.ssthresh(tcb, Math.min(report.flight, cc.cwnd));
  cc.ssthresh = Math.max(cc.ssthresh, 2 * snd.mss);
  beginReduction(tcb, report.delivered);
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

/** RACK's timer has found a loss, or another one: a repair leaves, and ACKs clock out the rest. */
export function onLateLoss(core: TcpCore, tcb: Tcb, flight: number): void {
  const { cc } = tcb;
  const wasRepairing = isRepairing(cc.phase);
  if (!wasRepairing) enterRecovery(core, tcb, flight, 0);
  if (cc.phase !== RECOVERY || ownsWindow(tcb)) return;
  const least = Math.max(pipe(tcb), 0) + tcb.snd.mss;
  // One repair begins; later what is lost has made room for its own.
  cc.cwnd = wasRepairing ? Math.max(Math.min(cc.cwnd, cc.ssthresh), least) : least;
}

/** Everything that was outstanding when it began is acknowledged. A D-SACK may still tell that nothing was lost. */
function endRecovery(core: TcpCore, tcb: Tcb): void {
  const { cc, snd } = tcb;
  if (cc.phase === CWR) {
    cc.cwnd = cc.ssthresh;
  } else if (cc.phase === RECOVERY && !ownsWindow(tcb)) {
    // RFC 9937 6 and RFC 6582 3.2: out with the reduced window; without SACK no burst (option 1).
    cc.cwnd = tcb.sack ? cc.ssthresh : Math.min(cc.ssthresh, Math.max(flightSize(tcb), snd.mss) + snd.mss);
  }
  onRecoveryEnd(tcb);
  tcb.congestion?.onRecoveryEnd(core, tcb);
  cc.phase = OPEN;
  cc.frto = FRTO_OFF;
  cc.renoSacked = 0;
}

/** True when the congestion control alone says how much may be in flight. */
function ownsWindow(tcb: Tcb): boolean {
  return tcb.congestion?.ownsWindow ?? false;
}

/**
 * The retransmission timer has expired: what the peer is not known to hold is deemed lost, except what has left too recently to be
 * judged (RFC 8985 6.3). What it holds is not sent again (RFC 6675 5.1), unless it has taken that back.
 */
export function onTimeout(core: TcpCore, tcb: Tcb): void {
  const { cc, snd, board } = tcb;
  // RFC 5682 2.1 step 1: not when the timer expires again for what is being recovered already.
  const mayBeSpurious = core.config.frto !== 0 && cc.phase === OPEN;
  // RFC 5681 3.1: ssthresh falls once for the same data, however often it times out.
  if (tcb.retransmits === 0) {
    if (cc.phase === OPEN) remember(core, tcb);
    cc.ssthresh = tcb.congestion?.ssthresh(tcb, lossVolume(tcb, flightSize(tcb))) ?? 2 * snd.mss;
    tcb.congestion?.onTimeout(core, tcb);
  }
  cc.phase = LOSS;
  cc.credit = 0;
  cc.dupAcks = 0;
  cc.renoSacked = 0;
  cc.recover = snd.nxt;
  cc.tlpPending = false;
  cc.frto = mayBeSpurious ? FRTO_RESENT : FRTO_OFF;
  tcb.rack.reorderAt = NEVER;
  if (board !== null) {
    loseOld(core, tcb, board);
    // One segment is what may leave now, so none may be longer: the probe of a path's MTU is, and would wait for room for ever.
    if (board.payload(board.first) > snd.mss) board.cut(snd.mss);
  }
  // RFC 5681 3.1, the loss window: one segment beside what is still thought to be on its way.
  cc.cwnd = Math.max(pipe(tcb), 0) + snd.mss;
}

/** The oldest segment is lost, and of the others what has left longer ago than a round trip. */
function loseOld(core: TcpCore, tcb: Tcb, board: Scoreboard): void {
  const isReneged = board.isReneged;
  if (isReneged) core.counters.TcpExtTCPSACKReneging++;
  const forgets = !tcb.sack || isReneged;
  const patienceUs = (tcb.rack.rttUs || tcb.rtt.srttUs) + reorderingWindow(tcb, board, true);
  const latest = core.clock.now - (forgets ? 0 : patienceUs);
  for (let number = board.first; number < board.next; number++) {
    if (number === board.first || board.sentAt(number & board.mask) <= latest) lose(core, tcb, board, number);
  }
  if (forgets) board.loseAll();
}

/** Keeps what an undo would bring back. */
function remember(core: TcpCore, tcb: Tcb): void {
  const { cc } = tcb;
  cc.undoPossible = true;
  cc.undoCwnd = cc.cwnd;
  cc.undoSsthresh = cc.ssthresh;
  cc.undoResent = 0;
  cc.undoUna = tcb.snd.una;
  cc.hasRepairTime = false;
  tcb.congestion?.remember(core, tcb);
}

/**
 * True when the repair was for nothing: the first ACK of new data echoes a timestamp from before the first retransmission
 * (RFC 3522 3.2, Eifel), or D-SACKs report every retransmission as a duplicate (RFC 3708), be it after recovery has ended.
 */
function mayUndo(tcb: Tcb, report: AckReport): boolean {
  const { cc } = tcb;
  if (!cc.undoPossible) return false;
  if (report.isVain && cc.undoResent > 0 && gt(report.dsackRight, cc.undoUna)) {
    const length = diff(report.dsackRight, report.dsackLeft);
    cc.undoResent = Math.max(0, cc.undoResent - Math.max(1, Math.ceil(length / tcb.snd.mss)));
    if (cc.undoResent === 0) return true;
  }
  if (cc.phase === OPEN || report.acked === 0 || !cc.hasRepairTime || !report.hasEcho) return false;
  return lt(report.tsEcr, cc.repairTime);
}

/** RFC 4015: the window is what it was, and nothing is lost. */
function undo(core: TcpCore, tcb: Tcb): void {
  const { cc } = tcb;
  if (cc.phase === LOSS) core.counters.TcpExtTCPSpuriousRTOs++;
  cc.cwnd = Math.max(cc.cwnd, cc.undoCwnd);
  cc.ssthresh = Math.max(cc.ssthresh, cc.undoSsthresh);
  if (cc.phase !== OPEN) onRecoveryEnd(tcb);
  cc.phase = OPEN;
  cc.frto = FRTO_OFF;
  cc.undoPossible = false;
  cc.renoSacked = 0;
  tcb.retransmits = 0;
  tcb.rtt.backoff = 0;
  tcb.board?.loseNone();
  // What was lost all the same is found anew.
  tcb.rack.advanced = true;
  tcb.congestion?.onUndo(core, tcb);
}
