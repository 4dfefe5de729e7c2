// The user calls of RFC 9293 3.10.1 to 3.10.6 on a connection: SEND, RECEIVE, CLOSE, ABORT, and what `poll` would say. Results
// are byte counts or negated errno values.

import { EAGAIN, ENOMEM, ENOTCONN, EPIPE } from '../errors.js';
import type { TcpCore } from './core.js';
import { checkAppLimited } from './delivery.js';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } from './events.js';
import { awaitFin, becomeOrphan } from './orphans.js';
import { sendReset } from './output.js';
import { onRead } from './receive-tuning.js';
import { RecordEnds } from './records.js';
import { add } from './seq.js';
import {
  CLOSE_WAIT,
  CLOSED,
  ESTABLISHED,
  FIN_WAIT_1,
  FIN_WAIT_2,
  isSynchronized,
  LAST_ACK,
  maySend,
  SYN_RCVD,
  SYN_SENT,
  TIME_WAIT,
} from './state.js';
import type { Tcb } from './tcb.js';
import { bytesToMark, hasUrgent, passMark, skipUrgent, URGENT_NONE, urgentHole } from './urgent.js';
import { worthUpdating } from './window.js';
import { isBacklogged, isWritable } from './writability.js';

/** Takes the pending error of a connection: a negated errno, or 0. */
export function takeError(tcb: Tcb): number {
  const error = tcb.error;
  tcb.error = 0;
  return -error;
}

/**
 * SEND (3.10.2): queues up to `length` bytes; returns how many were taken. -EAGAIN: no room, or not connected yet. -EPIPE: the
 * sending side is closed. -ENOTCONN: never connected. -ENOMEM: tcp_mem is used up. A pending error comes first, once.
 */
export function send(core: TcpCore, tcb: Tcb, bytes: Uint8Array, offset: number, length: number): number {
  if (tcb.error !== 0) return takeError(tcb);
  if (tcb.state === SYN_SENT || (tcb.state === SYN_RCVD && !tcb.fastOpen?.isOpen)) {
    tcb.sendBlocked = true;
    return -EAGAIN;
  }
  if (tcb.finQueued || !(maySend(tcb.state) || tcb.fastOpen?.isOpen)) return -EPIPE;
  if (length === 0) return 0;
  if (isBacklogged(tcb)) {
    tcb.sendBlocked = true;
    return -EAGAIN;
  }
  if (core.isOutOfMemory) return -ENOMEM;
  checkAppLimited(core, tcb);
  const taken = tcb.sendBuffer.append(core.sendSpans.of(bytes), offset, length, core.buffers);
  if (taken < length) tcb.sendBlocked = true;
  if (taken === 0) return -EAGAIN;
  core.output.push(tcb);
  return taken;
}

/** What was written last ends a record (MSG_EOR): what is written later goes in other segments. */
export function endRecord(tcb: Tcb): void {
  const { sendBuffer, snd } = tcb;
  if (sendBuffer.length === 0) return;
  // alloc: once for each connection with records
  tcb.records ??= new RecordEnds();
  tcb.records.mark(add(snd.base, sendBuffer.length));
}

/**
 * RECEIVE (3.10.3): copies up to `length` bytes out; 0 is the end of the stream. -EAGAIN: nothing yet. -ENOTCONN: never
 * connected. A pending error is told once what had arrived before it has been read.
 */
export function receive(
  core: TcpCore,
  tcb: Tcb,
  bytes: Uint8Array,
  offset: number,
  length: number,
  peek: boolean,
): number {
  const { recvBuffer, rcv } = tcb;
  if (rcv.urgent !== URGENT_NONE && !peek) skipUrgent(core, tcb);
  const available = rcv.urgent === URGENT_NONE ? recvBuffer.length : bytesToMark(tcb);
  if (available === 0) return nothingToRead(tcb);
  const wanted = Math.min(length, available);
  const span = core.receiveSpans.of(bytes);
  if (peek) return recvBuffer.peek(rcv.urgent === URGENT_NONE ? 0 : urgentHole(tcb), span, offset, wanted);
  const count = recvBuffer.read(span, offset, wanted, core.buffers);
  afterRead(core, tcb, count);
  return count;
}

