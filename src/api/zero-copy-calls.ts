// Reading and writing without a copy between the program and the stack: look at received bytes where they lie and release
// them, reserve room in the send buffer and commit what was written there. Not in mTCP, whose users asked for it.

import { EAGAIN, EFAULT, EINTR, EINVAL, ENOTCONN } from '../stack/errors.js';
import { BytesView } from '../stack/tcp/ring-bytes.js';
import type { Tcb } from '../stack/tcp/tcb.js';
import type { Context } from './context.js';
import { fail } from './errno.js';
import type { MctxArgument } from './guard.js';
import { findStream } from './guard.js';
import { block, limitOf, turn, wouldBlock } from './loop.js';
import type { Socket } from './sockets.js';

/**
 * Points `view` at the received bytes of a connection, waiting for the first one if need be. They can be read there (and
 * changed, for they are nobody else's) until the next call on this context that may turn the loop, and are looked at again
 * until `mtcp_recv_release` lets them go. What lies across the end of the buffer's memory is shown in two parts.
 * @param view a view made by `mtcp_view()`, whose `bytes`, `offset` and `length` are set
 * @returns bytes in the view, 0 at the end of the stream, or -1 with the errno of `mtcp_recv` but EOPNOTSUPP; EFAULT stands for
 *   no view.
 * Source: none; compare recvmsg(2), TCP_ZEROCOPY_RECEIVE.
 */
export function mtcp_recv_view(mctx: MctxArgument, sockid: number, view: BytesView): number {
  const socket = findStream(mctx, sockid);
  if (socket === undefined) return -1;
  if (!(view instanceof BytesView)) return fail(EFAULT);
  const { tcb } = socket;
  if (tcb === undefined) return fail(ENOTCONN);
  const core = mctx as Context;
  const result = attempt(core, socket, tcb, 0, view);
  if (result > 0) return result;
  view.length = 0;
  return result === 0 ? 0 : fail(-result);
}

/**
 * Lets received bytes go, as if they had been read: the window opens for as many again.
 * @param count how many, from the first one on
 * @returns `count`, or -1 with errno EINVAL (no context; not a whole number from 0 to what has arrived), EPERM (context
 *   destroyed), EBADF (no such socket), ENOTSOCK (not a stream), ENOTCONN (never connected).
 * Source: none.
 */
export function mtcp_recv_release(mctx: MctxArgument, sockid: number, count: number): number {
  const socket = findStream(mctx, sockid);
  if (socket === undefined) return -1;
  const { tcb } = socket;
  if (tcb === undefined) return fail(ENOTCONN);
  const { tcp } = (mctx as Context).stack;
  if (!Number.isInteger(count) || count < 0 || count > tcp.available(tcb)) return fail(EINVAL);
  return count === 0 ? 0 : tcp.discard(tcb, count);
}

/**
 * Points `view` at room in the send buffer of a connection, waiting for some if need be. Write there, then call
 * `mtcp_send_commit` before anything else is called on this context; what is not committed was never there. At the end of the
 * buffer's memory there may be less than asked for in a row: commit it, and reserve again.
 * @param len bytes wanted, at least 1
 * @param view a view made by `mtcp_view()`, whose `bytes`, `offset` and `length` are set
 * @returns bytes of room, from 1 to `len`, or -1 with the errno of `mtcp_send` but EOPNOTSUPP; EFAULT stands for no view.
 * Source: none.
 */
export function mtcp_send_reserve(mctx: MctxArgument, sockid: number, len: number, view: BytesView): number {
  const socket = findStream(mctx, sockid);
  if (socket === undefined) return -1;
  if (!(view instanceof BytesView)) return fail(EFAULT);
  if (!Number.isInteger(len) || len < 1) return fail(EINVAL);
  const { tcb } = socket;
  if (tcb === undefined) return fail(ENOTCONN);
  const core = mctx as Context;
  const result = attempt(core, socket, tcb, len, view);
  if (result < 0) return fail(-result);
  socket.reserved = result;
  socket.reservedTurn = core.turns;
  return result;
}

/**
 * Sends what was written into the room that `mtcp_send_reserve` gave, with the next turn of the loop (which a blocking socket
 * makes itself).
 * @param count how many bytes, from the first one on
 * @returns `count`, or -1 with errno EINVAL (no context; nothing reserved, or the loop has turned or something else was sent
 *   since; not a whole number from 0 to what was reserved), EPIPE (this side is closed by now), EPERM (context destroyed), EBADF (no such socket), ENOTSOCK (not a stream).
 * Source: none.
 */
export function mtcp_send_commit(mctx: MctxArgument, sockid: number, count: number): number {
  const socket = findStream(mctx, sockid);
  if (socket === undefined) return -1;
  const core = mctx as Context;
  const { tcb } = socket;
  const isStale = tcb === undefined || socket.reservedTurn !== core.turns;
  if (isStale || !Number.isInteger(count) || count < 0 || count > socket.reserved) return fail(EINVAL);
  socket.reservedTurn = -1;
  const result = count > 0 ? core.stack.tcp.commit(tcb, count) : 0;
  if (result < 0) return fail(-result);
  if (!socket.nonblocking) turn(core);
  return count;
}

/** Makes a view for `mtcp_recv_view` and `mtcp_send_reserve` to set again and again. */
export function mtcp_view(): BytesView {
  return new BytesView();
}

/** Looks (`reserve` 0) or reserves until it is no EAGAIN, as long as the socket may wait. */
function attempt(core: Context, socket: Socket, tcb: Tcb, reserve: number, view: BytesView): number {
  const { tcp } = core.stack;
  let untilUs = -1;
  for (;;) {
    const result = reserve === 0 ? tcp.look(tcb, view) : tcp.reserve(tcb, reserve, view);
    if (result !== -EAGAIN) return result;
    if (reserve === 0 && socket.readShut) return 0;
    if (socket.nonblocking) {
      wouldBlock(core);
      return result;
    }
    const timeoutUs = reserve === 0 ? socket.receiveTimeoutUs : socket.sendTimeoutUs;
    if (untilUs < 0) untilUs = limitOf(core, timeoutUs);
    else if (core.clock() >= untilUs) return result;
    if (!block(core, untilUs)) return -EINTR;
  }
}
