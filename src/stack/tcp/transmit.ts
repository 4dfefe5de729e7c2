// When to send (RFC 9293 3.8 and 3.10.2): SYNs, what is to be sent again, new data within both windows, Nagle and silly-window
// avoidance, the FIN behind the last byte, and ACKs that found no data to ride on.

import { NEVER } from '../clock.js';
import { ACK, FIN, PSH } from '../wire/tcp-header.js';
import { feedbackLength } from './accecn-option.js';
import type { TcpCore } from './core.js';
import { onDeparture } from './delivery.js';
import { flightSize, hasLost, pipe, unsentBytes } from './flight.js';
import { FRTO_NEW_DATA, FRTO_OFF } from './frto.js';
import { noteMtuProbe, probeLength } from './mtu-search.js';
import { emit, sendAck, sendAgain, sendSyn, timestampNow } from './output.js';
import { mayDepart, onPacedDeparture, pacingDelayUs } from './pacing.js';
import { expirePathMtu } from './path-mtu.js';
import { probeTime, sendTail } from './probe.js';
import { noteLimit } from './send-limits.js';
import { add, gt } from './seq.js';
import { CLOSED, isSynchronized, TIME_WAIT } from './state.js';
import { PERSIST, PROBE, REORDER, RTO, type Tcb } from './tcb.js';
import { userTimeoutUs, utoLength } from './user-timeout.js';
import { noteUsage, restartWindow } from './validation.js';
import { wakeWriter } from './writability.js';

/**
 * Least time before the first probe, in µs, whatever the least RTO: peers answer only one such segment in half a second
 * (RFC 5961 10), and RFC 9293 3.8.6.2.1 wants an override timeout of 0.1 to 1 s. Linux's TCP_RTO_MIN.
 */
const MIN_PROBE_US = 200_000;

/** Sends what the connection has to send now. Returns false when the Nic ran out of frames: it must be asked again. */
export function transmit(core: TcpCore, tcb: Tcb): boolean {
  if (tcb.state === CLOSED) return true;
  if (tcb.synPending) {
    const result = sendSyn(core, tcb);
    if (result > 0) return false;
    tcb.synPending = false;
    if (tcb.fastOpen?.isOpen) core.output.push(tcb);
    if (tcb.retransmits > 0) core.counters.TcpExtTCPSynRetrans++;
    startRetransmissionTimer(core, tcb);
    if (result < 0) core.destroy(tcb, -result);
    return true;
  }
  // In SYN-RECEIVED only an ACK can be owed, of a segment that was not acceptable (RFC 9293 3.10.7.4).
  const mayHaveData = (isSynchronized(tcb.state) && tcb.state !== TIME_WAIT) || tcb.fastOpen?.isOpen === true;
  if (mayHaveData && !(sendLost(core, tcb) && sendNew(core, tcb))) return false;
  if (mayHaveData) noteLimit(core, tcb);
  if (tcb.tuning.notSentLowat > 0) wakeWriter(core, tcb);
  if (tcb.ackNow && sendAck(core, tcb) > 0) return false;
  if (tcb.delackAt !== NEVER) core.arm(tcb);
  return true;
}

