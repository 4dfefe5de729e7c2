// SEGMENT ARRIVES in SYN-RECEIVED and every synchronized state (RFC 9293 3.10.7.4), check by check in the RFC's order, with
// PAWS in front (RFC 7323 5.3) and the stricter rules for RST, SYN and ACK of RFC 5961.

import { ECONNREFUSED, ECONNRESET, EPIPE } from '../errors.js';
import { ACK, FIN, RST, type Segment, SYN, segLen, URG } from '../wire/tcp-header.js';
import { acceptAck, finAcked, isInvalidAck } from './ack.js';
import type { TcpCore } from './core.js';
import { noteDuplicate } from './dsack.js';
import { segmentArrives } from './ecn.js';
import { repeatedSynArrives, synComesAgain, thirdAckArrives } from './ecn-handshake.js';
import { EPOLLOUT } from './events.js';
import { beginData } from './handshake.js';
import { finArrives, hurryAcks, restartTimeWait, textArrives, timeWait, trimEnd } from './input-text.js';
import { admit, defer, enqueue, hasRoom } from './listener.js';
import { awaitFin } from './orphans.js';
import { replyReset, sendAck, sendReset, sendSyn } from './output.js';
import { add, diff, gt, inWindow, leq, lt, min } from './seq.js';
import {
  CLOSE_WAIT,
  CLOSING,
  ESTABLISHED,
  FIN_WAIT_1,
  FIN_WAIT_2,
  LAST_ACK,
  SYN_RCVD,
  TIME_WAIT,
} from './state.js';
import type { Tcb } from './tcb.js';
import { URGENT_NONE, urgentArrives, urgentByteArrives } from './urgent.js';
import { userTimeoutArrives } from './user-timeout.js';
import { offered } from './window.js';

/** TS.Recent of a connection idle for longer is not to be trusted (RFC 7323 5.5): 24 days. */
const TS_RECENT_LIFE_US = 24 * 86_400 * 1_000_000;

/** Processes a segment. Returns true when a SYN has taken over a TIME-WAIT tuple and is to be looked at again. */
export function synchronizedArrives(core: TcpCore, tcb: Tcb, seg: Segment): boolean {
  if (tcb.state === SYN_RCVD && isRepeatedSyn(tcb, seg)) {
    // The SYN-ACK was lost, or is late: it is sent again, and no second connection is made. Which of the two will be
    // acknowledged nobody can tell, so neither is timed (RFC 6298 3).
    tcb.timing = false;
    repeatedSynArrives(tcb, seg);
    repeatSynAck(core, tcb);
    return false;
  }
  if (tcb.state === TIME_WAIT && reusesTimeWait(core, tcb, seg)) {
    core.counters.TcpExtTWRecycled++;
    core.destroy(tcb, 0);
    return true;
  }
  const seq = seg.seq;
  if (!checkTimestamps(core, tcb, seg)) return false;
  if (!checkSequence(core, tcb, seg)) return false;
  if (!checkReset(core, tcb, seg)) return false;
  if (!checkSyn(core, tcb, seg)) return false;
  if (tcb.ecn !== null && (seg.flags & ACK) !== 0) segmentArrives(core, tcb, tcb.ecn, seg);
  if (!checkAck(core, tcb, seg)) return false;
  recordTimestamp(core, tcb, seg, seq);
  if (seg.options.userTimeout >= 0) userTimeoutArrives(core, tcb, seg);
  if ((seg.flags & URG) !== 0) urgentArrives(core, tcb, seg, seq);
  if (tcb.rcv.urgent !== URGENT_NONE) urgentByteArrives(core, tcb, seg);
  if (seg.dataLength > 0 && !textArrives(core, tcb, seg)) return false;
  finArrives(core, tcb, seg);
  if (tcb.deferred && (tcb.recvBuffer.length > 0 || tcb.readShut)) admit(core, tcb);
  return false;
}

/**
 * Answers a repeated SYN, now and then, for its sender may be forged. The timer of the SYN-ACK goes on as it was: otherwise such
 * SYNs would keep a half-open connection for ever.
 */
function repeatSynAck(core: TcpCore, tcb: Tcb): void {
  if (tcb.synPending) return;
  if (!core.throttle.allowInvalid(tcb)) {
    core.counters.TcpExtTCPACKSkipped++;
    return;
  }
  if (sendSyn(core, tcb, true) === 0) core.counters.TcpRetransSegs++;
}

