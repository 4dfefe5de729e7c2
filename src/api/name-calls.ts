// The names of both ends of a connection: mtcp_getsockname and mtcp_getpeername.

import { ENOTCONN, ENOTSOCK } from '../stack/errors.js';
import { CLOSED, SYN_SENT } from '../stack/tcp/state.js';
import { MTCP_SOCK_LISTENER, MTCP_SOCK_STREAM } from './constants.js';
import { fail } from './errno.js';
import type { MctxArgument } from './guard.js';
import { findSocket, findStream } from './guard.js';
import type { SockAddrArgument, SockLen } from './sockaddr.js';
import { checkSockAddrOut, writeSockAddr } from './sockaddr.js';

/**
 * Tells a socket's own address: of a connection its local end, of a listener what it listens on, otherwise what it was bound
 * to, or 0.0.0.0:0.
 * @returns 0, or -1 with errno EINVAL (no context, or `addrlen` is not positive or too long), EPERM (context destroyed),
 *   EBADF (no such socket), ENOTSOCK (an epoll set or a pipe), EFAULT (`addr` is null or no address).
 * Source: mtcp_getsockname(3), getsockname(3p).
 */
export function mtcp_getsockname(
  mctx: MctxArgument,
  sockid: number,
  addr: SockAddrArgument,
  addrlen?: SockLen,
): 0 | -1 {
  const socket = findSocket(mctx, sockid);
  if (socket === undefined) return -1;
  if (socket.kind !== MTCP_SOCK_STREAM && socket.kind !== MTCP_SOCK_LISTENER) return fail(ENOTSOCK);
  const wrong = checkSockAddrOut(addr, addrlen);
  if (wrong !== 0) return fail(wrong);
  writeSockAddr(addr, addrlen, socket.tcb?.local ?? socket.listener?.local ?? socket.local);
  return 0;
}

/**
 * Tells the address of a connection's peer.
 * @returns 0, or -1 with errno EINVAL (no context, or `addrlen` is not positive or too long), EPERM (context destroyed),
 *   EBADF (no such socket), ENOTSOCK (not a stream), EFAULT (`addr` is null or no address), ENOTCONN (not connected: never,
 *   not yet, or not any more).
 * Source: mtcp_getpeername(3), getpeername(3p). Unlike mTCP's it works while a connection is half closed.
 */
export function mtcp_getpeername(
  mctx: MctxArgument,
  sockid: number,
  addr: SockAddrArgument,
  addrlen?: SockLen,
): 0 | -1 {
  const socket = findStream(mctx, sockid);
  if (socket === undefined) return -1;
  const wrong = checkSockAddrOut(addr, addrlen);
  if (wrong !== 0) return fail(wrong);
  const { tcb } = socket;
  if (tcb === undefined || tcb.state === CLOSED || tcb.state === SYN_SENT) return fail(ENOTCONN);
  writeSockAddr(addr, addrlen, tcb.remote);
  return 0;
}
