// Segment text and FIN (RFC 9293 3.10.7.4, seventh and eighth check): in-order data to the receive buffer, the rest to
// reassembly, and ACKs at once, with the next data, or delayed (RFC 9293 3.8.6.3, RFC 5681 4.2).

import { NEVER } from '../clock.js';
import { FIN, type Segment, SYN } from '../wire/tcp-header.js';
import type { TcpCore } from './core.js';
import { noteOverlap } from './dsack.js';
import { EPOLLHUP, EPOLLIN, EPOLLRDHUP } from './events.js';
import { MAX_QUICK_ACKS, NO_QUICK_ACKS } from './handshake.js';
import { BYTES_RECEIVED, LAST_DATA_RECEIVED, RCV_OOOPACK } from './ledger.js';
import { replyReset, sendAck } from './output.js';
import { onDataArrived } from './receive-tuning.js';
import { add, diff, geq, gt } from './seq.js';
import { CLOSE_WAIT, CLOSING, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, mayReceive, TIME_WAIT } from './state.js';
import type { Tcb } from './tcb.js';
import { offered } from './window.js';

/** Cuts off what lies beyond the right edge of the window, and with it the FIN (RFC 9293 3.10.7.4, first check). */
export function trimEnd(core: TcpCore, tcb: Tcb, seg: Segment): void {
  // Behind the SYN of a simultaneous open the text begins one later.
  const end = add(seg.seq, seg.dataLength + ((seg.flags & SYN) !== 0 ? 1 : 0));
  const beyond = diff(end, tcb.rcv.nxt) - offered(tcb);
  if (beyond <= 0 || seg.dataLength === 0) return;
  core.counters.TcpExtTCPOutOfWindow++;
  seg.dataLength = Math.max(0, seg.dataLength - beyond);
  seg.flags &= ~FIN;
  acknowledgeNow(core, tcb);
}

/** Takes the text of a segment that was trimmed to the window. Returns false when it ended the connection. */
export function textArrives(core: TcpCore, tcb: Tcb, seg: Segment): boolean {
  // After the peer's FIN there can be no text; what claims to be is ignored.
  if (!mayReceive(tcb.state) || tcb.readShut) return true;
  const { rcv } = tcb;
  if (rcv.finSeen && isBeyondFin(tcb, seg)) {
    acknowledgeNow(core, tcb);
    return true;
  }
  const end = add(seg.seq, seg.dataLength);
  if (!tcb.attached && gt(end, rcv.nxt)) {
    // RFC 9293 3.6.1, RFC 2525 2.16: nobody will ever read it, and the peer must know.
    core.counters.TcpExtTCPAbortOnData++;
    replyReset(core, seg);
    core.destroy(tcb, 0);
    return false;
  }
  noteArrival(core, tcb);
  if (seg.dataLength > rcv.mss) rcv.mss = Math.min(seg.dataLength, tcb.localMss);
  const ahead = diff(seg.seq, rcv.nxt);
  if (ahead > 0) {
    outOfOrder(core, tcb, seg, end, ahead);
    return true;
  }
  if (core.isOutOfMemory && tcb.recvBuffer.length > 0) {
    // What the application has not read yet must go first; the sender will come again.
    core.counters.TcpExtTCPRcvQDrop++;
    acknowledgeNow(core, tcb);
    return true;
  }
  tcb.recvBuffer.place(0, core.ip.span, seg.dataOffset, seg.dataLength, core.buffers);
  tcb.recvBuffer.advance(seg.dataLength);
  core.ledger.add(tcb.row, BYTES_RECEIVED, seg.dataLength);
  if (tcb.reassembly !== null) noteOverlap(core, tcb, tcb.reassembly, seg.seq, end);
  rcv.nxt = end;
  onDataArrived(core, tcb, seg, seg.dataLength);
  if (tcb.reassembly === null) acknowledge(core, tcb);
  else fillHole(core, tcb);
  core.notify(tcb, EPOLLIN);
  return true;
}

/**
 * After a silence longer than a timeout the sender begins anew with a small window, and every delayed ACK would cost it time: as
 * at the beginning, it gets ACKs at once. Not in a conversation, where our answers carry them, and not where
 * TCP_QUICKACK has asked for delay.
 */
function noteArrival(core: TcpCore, tcb: Tcb): void {
  const { now } = core.clock;
  const last = core.ledger.sumOf(tcb.row, LAST_DATA_RECEIVED);
  const hasAnswered = tcb.cc.lastSentAt !== NEVER && tcb.cc.lastSentAt >= last;
  if (last > 0 && now - last > tcb.rtt.rtoUs && !hasAnswered) hurryAcks(tcb);
  core.ledger.setSum(tcb.row, LAST_DATA_RECEIVED, now);
}

/** The next ACKs are not delayed, unless the program wants them to be. */
export function hurryAcks(tcb: Tcb): void {
  if (tcb.quickAcks !== NO_QUICK_ACKS) tcb.quickAcks = MAX_QUICK_ACKS;
}

/**
 * There is no text beyond a FIN, even of one that has not been reached yet (RFC 9293 3.10.7.4, seventh check): it is cut off.
 * Returns true when nothing remains.
 */
function isBeyondFin(tcb: Tcb, seg: Segment): boolean {
  seg.dataLength = Math.max(0, Math.min(seg.dataLength, diff(tcb.rcv.finSeq, seg.seq)));
  return seg.dataLength === 0;
}