/** The same SYN again, from a peer that has not heard our SYN-ACK. */
function isRepeatedSyn(tcb: Tcb, seg: Segment): boolean {
  return (seg.flags & (SYN | ACK | RST)) === SYN && seg.seq === tcb.rcv.irs;
}

/**
 * RFC 6191 2, RFC 9293 MAY-2: a SYN that is certainly newer than anything of the old connection, by its timestamp, or without
 * one by its sequence number; and somebody must be there to take it.
 */
function reusesTimeWait(core: TcpCore, tcb: Tcb, seg: Segment): boolean {
  if ((seg.flags & (SYN | ACK | RST | FIN)) !== SYN) return false;
  const listener = core.listeners.find(seg.dst.port, seg.dst, seg.src);
  if (listener === undefined || !hasRoom(core, listener)) return false;
  const age = tcb.timestamps && seg.options.timestamps ? diff(seg.options.tsVal, tcb.tsRecent) : 0;
  return age > 0 || (age === 0 && gt(seg.seq, tcb.rcv.nxt));
}

/** The SYN-ACK of a peer whose SYN has been taken before: the two SYNs crossed (RFC 9293 3.5, figure 8). */
function isSimultaneousSynAck(tcb: Tcb, seg: Segment): boolean {
  return tcb.state === SYN_RCVD && (seg.flags & (SYN | ACK)) === (SYN | ACK) && seg.seq === tcb.rcv.irs;
}

/** RFC 7323 5.3 R1 (PAWS). A segment without the option is tolerated, as Linux does. */
function checkTimestamps(core: TcpCore, tcb: Tcb, seg: Segment): boolean {
  if (!tcb.timestamps || !seg.options.timestamps) return true;
  const isOld = diff(seg.options.tsVal, tcb.tsRecent) < 0;
  if (!isOld || isTimestampStale(core, tcb) || (seg.flags & RST) !== 0) return true;
  core.counters.TcpExtPAWSEstabRejected++;
  acknowledgeInvalid(core, tcb, seg);
  return false;
}

/** RFC 7323 5.5: TS.Recent of a connection that was idle for too long says nothing. */
function isTimestampStale(core: TcpCore, tcb: Tcb): boolean {
  return core.clock.now - tcb.tsRecentAt > TS_RECENT_LIFE_US;
}

/**
 * RFC 7323 4.3 (2): an acceptable segment that covers Last.ACK.sent moves TS.Recent, so that a delayed ACK echoes the earliest
 * segment and one out of order changes nothing. `seq` is SEG.SEQ before it was trimmed.
 */
function recordTimestamp(core: TcpCore, tcb: Tcb, seg: Segment, seq: number): void {
  if (!tcb.timestamps || !seg.options.timestamps || gt(seq, tcb.rcv.lastAck)) return;
  if (diff(seg.options.tsVal, tcb.tsRecent) < 0 && !isTimestampStale(core, tcb)) return;
  tcb.tsRecent = seg.options.tsVal;
  tcb.tsRecentAt = core.clock.now;
}

/** First, check the sequence number. What lies outside of the window is cut off. */
function checkSequence(core: TcpCore, tcb: Tcb, seg: Segment): boolean {
  if (isSimultaneousSynAck(tcb, seg)) {
    trimEnd(core, tcb, seg);
    return true;
  }
  const { rcv } = tcb;
  const window = offered(tcb);
  const length = segLen(seg);
  const last = add(seg.seq, Math.max(0, length - 1));
  const acceptable =
    window === 0
      ? seg.seq === rcv.nxt
      : inWindow(seg.seq, rcv.nxt, window) || (length > 0 && inWindow(last, rcv.nxt, window));
  if (!acceptable) {
    onUnacceptable(core, tcb, seg, length);
    return false;
  }
  const before = diff(rcv.nxt, seg.seq);
  // A RST is judged by the number that it bears, not by where its text would begin (RFC 5961 3.2).
  if (before > 0 && (seg.flags & RST) === 0) trimFront(core, tcb, seg, before);
  // With a closed window the ACK bit still counts (MUST-66).
  trimEnd(core, tcb, seg);
  return true;
}

