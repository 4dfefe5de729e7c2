// Urgent data (RFC 9293 3.8.5, RFC 6093), as Linux has it: the pointer of the peer marks one byte, which is taken out of the
// stream and read by MSG_OOB, unless SO_OOBINLINE leaves it where it is. A read ends in front of the mark, so that a program
// can find it.

import { EAGAIN, EINVAL, ENOTCONN } from '../errors.js';
import type { Segment } from '../wire/tcp-header.js';
import type { TcpCore } from './core.js';
import { EPOLLPRI } from './events.js';
import { add, diff, gt, lt } from './seq.js';
import { CLOSED, mayReceive } from './state.js';
import type { Tcb } from './tcb.js';

// What is known of the byte at RCV.UP.
/** There is no urgent data, or reading has gone past it. */
export const URGENT_NONE = 0;
/** The pointer has come, the byte has not. */
const URGENT_AWAITED = 1;
const URGENT_HERE = 2;
/** It has been read by MSG_OOB. */
const URGENT_TAKEN = 3;

/** Most that the urgent pointer can count. */
const FARTHEST = 0xffff;

/** Sequence number of the first byte that the program has not read. */
function readSeq(tcb: Tcb): number {
  const { rcv } = tcb;
  const end = rcv.finSeen && gt(rcv.nxt, rcv.finSeq) ? rcv.finSeq : rcv.nxt;
  return add(end, -tcb.recvBuffer.length);
}

/**
 * Sixth, check the URG bit (RFC 9293 3.10.7.4). `seq` is SEG.SEQ before the segment was trimmed: the pointer counts from there
 * to the byte behind the urgent one (RFC 6093 3.1), or with `tcp_stdurg` to that byte itself (RFC 1122 4.2.2.4).
 */
export function urgentArrives(core: TcpCore, tcb: Tcb, seg: Segment, seq: number): void {
  if (!mayReceive(tcb.state) || tcb.readShut) return;
  const isLast = core.config.stdurg !== 0 || seg.urgent === 0;
  notePointer(core, tcb, add(seq, isLast ? seg.urgent : seg.urgent - 1));
}

/** The mark moves forward only, and never into what is here already: such a pointer comes again, or is forged. */
function notePointer(core: TcpCore, tcb: Tcb, up: number): void {
  const { rcv } = tcb;
  if (lt(up, readSeq(tcb)) || lt(up, rcv.nxt)) return;
  if (rcv.urgent !== URGENT_NONE && !gt(up, rcv.up)) return;
  // The byte of the mark before is urgent still, and no part of the stream.
  if (isAtMark(tcb) && !tcb.tuning.oobInline) tcb.recvBuffer.discard(1, core.buffers);
  rcv.up = up;
  rcv.urgent = URGENT_AWAITED;
}

/** Keeps the urgent byte that was waited for, when it is in this segment. */
export function urgentByteArrives(core: TcpCore, tcb: Tcb, seg: Segment): void {
  const { rcv } = tcb;
  const at = diff(rcv.up, seg.seq);
  if (rcv.urgent !== URGENT_AWAITED || at < 0 || at >= seg.dataLength) return;
  rcv.urgentByte = core.ip.nic.view.getUint8(seg.dataOffset + at);
  rcv.urgent = URGENT_HERE;
  core.notify(tcb, EPOLLPRI);
}

/** True when the next byte to read is the urgent one (SIOCATMARK). */
export function isAtMark(tcb: Tcb): boolean {
  return tcb.rcv.urgent !== URGENT_NONE && tcb.rcv.up === readSeq(tcb);
}

/** True when an urgent byte can be read by MSG_OOB (EPOLLPRI). */
export function hasUrgent(tcb: Tcb): boolean {
  return tcb.rcv.urgent === URGENT_HERE;
}

/** How many bytes to take out of the stream before it goes on: the urgent one at its front, 1 or 0. */
export function urgentHole(tcb: Tcb): number {
  return isAtMark(tcb) && !tcb.tuning.oobInline && tcb.recvBuffer.length > 0 ? 1 : 0;
}

/** Takes the urgent byte out of the stream when it comes next. */
export function skipUrgent(core: TcpCore, tcb: Tcb): void {
  if (urgentHole(tcb) === 0) return;
  tcb.recvBuffer.discard(1, core.buffers);
  passMark(tcb);
}

/** Bytes that one read can give at most: those in front of the mark, or behind it once it has been reached. */
export function bytesToMark(tcb: Tcb): number {
  const { rcv } = tcb;
  const { length } = tcb.recvBuffer;
  if (rcv.urgent === URGENT_NONE) return length;
  const ahead = diff(rcv.up, readSeq(tcb));
  if (ahead > 0) return Math.min(ahead, length);
  return length - urgentHole(tcb);
}

/** Bytes have been read: behind the mark there is no urgent data any more. */
export function passMark(tcb: Tcb): void {
  if (lt(tcb.rcv.up, readSeq(tcb))) tcb.rcv.urgent = URGENT_NONE;
}

/**
 * Reads the urgent byte: 1, or 0 at the end of the stream. -EINVAL: there is none, it has been read, or it is in the stream.
 * -EAGAIN: it has been announced, and is still to come.
 */
export function receiveUrgent(
  tcb: Tcb,
  bytes: Uint8Array,
  offset: number,
  length: number,
  peek: boolean,
): number {
  const { rcv } = tcb;
  if (tcb.tuning.oobInline || rcv.urgent === URGENT_NONE || rcv.urgent === URGENT_TAKEN) return -EINVAL;
  if (rcv.urgent === URGENT_HERE) {
    if (!peek) rcv.urgent = URGENT_TAKEN;
    if (length === 0) return 0;
    bytes[offset] = rcv.urgentByte;
    return 1;
  }
  if (tcb.readShut) return 0;
  return tcb.state === CLOSED ? -ENOTCONN : -EAGAIN;
}

/** The urgent pointer of a segment that begins at `seq` while SND.UP is not acknowledged; 0 for none (MUST-31, MUST-62). */
export function urgentPointer(tcb: Tcb, seq: number): number {
  const { snd } = tcb;
  const ahead = diff(snd.up, seq);
  if (ahead <= 0) return 0;
  if (ahead <= FARTHEST) return ahead;
  // Farther than the field counts: that there is something is told as soon as all before it has been sent.
  return gt(add(seq, FARTHEST), snd.nxt) ? FARTHEST : 0;
}