/** What a read returns that finds nothing: an error, 0 at the end of the stream, or -EAGAIN. */
export function nothingToRead(tcb: Tcb): number {
  if (tcb.error !== 0) return takeError(tcb);
  if (tcb.readShut) return 0;
  return tcb.state === CLOSED ? -ENOTCONN : -EAGAIN;
}

/** The program has taken `count` bytes: the mark may be behind it, the buffer may grow, and the peer may hear of room. */
export function afterRead(core: TcpCore, tcb: Tcb, count: number): void {
  if (tcb.rcv.urgent !== URGENT_NONE) passMark(tcb);
  onRead(core, tcb, count);
  if (tcb.readShut || !worthUpdating(tcb)) return;
  tcb.ackNow = true;
  core.output.push(tcb);
}

/** Closes the sending side (3.10.4): what is queued is sent, then a FIN. Returns 0, or -ENOTCONN. */
export function shutdownWrite(core: TcpCore, tcb: Tcb): number {
  switch (tcb.state) {
    case SYN_RCVD:
      // "Queue for processing after entering ESTABLISHED state."
      tcb.finQueued = true;
      return 0;
    case ESTABLISHED:
      core.enter(tcb, FIN_WAIT_1);
      break;
    case CLOSE_WAIT:
      core.enter(tcb, LAST_ACK);
      break;
    case CLOSED:
    case SYN_SENT:
      return -ENOTCONN;
    default:
      return 0;
  }
  tcb.finQueued = true;
  core.output.push(tcb);
  core.notify(tcb, EPOLLOUT | EPOLLHUP);
  return 0;
}

/** CLOSE (3.10.4) by an application that will not come back: FIN, or RST when it leaves data unread (RFC 2525 2.17). */
export function close(core: TcpCore, tcb: Tcb): void {
  tcb.attached = false;
  tcb.owner = -1;
  if (tcb.state === CLOSED) {
    core.free(tcb);
    return;
  }
  if (tcb.state === SYN_SENT) {
    core.destroy(tcb, 0);
    return;
  }
  if (tcb.recvBuffer.length > 0 && tcb.state !== TIME_WAIT) {
    core.counters.TcpExtTCPAbortOnClose++;
    sendReset(core, tcb);
    core.destroy(tcb, 0);
    return;
  }
  tcb.recvBuffer.clear(core.buffers);
  if (tcb.state === FIN_WAIT_2 && tcb.tuning.finTimeoutUs < 0) {
    // tcp(7), TCP_LINGER2: nothing lingers, as on Linux.
    core.counters.TcpExtTCPAbortOnLinger++;
    sendReset(core, tcb);
    core.destroy(tcb, 0);
    return;
  }
  shutdownWrite(core, tcb);
  if (!becomeOrphan(core, tcb)) return;
  if (tcb.state === FIN_WAIT_2) awaitFin(core, tcb);
}

/** ABORT (3.10.5): the peer gets a RST in every state that has one to get. */
export function abort(core: TcpCore, tcb: Tcb): void {
  tcb.attached = false;
  tcb.owner = -1;
  if (tcb.state === CLOSED) {
    core.free(tcb);
    return;
  }
  if (tcb.state === SYN_RCVD || (isSynchronized(tcb.state) && tcb.state !== TIME_WAIT)) sendReset(core, tcb);
  core.destroy(tcb, 0);
}

/** What poll(2) would report, computed as Linux's tcp_poll does. */
export function readiness(tcb: Tcb): number {
  const { state } = tcb;
  let events = 0;
  const isDead = state === CLOSED;
  if (isDead || (tcb.readShut && tcb.finQueued)) events |= EPOLLHUP;
  if (tcb.readShut) events |= EPOLLIN | EPOLLRDHUP;
  if (state !== SYN_SENT && (state !== SYN_RCVD || tcb.fastOpen?.isOpen)) {
    const { urgent } = tcb.rcv;
    if ((urgent === URGENT_NONE ? tcb.recvBuffer.length : bytesToMark(tcb)) > 0) events |= EPOLLIN;
    if (urgent !== URGENT_NONE && hasUrgent(tcb)) events |= EPOLLPRI;
    if (isDead || tcb.finQueued) events |= EPOLLOUT;
    else if (isWritable(tcb)) events |= EPOLLOUT;
    else tcb.sendBlocked = true;
  }
  if (tcb.error !== 0) events |= EPOLLERR;
  return events;
}