/** "If an incoming segment is not acceptable, an acknowledgment should be sent in reply (unless the RST bit is set)." */
function onUnacceptable(core: TcpCore, tcb: Tcb, seg: Segment, length: number): void {
  // RFC 5961 4.2: a SYN is challenged wherever it lies.
  if ((seg.flags & (SYN | RST)) === SYN) {
    answerSyn(core, tcb, seg);
    return;
  }
  core.counters.TcpExtTCPUnacceptable++;
  if ((seg.flags & RST) !== 0) return;
  if (tcb.state === TIME_WAIT && (seg.flags & FIN) !== 0) {
    // RFC 9293 3.10.7.4, eighth check, TIME-WAIT: the peer has not heard our last ACK.
    restartTimeWait(core, tcb);
  }
  if (length > 0 && lt(seg.seq, tcb.rcv.nxt)) {
    core.counters.TcpExtTCPDuplicateSegs++;
    // RFC 9768 3.2: what comes again has crossed the network again.
    if (tcb.ecn !== null) segmentArrives(core, tcb, tcb.ecn, seg);
  }
  acknowledgeInvalid(core, tcb, seg);
}

/** Answers what is not acceptable by an ACK; without data only now and then, so that no two stacks do it forever. */
function acknowledgeInvalid(core: TcpCore, tcb: Tcb, seg: Segment): void {
  const isPure = seg.dataLength === 0 && (seg.flags & FIN) === 0;
  if ((isPure || (seg.flags & SYN) !== 0) && !core.throttle.allowInvalid(tcb)) {
    core.counters.TcpExtTCPACKSkipped++;
    return;
  }
  const { nxt } = tcb.rcv;
  if (lt(seg.seq, nxt)) {
    noteDuplicate(core, tcb, seg.seq, min(add(seg.seq, segLen(seg)), nxt));
    // Perhaps it was an ACK that was lost or late: the next ones are not delayed, as on Linux.
    if (seg.dataLength > 0) hurryAcks(tcb);
  }
  sendAck(core, tcb);
}

/** Cuts what has been received before off the front. A segment with SYN is left as it is, for it will be refused. */
function trimFront(core: TcpCore, tcb: Tcb, seg: Segment, before: number): void {
  const cut = Math.min(before, seg.dataLength);
  if (cut === 0 || (seg.flags & SYN) !== 0) return;
  core.counters.TcpExtTCPDuplicateSegs++;
  noteDuplicate(core, tcb, seg.seq, add(seg.seq, cut));
  seg.seq = add(seg.seq, cut);
  seg.dataOffset += cut;
  seg.dataLength -= cut;
  tcb.ackNow = true;
  core.output.push(tcb);
}

/** Second, check the RST bit (RFC 5961 3.2). */
function checkReset(core: TcpCore, tcb: Tcb, seg: Segment): boolean {
  if ((seg.flags & RST) === 0) return true;
  if (tcb.state === TIME_WAIT && core.config.rfc1337 !== 0) {
    core.counters.TcpExtTCPBadFlags++;
    return false;
  }
  if (lt(seg.seq, tcb.rcv.nxt)) {
    // Its text may reach into the window, its number does not: silence.
    core.counters.TcpExtTCPUnacceptable++;
    return false;
  }
  if (seg.seq !== tcb.rcv.nxt) {
    core.counters.TcpExtTCPRstChallenged++;
    challenge(core, tcb);
    return false;
  }
  switch (tcb.state) {
    case SYN_RCVD:
      core.counters.TcpAttemptFails++;
      // A program that has accepted it already has had a connection.
      core.destroy(tcb, tcb.fastOpen?.isOpen ? ECONNRESET : ECONNREFUSED);
      break;
    case ESTABLISHED:
    case FIN_WAIT_1:
    case FIN_WAIT_2:
      core.counters.TcpEstabResets++;
      core.destroy(tcb, ECONNRESET);
      break;
    case CLOSE_WAIT:
      core.counters.TcpEstabResets++;
      core.destroy(tcb, EPIPE);
      break;
    default:
      core.destroy(tcb, 0);
  }
  return false;
}

/** Fourth, check the SYN bit (RFC 5961 4.2): in every state but the first, an ACK that tells where we are. */
function checkSyn(core: TcpCore, tcb: Tcb, seg: Segment): boolean {
  if ((seg.flags & SYN) === 0) return true;
  // Of the SYN-ACK of a simultaneous open the ACK is what matters.
  if (isSimultaneousSynAck(tcb, seg)) return true;
  answerSyn(core, tcb, seg);
  return false;
}

function answerSyn(core: TcpCore, tcb: Tcb, seg: Segment): void {
  core.counters.TcpExtTCPSYNChallenge++;
  synComesAgain(tcb, seg);
  challenge(core, tcb);
}