/** A segment beyond a hole: kept, and acknowledged at once so that the sender hears of the hole (RFC 5681 4.2). */
function outOfOrder(core: TcpCore, tcb: Tcb, seg: Segment, end: number, ahead: number): void {
  if (core.isUnderPressure) {
    // A byte at the edge of the window can hold as much memory as the window is wide.
    core.counters.TcpExtTCPOFODrop++;
    sendAck(core, tcb);
    return;
  }
  const reassembly = core.reassemblyOf(tcb);
  const isDuplicate = reassembly.covers(seg.seq, end);
  noteOverlap(core, tcb, reassembly, seg.seq, end);
  // A duplicate is entered as well: its range comes first in the SACK option (RFC 2018 4).
  if (!reassembly.insert(seg.seq, end)) {
    core.counters.TcpExtTCPOFODrop++;
  } else if (isDuplicate) {
    core.counters.TcpExtTCPDuplicateSegs++;
  } else {
    core.counters.TcpExtTCPOFOQueue++;
    core.ledger.count(tcb.row, RCV_OOOPACK);
    tcb.recvBuffer.place(ahead, core.ip.span, seg.dataOffset, seg.dataLength, core.buffers);
  }
  sendAck(core, tcb);
}

/** RCV.NXT has moved up to what waited beyond a hole. */
function fillHole(core: TcpCore, tcb: Tcb): void {
  const reassembly = core.reassemblyOf(tcb);
  const next = reassembly.advance(tcb.rcv.nxt);
  tcb.recvBuffer.advance(diff(next, tcb.rcv.nxt));
  core.ledger.add(tcb.row, BYTES_RECEIVED, diff(next, tcb.rcv.nxt));
  tcb.rcv.nxt = next;
  if (reassembly.count === 0) core.dropReassembly(tcb);
  // RFC 5681 4.2: a segment that fills a hole is acknowledged at once.
  acknowledgeNow(core, tcb);
}

/** RFC 9293 3.8.6.3: at least every second full-sized segment is acknowledged, and none later than the delay. */
function acknowledge(core: TcpCore, tcb: Tcb): void {
  const { rcv } = tcb;
  if (tcb.quickAcks > 0 || diff(rcv.nxt, rcv.lastAck) > rcv.mss || core.config.delackUs === 0) {
    if (tcb.quickAcks > 0) tcb.quickAcks--;
    acknowledgeNow(core, tcb);
  } else if (tcb.delackAt === NEVER) {
    tcb.delackAt = core.clock.now + core.config.delackUs;
    // In most conversations the answer carries the ACK: the wheel is set by `transmit`, when there was none in this turn.
    core.output.push(tcb);
  }
}

/** The ACK leaves at the end of this turn, on the application's answer if there is one. */
function acknowledgeNow(core: TcpCore, tcb: Tcb): void {
  tcb.ackNow = true;
  core.output.push(tcb);
}

/** Eighth, check the FIN bit: of this segment, or one that came before the text in front of it. */
export function finArrives(core: TcpCore, tcb: Tcb, seg: Segment): void {
  const { rcv } = tcb;
  if (tcb.readShut) return;
  const finSeq = add(seg.seq, seg.dataLength);
  // A FIN in front of text that is already here is none; the peer contradicts itself.
  const isPossible = tcb.reassembly === null || geq(finSeq, tcb.reassembly.end);
  if ((seg.flags & FIN) !== 0) {
    if (!rcv.finSeen && isPossible) {
      rcv.finSeen = true;
      rcv.finSeq = finSeq;
    }
    // Behind a hole it is out of order like text, and acknowledged at once (RFC 5681 4.2).
    if (seg.dataLength === 0 && gt(finSeq, rcv.nxt)) sendAck(core, tcb);
  }
  if (!rcv.finSeen || !geq(rcv.nxt, rcv.finSeq)) return;
  rcv.nxt = add(rcv.finSeq, 1);
  // As on Linux, where it counts what RCV.NXT goes over.
  core.ledger.add(tcb.row, BYTES_RECEIVED, 1);
  tcb.readShut = true;
  acknowledgeNow(core, tcb);
  switch (tcb.state) {
    case ESTABLISHED:
      core.enter(tcb, CLOSE_WAIT);
      break;
    case FIN_WAIT_1:
      // Our FIN is not acknowledged yet, or the fifth check would have moved on to FIN-WAIT-2.
      core.enter(tcb, CLOSING);
      break;
    case FIN_WAIT_2:
      timeWait(core, tcb);
      break;
    default:
      break;
  }
  core.notify(tcb, EPOLLIN | EPOLLRDHUP | EPOLLHUP);
}

/** Enters TIME-WAIT: all timers off but the one of 2 MSL (RFC 9293 3.10.7.4). */
export function timeWait(core: TcpCore, tcb: Tcb): void {
  core.enter(tcb, TIME_WAIT);
  core.counters.TcpExtTW++;
  core.setOrphan(tcb, false);
  tcb.rtxAt = NEVER;
  tcb.sendBuffer.clear(core.buffers);
  core.dropReassembly(tcb);
  // Nothing will be sent that could be congestion controlled.
  tcb.congestion = null;
  core.dropPacer(tcb);
  core.dropBbr(tcb);
  restartTimeWait(core, tcb);
}

/** Starts the 2 MSL of TIME-WAIT (anew). */
export function restartTimeWait(core: TcpCore, tcb: Tcb): void {
  tcb.lifeAt = core.clock.now + core.config.timeWaitUs;
  core.arm(tcb);
}