/** Sends again what is deemed lost, as far as the congestion window allows. */
function sendLost(core: TcpCore, tcb: Tcb): boolean {
  const { board, cc, snd } = tcb;
  // RFC 5682 2.1 step 2b: new data goes first, to find out whether anything is lost.
  if (board === null || cc.frto === FRTO_NEW_DATA) return true;
  for (let first = board.firstUnrepaired(); first >= 0; first = board.firstUnrepaired()) {
    // Small segments in a row go together: what is sent again need not be cut as it was (RFC 9293 3.8.3).
    let next = first;
    let length = 0;
    let fin = false;
    do {
      length += board.payload(next);
      fin = board.hasFin(next);
      next++;
      if (tcb.records?.isEnd(board.endAt((next - 1) & board.mask))) break;
    } while (next < board.next && board.isUnrepaired(next) && length + board.payload(next) <= snd.mss);
    if (pipe(tcb) + length > cc.cwnd) {
      // A segment from before the MSS fell may be larger than the least window.
      if (pipe(tcb) > 0 || length <= snd.mss) return true;
    }
    if (tcb.pacer !== null && !mayDepart(core, tcb, tcb.pacer)) return true;
    const start = board.startAt(first & board.mask);
    const wasHead = first === board.first;
    const wasEmpty = pipe(tcb) === 0;
    if (!sendAgain(core, tcb, start, length, fin)) return false;
    for (let number = first; number < next; number++) {
      board.resend(number, core.clock.now);
      onDeparture(core, tcb, board, number, wasEmpty);
    }
    noteRepair(core, tcb, length);
    noteUsage(core, tcb);
    // RFC 6298 5.1; what holds SND.UNA back gets the whole time to arrive.
    if (wasHead || tcb.rtoAt === NEVER) startRetransmissionTimer(core, tcb);
  }
  return true;
}

/** Keeps what proportional rate reduction and an undo want to know of a retransmission. */
function noteRepair(core: TcpCore, tcb: Tcb, length: number): void {
  const { cc } = tcb;
  cc.prrOut += length;
  cc.lastSentAt = core.clock.now;
  if (tcb.pacer !== null) onPacedDeparture(core, tcb.pacer, length);
  if (!tcb.timestamps || cc.hasRepairTime) return;
  cc.hasRepairTime = true;
  cc.repairTime = timestampNow(core, tcb);
}

/** Sends data that was never sent, and the FIN. */
function sendNew(core: TcpCore, tcb: Tcb): boolean {
  const { snd, cc } = tcb;
  const isProving = cc.frto === FRTO_NEW_DATA;
  if (hasLost(tcb) && !isProving) return true;
  const before = snd.nxt;
  const isWhole = sendWindow(core, tcb);
  // RFC 8985 7.2: the end of what has just left is what a probe would be for.
  if (snd.nxt !== before && tcb.rtxMode !== PERSIST) {
    noteUsage(core, tcb);
    watchFlight(core, tcb);
  }
  if (isProving && isWhole && snd.nxt === cc.recover) {
    // Nothing could be sent after all: ordinary recovery.
    cc.frto = FRTO_OFF;
    return sendLost(core, tcb);
  }
  return isWhole;
}

/** Sends as much as window and congestion window take. */
function sendWindow(core: TcpCore, tcb: Tcb): boolean {
  const { cc, snd } = tcb;
  if (tcb.pathMtu !== 0) expirePathMtu(core, tcb);
  // A probe would take more than one record.
  if (tcb.mtuSearch !== null && (tcb.records === null || tcb.records.count === 0)) {
    const length = probeLength(core, tcb, tcb.mtuSearch);
    if (length < 0) return true;
    if (length > 0) {
      const start = snd.nxt;
      if (!sendData(core, tcb, length, 0)) return false;
      noteMtuProbe(tcb, tcb.mtuSearch, start, length);
    }
  }
  for (;;) {
    const unsent = unsentBytes(tcb);
    const flight = flightSize(tcb);
    if (unsent <= 0) {
      tcb.flush = false;
      if (!tcb.deferred) tcb.holdAt = NEVER;
      if (!tcb.finQueued || tcb.finSent) break;
      return sendData(core, tcb, 0, FIN);
    }
    if (flight === 0) restartAfterIdle(core, tcb);
    const window = snd.wnd - flight;
    const mss = payloadLimit(core, tcb);
    let length = withinRecord(tcb, Math.min(unsent, mss));
    if (length > window) {
      length = window;
      // RFC 9293 3.8.6.2.1: a window smaller than the segment is used only if it is at least half the largest ever offered.
      if (length <= 0 || (length < unsent && length < snd.wndMax >> 1)) {
        if (flight === 0) startPersistTimer(core, tcb);
        break;
      }
    }
    if (pipe(tcb) + length > cc.cwnd) break;
    const last = length === unsent;
    const isEnd = last || tcb.records?.isEnd(add(snd.nxt, length)) === true;
    if (length < mss && last && !mayBeSmall(core, tcb)) break;
    const fin = last && tcb.finQueued;
    if (tcb.pacer !== null && !mayDepart(core, tcb, tcb.pacer)) break;
    if (!sendData(core, tcb, length, (fin ? FIN : 0) | (isEnd && !tcb.unpushed ? PSH : 0))) return false;
    if (length < mss) snd.small = snd.nxt;
  }
  return true;
}

