// Ending sockets: mtcp_close, mtcp_abort and mtcp_shutdown.

import { EINVAL, ENOTCONN } from '../stack/errors.js';
import { CLOSING, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK } from '../stack/tcp/state.js';
import type { Tcb } from '../stack/tcp/tcb.js';
import { SHUT_RD, SHUT_RDWR, SHUT_WR } from './constants.js';
import type { Context } from './context.js';
import { fail } from './errno.js';
import type { MctxArgument } from './guard.js';
import { findSocket, findStream } from './guard.js';
import { block, limitOf, turn } from './loop.js';
import type { Socket } from './sockets.js';
import { tellPipe } from './transfer.js';

/**
 * Closes a socket of any kind; its id is free from now on. A connection sends what was written and then FIN, or RST when
 * received data is left unread (RFC 2525 2.17); with SO_LINGER the call waits until the peer has acknowledged all, even on a
 * non-blocking socket, or resets the connection if the time is 0. A listener resets the connections that nobody has accepted.
 * The other end of a pipe reads an end of stream.
 * @returns 0, or -1 with errno EINVAL (no context), EPERM (context destroyed), EBADF (no such socket).
 * Source: mtcp_close(3), close(3p). Unlike mTCP's, closing a socket that was never connected is no error.
 */
export function mtcp_close(mctx: MctxArgument, sockid: number): 0 | -1 {
  const socket = findSocket(mctx, sockid);
  if (socket === undefined) return -1;
  const core = mctx as Context;
  const { nonblocking, tcb, listener, lingerS } = socket;
  if (tcb !== undefined && lingerS > 0) linger(core, tcb, lingerS);
  release(core, socket);
  if (tcb !== undefined) {
    // Otherwise the time is first needed when the FIN leaves, in the next turn; reading it makes a number of each connection.
    if (lingerS === 0 || tcb.state === FIN_WAIT_2) core.touch();
    if (lingerS === 0) core.stack.tcp.abort(tcb);
    else core.stack.tcp.close(tcb);
    // Nobody may come back to turn the loop for a program that uses blocking calls.
    if (!nonblocking) turn(core);
  } else if (listener !== undefined) {
    core.stack.tcp.unlisten(listener);
  }
  return 0;
}

/**
 * Ends a connection at once with RST and frees its id; what was not sent is lost.
 * @returns 0, or -1 with errno EINVAL (no context), EPERM (context destroyed), EBADF (no such socket), ENOTSOCK (not a
 *   stream), ENOTCONN (never connected; the id stays).
 * Source: mTCP's source (the call is exported, and declared by mOS only); RFC 9293 3.10.5.
 */
export function mtcp_abort(mctx: MctxArgument, sockid: number): 0 | -1 {
  const socket = findStream(mctx, sockid);
  if (socket === undefined) return -1;
  const { nonblocking, tcb } = socket;
  if (tcb === undefined) return fail(ENOTCONN);
  const core = mctx as Context;
  release(core, socket);
  core.touch();
  core.stack.tcp.abort(tcb);
  if (!nonblocking) turn(core);
  return 0;
}

/**
 * Closes one or both directions of a connection and keeps the socket. After SHUT_WR the peer reads an end of stream; after
 * SHUT_RD reads here do.
 * @param how SHUT_RD, SHUT_WR or SHUT_RDWR
 * @returns 0, or -1 with errno EINVAL (no context, or a bad `how`), EPERM (context destroyed), EBADF (no such socket),
 *   ENOTSOCK (not a stream), ENOTCONN (not connected).
 * Source: shutdown(3p). Not in mTCP.
 */
export function mtcp_shutdown(mctx: MctxArgument, sockid: number, how: number): 0 | -1 {
  const socket = findStream(mctx, sockid);
  if (socket === undefined) return -1;
  if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return fail(EINVAL);
  const core = mctx as Context;
  if (socket.tcb === undefined) return fail(ENOTCONN);
  if (how !== SHUT_RD) {
    const result = core.stack.tcp.shutdownWrite(socket.tcb);
    if (result < 0) return fail(-result);
  }
  if (how !== SHUT_WR) {
    socket.readShut = true;
    core.interests.notify(socket, core.interests.readiness(socket));
  }
  if (!socket.nonblocking) turn(core);
  return 0;
}

/** Waits until all that was written and the FIN are acknowledged, for `seconds` at most. */
function linger(core: Context, tcb: Tcb, seconds: number): void {
  core.touch();
  // Unread data will make a reset of it: there is nothing to wait for.
  if (core.stack.tcp.available(tcb) > 0) return;
  core.stack.tcp.shutdownWrite(tcb);
  const untilUs = limitOf(core, seconds * 1_000_000);
  while (tcb.state === FIN_WAIT_1 || tcb.state === CLOSING || tcb.state === LAST_ACK) {
    if (core.clock() >= untilUs || !block(core, untilUs)) return;
  }
}

/** Frees the id of a socket and takes it out of all epoll sets; the connection or listener is the caller's then. */
function release(core: Context, socket: Socket): void {
  if (socket.epoll !== undefined) core.interests.removeSet(socket.epoll);
  core.interests.removeSocket(socket);
  const { pipe } = socket;
  if (pipe !== undefined) {
    pipe.leave(socket);
    tellPipe(core, pipe);
  }
  core.sockets.release(socket);
}
