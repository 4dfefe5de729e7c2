// Taking connections from a listener: mtcp_accept and mtcp_accept4.

import { EAGAIN, EINTR, EINVAL, ENFILE } from '../stack/errors.js';
import { MTCP_SOCK_STREAM, SOCK_CLOEXEC, SOCK_NONBLOCK } from './constants.js';
import type { Context } from './context.js';
import { fail } from './errno.js';
import type { MctxArgument } from './guard.js';
import { findSocket } from './guard.js';
import { block, limitOf, wouldBlock } from './loop.js';
import type { SockAddrArgument, SockLen } from './sockaddr.js';
import { checkSockAddrOut, writeSockAddr } from './sockaddr.js';
import { CONNECTED } from './sockets.js';

/**
 * Takes an established connection from a listener's queue, waiting for one if need be. The new socket blocks, whatever the
 * listener does; other options are the listener's.
 * @param addr where to write the peer's address, or null
 * @returns the id of the new socket, or -1 with errno
 *   EINVAL (no context, not a listener, or a bad `addrlen`), EPERM (context destroyed), EBADF (no such socket),
 *   EFAULT (`addr` is neither null nor an address), EAGAIN (non-blocking, or SO_RCVTIMEO is over, and none is there), ENFILE
 *   (all socket ids in use; the connection stays in the queue), EINTR (the context was destroyed meanwhile).
 * Source: mtcp_accept(3), accept(3p).
 */
export function mtcp_accept(
  mctx: MctxArgument,
  sockid: number,
  addr: SockAddrArgument | null = null,
  addrlen?: SockLen,
): number {
  return mtcp_accept4(mctx, sockid, addr, addrlen, 0);
}

/**
 * As `mtcp_accept`, with flags for the new socket.
 * @param addr where to write the peer's address, or null
 * @param flags 0, or SOCK_NONBLOCK for a socket that does not block; SOCK_CLOEXEC has no meaning
 * @returns as `mtcp_accept`; EINVAL also stands for an unknown flag.
 * Source: accept4(2). Not in mTCP.
 */
export function mtcp_accept4(
  mctx: MctxArgument,
  sockid: number,
  addr: SockAddrArgument | null = null,
  addrlen?: SockLen,
  flags = 0,
): number {
  const socket = findSocket(mctx, sockid);
  if (socket === undefined) return -1;
  const { listener } = socket;
  if (listener === undefined) return fail(EINVAL);
  if (typeof flags !== 'number' || (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) !== 0) return fail(EINVAL);
  const wrong = addr === null || addr === undefined ? 0 : checkSockAddrOut(addr, addrlen);
  if (wrong !== 0) return fail(wrong);
  const core = mctx as Context;
  const { sockets, stack } = core;
  // Looked at first, so that no connection is taken that cannot be given to anybody.
  if (sockets.used >= sockets.limit) return fail(ENFILE);
  let tcb = stack.tcp.accept(listener);
  const untilUs = tcb === undefined && !socket.nonblocking ? limitOf(core, socket.receiveTimeoutUs) : 0;
  while (tcb === undefined) {
    if (socket.nonblocking || core.clock() >= untilUs) {
      wouldBlock(core);
      return fail(EAGAIN);
    }
    if (!block(core, untilUs)) return fail(EINTR);
    tcb = stack.tcp.accept(listener);
  }
  const accepted = sockets.take(MTCP_SOCK_STREAM);
  if (accepted === undefined) {
    stack.tcp.abort(tcb);
    return fail(ENFILE);
  }
  tcb.owner = accepted.id;
  accepted.tcb = tcb;
  accepted.phase = CONNECTED;
  accepted.nonblocking = (flags & SOCK_NONBLOCK) !== 0;
  accepted.tuning = tcb.tuning;
  accepted.reuseAddress = socket.reuseAddress;
  accepted.reusePort = socket.reusePort;
  accepted.lingerS = socket.lingerS;
  accepted.receiveTimeoutUs = socket.receiveTimeoutUs;
  accepted.sendTimeoutUs = socket.sendTimeoutUs;
  accepted.tellsInq = socket.tellsInq;
  if (addr !== null && addr !== undefined) writeSockAddr(addr, addrlen, tcb.remote);
  return accepted.id;
}