/** How many of the next `length` bytes to be sent are of one record. */
function withinRecord({ records, snd }: Tcb, length: number): number {
  return records === null ? length : records.within(snd.nxt, length);
}

/** Most payload of the next segment: options that not every segment has take their place from it. */
function payloadLimit(core: TcpCore, tcb: Tcb): number {
  const { ecn, snd, uto } = tcb;
  const limit = uto === null ? snd.mss : snd.mss - utoLength(tcb);
  return ecn === null ? limit : limit - feedbackLength(core, tcb, ecn);
}

/** Sends `length` new bytes from SND.NXT on and moves it. */
function sendData(core: TcpCore, tcb: Tcb, length: number, flags: number): boolean {
  const { cc, snd } = tcb;
  const start = snd.nxt;
  const pipeBefore = pipe(tcb);
  const result = emit(core, tcb, start, length, flags);
  if (result > 0) return false;
  const fin = (flags & FIN) !== 0;
  if (fin) tcb.finSent = true;
  snd.nxt = add(start, length + (fin ? 1 : 0));
  const now = core.clock.now;
  const board = core.boardOf(tcb);
  const wasEmpty = pipeBefore === 0;
  board.append(start, snd.nxt, fin, now);
  onDeparture(core, tcb, board, board.next - 1, wasEmpty);
  if (tcb.pacer !== null) onPacedDeparture(core, tcb.pacer, length);
  cc.lastSentAt = now;
  cc.prrOut += length;
  if (tcb.rtoAt === NEVER || tcb.rtxMode === PERSIST) startRetransmissionTimer(core, tcb);
  return true;
}

/** Starts the retransmission timer anew (RFC 6298 5.1). */
export function startRetransmissionTimer(core: TcpCore, tcb: Tcb): void {
  tcb.probeBackoff = 0;
  let delayUs = tcb.rtt.timeoutUs(core.config);
  if (tcb.retransmits > 0) {
    const limitUs = userTimeoutUs(tcb);
    // The timeout of the user comes on time, not with the next retransmission after it.
    if (limitUs > 0) delayUs = Math.min(delayUs, Math.max(1, tcb.retransmitSince + limitUs - core.clock.now));
  }
  tcb.rtoAt = core.clock.now + pacingDelayUs(core, tcb) + delayUs;
  watchFlight(core, tcb);
}

/** Nothing is in flight any more (RFC 6298 5.2). */
export function stopRetransmissionTimer(tcb: Tcb): void {
  tcb.rtxMode = RTO;
  tcb.rtoAt = NEVER;
  tcb.rtxAt = NEVER;
  tcb.rack.reorderAt = NEVER;
}

/** Lets the timer come before the RTO where RACK or a tail loss probe has something to do earlier (RFC 8985 6.2, 7.2). */
export function watchFlight(core: TcpCore, tcb: Tcb): void {
  const { rtoAt } = tcb;
  if (rtoAt === NEVER) return;
  tcb.rtxMode = RTO;
  tcb.rtxAt = rtoAt;
  const { reorderAt } = tcb.rack;
  if (reorderAt < rtoAt) {
    tcb.rtxMode = REORDER;
    tcb.rtxAt = reorderAt;
  } else {
    const at = probeTime(core, tcb);
    if (at !== NEVER) {
      // A probe that would come later takes the place of the timeout.
      tcb.rtxMode = PROBE;
      tcb.rtxAt = at < rtoAt ? at : rtoAt;
    }
  }
  core.arm(tcb);
}

/**
 * The time of a tail loss probe has come: new data if the peer's window has room, else the end of the flight again, whatever
 * the congestion window (RFC 8985 7.3).
 */
