// Moving bytes between a program's buffer and a connection or pipe, waiting as long as the socket may: what every call that
// reads or writes is made of. Results are counts or negated errnos; the caller has checked buffer and flags.

import { EAGAIN, EINTR, ENOTCONN, EOPNOTSUPP, EPIPE } from '../stack/errors.js';
import type { Tcb } from '../stack/tcp/tcb.js';
import { MSG_DONTWAIT, MSG_MORE, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_WAITALL } from './constants.js';
import type { Context } from './context.js';
import { openDeferred } from './fast-open.js';
import { block, limitOf, wouldBlock } from './loop.js';
import type { Pipe } from './pipe.js';
import type { Socket } from './sockets.js';

/** Reads up to `length` bytes to `buf` from `offset` on: how many, 0 at the end of the stream, or a negated errno. */
export function receiveInto(
  core: Context,
  socket: Socket,
  buf: Uint8Array,
  offset: number,
  length: number,
  flags: number,
): number {
  const { tcb, pipe } = socket;
  if (tcb === undefined && pipe === undefined) return -ENOTCONN;
  const isPeek = (flags & MSG_PEEK) !== 0;
  if ((flags & MSG_OOB) !== 0) {
    return tcb === undefined ? -EOPNOTSUPP : core.stack.tcp.receiveUrgent(tcb, buf, offset, length, isPeek);
  }
  if (length === 0) return 0;
  const wanted = (flags & MSG_WAITALL) === 0 ? 1 : length;
  let taken = 0;
  let untilUs = -1;
  for (;;) {
    const at = isPeek ? 0 : taken;
    const result =
      tcb === undefined
        ? receivePipe(core, pipe!, buf, offset + at, length - at, isPeek)
        : receiveTcb(core, tcb, buf, offset + at, length - at, flags);
    if (result >= 0) {
      taken = at + result;
      // The same bytes are seen again and again; after the last one there are no more to come.
      const isLast = result === 0 || (isPeek && (tcb?.readShut ?? true));
      if (isLast || taken >= wanted) return taken;
      // Reading ends in front of an urgent byte, however much is wanted.
      if (taken > 0 && tcb !== undefined && core.stack.tcp.isAtMark(tcb)) return taken;
      // There may be an end behind what has just been taken.
      if (!isPeek) continue;
    } else if (result !== -EAGAIN) {
      return taken > 0 ? keepError(tcb, taken, result) : result;
    }
    if (socket.readShut) return taken;
    if (socket.nonblocking || (flags & MSG_DONTWAIT) !== 0) {
      if (taken > 0) return taken;
      wouldBlock(core);
      return -EAGAIN;
    }
    if (untilUs < 0) untilUs = limitOf(core, socket.receiveTimeoutUs);
    else if (core.clock() >= untilUs) return taken > 0 ? taken : -EAGAIN;
    if (!block(core, untilUs)) return taken > 0 ? taken : -EINTR;
  }
}

function receiveTcb(
  core: Context,
  tcb: Tcb,
  buf: Uint8Array,
  offset: number,
  length: number,
  flags: number,
): number {
  const { tcp } = core.stack;
  const isPeek = (flags & MSG_PEEK) !== 0;
  if ((flags & MSG_TRUNC) === 0) return tcp.receive(tcb, buf, offset, length, isPeek);
  const available = tcp.available(tcb);
  return isPeek && available > 0 ? Math.min(available, length) : tcp.discard(tcb, length);
}

function receivePipe(
  core: Context,
  pipe: Pipe,
  buf: Uint8Array,
  offset: number,
  length: number,
  isPeek: boolean,
): number {
  const result = pipe.read(buf, offset, length, isPeek);
  if (result > 0 && !isPeek) tellPipe(core, pipe);
  return result;
}

/**
 * Writes up to `length` bytes of `buf` from `offset` on: how many were taken (all of them, where the socket blocks), or a negated
 * errno. They leave with the next turn of the loop, which is the caller's.
 */
export function sendFrom(
  core: Context,
  socket: Socket,
  buf: Uint8Array,
  offset: number,
  length: number,
  flags: number,
): number {
  const { pipe } = socket;
  if (socket.fastOpenTo !== undefined) return openDeferred(core, socket, buf, offset, length);
  const { tcb } = socket;
  if (tcb === undefined && pipe === undefined) return -ENOTCONN;
  const { tcp } = core.stack;
  const more = (flags & MSG_MORE) !== 0;
  const urgent = (flags & MSG_OOB) !== 0;
  if (urgent && tcb === undefined) return -EOPNOTSUPP;
  let taken = 0;
  let untilUs = -1;
  for (;;) {
    const result =
      tcb === undefined
        ? sendPipe(core, pipe!, buf, offset + taken, length - taken)
        : tcp.send(tcb, buf, offset + taken, length - taken, more, urgent);
    if (result >= 0) taken += result;
    else if (result !== -EAGAIN) return taken > 0 ? keepError(tcb, taken, result) : result;
    if (taken === length && result >= 0) return taken;
    if (socket.nonblocking || (flags & MSG_DONTWAIT) !== 0) {
      if (taken > 0) return taken;
      wouldBlock(core);
      return -EAGAIN;
    }
    if (untilUs < 0) untilUs = limitOf(core, socket.sendTimeoutUs);
    else if (core.clock() >= untilUs) return taken > 0 ? taken : -EAGAIN;
    // What was taken goes nowhere any more.
    if (!block(core, untilUs)) return -EINTR;
  }
}

function sendPipe(core: Context, pipe: Pipe, buf: Uint8Array, offset: number, length: number): number {
  const result = pipe.write(buf, offset, length);
  if (result > 0) tellPipe(core, pipe);
  return result;
}

/** What was taken last ends a record (MSG_EOR); a pipe knows none. */
export function endRecord(core: Context, { tcb }: Socket): void {
  if (tcb !== undefined) core.stack.tcp.endRecord(tcb);
}

/** Tells the epoll sets what has become of a pipe. */
export function tellPipe(core: Context, pipe: Pipe): void {
  for (let i = 0; i < pipe.ends.length; i++) core.interests.notify(pipe.ends[i], pipe.readiness);
}

/** An error behind bytes that were moved is told by the next call. */
export function keepError(tcb: Tcb | undefined, taken: number, result: number): number {
  if (tcb !== undefined && result !== -ENOTCONN && result !== -EPIPE) tcb.error = -result;
  return taken;
}