function challenge(core: TcpCore, tcb: Tcb): void {
  if (!core.throttle.allowChallenge(tcb)) {
    core.counters.TcpExtTCPACKSkipped++;
    return;
  }
  core.counters.TcpExtTCPChallengeACK++;
  sendAck(core, tcb);
}

/** Fifth, check the ACK bit. */
function checkAck(core: TcpCore, tcb: Tcb, seg: Segment): boolean {
  if ((seg.flags & ACK) === 0) {
    core.counters.TcpExtTCPNoAck++;
    return false;
  }
  if (tcb.state === SYN_RCVD) {
    if (!establish(core, tcb, seg)) return false;
  } else if (isInvalidAck(tcb, seg)) {
    core.counters.TcpExtTCPAckInvalid++;
    challenge(core, tcb);
    return false;
  } else {
    acceptAck(core, tcb, seg);
  }
  switch (tcb.state) {
    case FIN_WAIT_1:
      if (finAcked(tcb) && !finWait2(core, tcb)) return false;
      break;
    case CLOSING:
      if (finAcked(tcb)) timeWait(core, tcb);
      break;
    case LAST_ACK:
      if (finAcked(tcb)) {
        core.destroy(tcb, 0);
        return false;
      }
      break;
    case TIME_WAIT:
      // "The only thing that can arrive in this state is a retransmission of the remote FIN."
      if ((seg.flags & FIN) !== 0) restartTimeWait(core, tcb);
      // Anything else is told where the connection has ended.
      if (seg.dataLength > 0) sendAck(core, tcb);
      break;
    default:
      break;
  }
  return true;
}

/** SYN-RECEIVED: the handshake is complete when SND.UNA < SEG.ACK =< SND.NXT. */
function establish(core: TcpCore, tcb: Tcb, seg: Segment): boolean {
  if (!gt(seg.ack, tcb.snd.una) || !leq(seg.ack, tcb.snd.nxt)) {
    core.counters.TcpExtTCPAckInvalid++;
    replyReset(core, seg);
    return false;
  }
  const listener = tcb.listener;
  const isFast = tcb.fastOpen?.isOpen === true;
  if (listener?.isFull && !isFast) {
    // The final ACK is as if lost: the SYN-ACK comes again, and by then there may be room.
    core.counters.TcpExtListenOverflows++;
    if (core.config.abortOnOverflow !== 0) {
      replyReset(core, seg);
      core.destroy(tcb, 0);
    }
    return false;
  }
  thirdAckArrives(core, tcb, seg);
  if (isFast) endFastOpen(core, tcb);
  else beginData(core, tcb);
  acceptAck(core, tcb, seg);
  // The window of this ACK is the first scaled one.
  tcb.snd.wnd = (seg.flags & SYN) !== 0 ? seg.wnd : seg.wnd << tcb.snd.wscale;
  tcb.snd.wndMax = Math.max(tcb.snd.wndMax, tcb.snd.wnd);
  core.enter(tcb, ESTABLISHED);
  if (listener !== null && !isFast) {
    listener.halfOpen--;
    if (listener.tuning.deferAcceptUs > 0) defer(core, tcb, listener);
    else enqueue(core, tcb, listener);
  }
  if (tcb.finQueued) core.enter(tcb, FIN_WAIT_1);
  tcb.synPending = false;
  // The SYN-ACK of a simultaneous open carries the peer's sequence number before its data.
  if ((seg.flags & SYN) !== 0) {
    seg.flags &= ~SYN;
    seg.seq = add(seg.seq, 1);
    tcb.ackNow = true;
  }
  core.output.push(tcb);
  core.notify(tcb, EPOLLOUT);
  return true;
}

/** The handshake is complete; data has been going both ways already. */
function endFastOpen(core: TcpCore, tcb: Tcb): void {
  tcb.retransmits = 0;
  tcb.rtt.backoff = 0;
  core.dropFastOpen(tcb);
}

/** Returns false when the connection is over: its program is gone, and does not want it to linger (TCP_LINGER2). */
function finWait2(core: TcpCore, tcb: Tcb): boolean {
  if (!tcb.attached && tcb.tuning.finTimeoutUs < 0) {
    core.counters.TcpExtTCPAbortOnData++;
    sendReset(core, tcb);
    core.destroy(tcb, 0);
    return false;
  }
  core.enter(tcb, FIN_WAIT_2);
  // RFC 9293 3.6.1 sets no limit; without one an orphan would wait for a silent peer forever.
  if (!tcb.attached) awaitFin(core, tcb);
  return true;
}