export function sendTailProbe(core: TcpCore, tcb: Tcb): boolean {
  const { cc, snd } = tcb;
  const unsent = unsentBytes(tcb);
  const length = withinRecord(tcb, Math.min(unsent, snd.mss));
  core.counters.TcpExtTCPLossProbes++;
  cc.tlpPending = true;
  cc.tlpResent = false;
  if (length <= 0 || length > snd.wnd - flightSize(tcb)) return sendTail(core, tcb);
  const isLast = length === unsent;
  const fin = isLast && tcb.finQueued;
  if (!sendData(core, tcb, length, (fin ? FIN : 0) | (isLast ? PSH : 0))) return false;
  if (length < snd.mss) snd.small = snd.nxt;
  cc.tlpEnd = snd.nxt;
  return true;
}

/** RFC 9293 3.8.6.1: a window too small to use is probed after an RTO, then ever more rarely. */
export function startPersistTimer(core: TcpCore, tcb: Tcb): void {
  if (tcb.rtxAt !== NEVER) return;
  tcb.rtxMode = PERSIST;
  const backoff = 2 ** Math.min(tcb.probeBackoff, 30);
  let intervalUs = Math.max(tcb.rtt.rtoUs, MIN_PROBE_US) * backoff;
  const own = tcb.tuning.userTimeoutUs;
  if (own > 0 && tcb.probeBackoff > 0) {
    intervalUs = Math.min(intervalUs, Math.max(1, tcb.probeSince + own - core.clock.now));
  }
  tcb.rtxAt = core.clock.now + Math.min(intervalUs, core.config.rtoMaxUs);
  core.arm(tcb);
}

/**
 * What the persist timer sends. A window that is open, but stays too small for silly-window avoidance, is used at last
 * (RFC 9293 3.8.6.2.1, the override timeout); a closed one is probed with an old sequence number, which makes the peer tell its
 * window. Returns as `emit`.
 */
export function sendWindowProbe(core: TcpCore, tcb: Tcb): number {
  const unsent = unsentBytes(tcb);
  const length = withinRecord(tcb, Math.min(tcb.snd.wnd - flightSize(tcb), unsent, tcb.snd.mss));
  if (length > 0) {
    if (!sendData(core, tcb, length, length === unsent ? PSH : 0)) return 1;
    tcb.snd.small = tcb.snd.nxt;
    return 0;
  }
  core.counters.TcpExtTCPWinProbe++;
  // RFC 9293 3.8.5: that there is urgent data is told even where there is no window for it.
  if (tcb.snd.up !== tcb.snd.una) emit(core, tcb, tcb.snd.una, 0, ACK);
  return emit(core, tcb, add(tcb.snd.una, -1), 0, ACK);
}

/**
 * RFC 9293 3.7.4 (Nagle) in Minshall's variant, which Linux uses: a small segment waits only while another small one is
 * unacknowledged. The end of the stream is never held back.
 */
function mayBeSmall(core: TcpCore, tcb: Tcb): boolean {
  // What is urgent does not wait, either.
  if (tcb.finQueued || tcb.flush || tcb.snd.up !== tcb.snd.una) return true;
  if (tcb.tuning.cork || tcb.more) {
    // tcp(7): a cork holds for 200 ms at most; on Linux that is the time of a probe.
    if (tcb.holdAt === NEVER) {
      tcb.holdAt = core.clock.now + Math.max(tcb.rtt.rtoUs, MIN_PROBE_US);
      core.arm(tcb);
    }
    return false;
  }
  return tcb.tuning.nodelay || !gt(tcb.snd.small, tcb.snd.una);
}

/** Data is about to leave, nothing being outstanding: the window may be out of date. */
function restartAfterIdle(core: TcpCore, tcb: Tcb): void {
  const { cc, congestion } = tcb;
  if (cc.lastSentAt === NEVER || congestion === null) return;
  congestion.onRestart(core, tcb);
  if (!congestion.ownsWindow) restartWindow(core, tcb);
}
