// SEND and RECEIVE (RFC 9293 3.10.2, 3.10.3) without a copy: the program works on the memory of the buffers. What a view points
// at is good until the loop turns or another call is made on the connection, for a buffer that grows or empties moves.

import { EAGAIN, EINVAL, ENOMEM, EPIPE } from '../errors.js';
import { afterRead, nothingToRead, takeError } from './calls.js';
import type { TcpCore } from './core.js';
import { checkAppLimited } from './delivery.js';
import type { BytesView } from './ring-bytes.js';
import { maySend, SYN_RCVD, SYN_SENT } from './state.js';
import type { Tcb } from './tcb.js';
import { bytesToMark, skipUrgent, URGENT_NONE } from './urgent.js';
import { isBacklogged } from './writability.js';

/** Points `view` at received bytes; returns how many, or what `receive` would. */
export function look(core: TcpCore, tcb: Tcb, view: BytesView): number {
  if (tcb.rcv.urgent !== URGENT_NONE) skipUrgent(core, tcb);
  const available = bytesToMark(tcb);
  if (available === 0) return nothingToRead(tcb);
  tcb.recvBuffer.look(view, core.buffers);
  if (view.length > available) view.length = available;
  return view.length;
}

/** Forgets up to `length` received bytes, as if they had been read. */
export function discard(core: TcpCore, tcb: Tcb, length: number): number {
  if (tcb.rcv.urgent !== URGENT_NONE) skipUrgent(core, tcb);
  const available = bytesToMark(tcb);
  if (available === 0) return nothingToRead(tcb);
  const count = tcb.recvBuffer.discard(Math.min(length, available), core.buffers);
  afterRead(core, tcb, count);
  return count;
}

/** Points `view` at room in the send buffer; returns how much, or what `send` would. */
export function reserve(core: TcpCore, tcb: Tcb, length: number, view: BytesView): number {
  if (tcb.error !== 0) return takeError(tcb);
  const isOpening = tcb.state === SYN_SENT || tcb.state === SYN_RCVD;
  if (!isOpening && (tcb.finQueued || !maySend(tcb.state))) return -EPIPE;
  if (isOpening || tcb.sendBuffer.free === 0 || isBacklogged(tcb)) {
    tcb.sendBlocked = true;
    return -EAGAIN;
  }
  if (core.isOutOfMemory) return -ENOMEM;
  tcb.sendBuffer.reserve(length, view, core.buffers);
  return view.length;
}

/** Queues what was written to where `reserve` pointed. Returns 0, -EPIPE, or -EINVAL when the reservation is over. */
export function commit(core: TcpCore, tcb: Tcb, length: number): number {
  if (tcb.finQueued || !maySend(tcb.state)) return -EPIPE;
  checkAppLimited(core, tcb);
  if (!tcb.sendBuffer.commit(length)) return -EINVAL;
  tcb.more = false;
  tcb.unpushed = false;
  core.output.push(tcb);
  return 0;
}
