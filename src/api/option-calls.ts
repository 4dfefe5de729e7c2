// What can be asked of a socket and set on it: names of both ends, blocking mode, socket options, and the stack's own options
// by sysctl name. More options join the two tables here as the stack learns them; an unknown one is never ignored.

import { EFAULT, EINVAL, ENOENT, ENOPROTOOPT, ENOTCONN, ENOTSOCK } from '../stack/errors.js';
import { CLOSED, SYN_SENT } from '../stack/tcp/state.js';
import {
  AF_INET,
  IPPROTO_TCP,
  MTCP_SOCK_EPOLL,
  SO_ACCEPTCONN,
  SO_DOMAIN,
  SO_ERROR,
  SO_PROTOCOL,
  SO_TYPE,
  SOCK_STREAM,
  SOL_SOCKET,
} from './constants.js';
import type { Context } from './context.js';
import { fail, failBecause } from './errno.js';
import type { MctxArgument } from './guard.js';
import { findSocket, findStream, isUsable } from './guard.js';
import type { SockAddrArgument, SockLen } from './sockaddr.js';
import { checkSockAddrOut, writeSockAddr } from './sockaddr.js';
import type { Socket } from './sockets.js';

/** Where an option's value goes or comes from: an object with a `value`, or C's way, an int in a typed array. */
export type OptionValue = { value: number } | Int32Array;

/**
 * Makes a socket non-blocking.
 * @returns 0, or -1 with errno EINVAL (no context), EPERM (context destroyed), EBADF (no such socket).
 * Source: mTCP's mtcp_api.h.
 */
export function mtcp_setsock_nonblock(mctx: MctxArgument, sockid: number): 0 | -1 {
  const socket = findSocket(mctx, sockid);
  if (socket === undefined) return -1;
  socket.nonblocking = true;
  return 0;
}

/**
 * Tells a socket's own address: of a connection its local end, of a listener what it listens on, otherwise what it was bound
 * to, or 0.0.0.0:0.
 * @returns 0, or -1 with errno EINVAL (no context, or `addrlen` is not positive or too long), EPERM (context destroyed),
 *   EBADF (no such socket), ENOTSOCK (an epoll set), EFAULT (`addr` is null or no address).
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
  if (socket.kind === MTCP_SOCK_EPOLL) return fail(ENOTSOCK);
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

/**
 * Reads a socket option: SOL_SOCKET with SO_ERROR (the pending error, which is taken by reading it), SO_TYPE, SO_ACCEPTCONN,
 * SO_DOMAIN or SO_PROTOCOL.
 * @param optval receives the value
 * @param optlen C's length of the value; 4 is stored in it when it is given
 * @returns 0, or -1 with errno EINVAL (no context, or a length below 4), EPERM (context destroyed), EBADF (no such socket),
 *   ENOTSOCK (an epoll set), ENOPROTOOPT (no such option), EFAULT (`optval` cannot hold a value).
 * Source: mtcp_getsockopt(3), getsockopt(3p).
 */
export function mtcp_getsockopt(
  mctx: MctxArgument,
  sockid: number,
  level: number,
  optname: number,
  optval: OptionValue,
  optlen?: { value: number },
): 0 | -1 {
  const socket = findSocket(mctx, sockid);
  if (socket === undefined) return -1;
  if (socket.kind === MTCP_SOCK_EPOLL) return fail(ENOTSOCK);
  if (level !== SOL_SOCKET || !READABLE.includes(optname)) return fail(ENOPROTOOPT);
  if (typeof optval !== 'object' || optval === null) return fail(EFAULT);
  if (optval instanceof Int32Array && optval.length === 0) return fail(EFAULT);
  const hasLength = typeof optlen === 'object' && optlen !== null;
  if (hasLength && !(optlen.value >= 4)) return fail(EINVAL);
  const value = readOption(mctx as Context, socket, optname);
  if (optval instanceof Int32Array) optval[0] = value;
  else optval.value = value;
  if (hasLength) optlen.value = 4;
  return 0;
}

const READABLE: readonly number[] = [SO_ERROR, SO_TYPE, SO_ACCEPTCONN, SO_DOMAIN, SO_PROTOCOL];

function readOption(core: Context, socket: Socket, optname: number): number {
  switch (optname) {
    case SO_ERROR:
      return socket.tcb === undefined ? 0 : core.stack.tcp.takeError(socket.tcb);
    case SO_TYPE:
      return SOCK_STREAM;
    case SO_ACCEPTCONN:
      return socket.listener === undefined ? 0 : 1;
    case SO_DOMAIN:
      return AF_INET;
    default:
      return IPPROTO_TCP;
  }
}

/**
 * Sets a socket option. There is none yet that can be set: every one is refused, none is ignored.
 * @returns -1 with errno EINVAL (no context), EPERM (context destroyed), EBADF (no such socket), ENOTSOCK (an epoll set),
 *   ENOPROTOOPT (no such option).
 * Source: mtcp_setsockopt(3), setsockopt(3p). Unlike mTCP's it does not take every option in silence.
 */
export function mtcp_setsockopt(
  mctx: MctxArgument,
  sockid: number,
  _level: number,
  _optname: number,
  _optval: OptionValue | number,
  _optlen?: number,
): 0 | -1 {
  const socket = findSocket(mctx, sockid);
  if (socket === undefined) return -1;
  return fail(socket.kind === MTCP_SOCK_EPOLL ? ENOTSOCK : ENOPROTOOPT);
}

/**
 * Reads an option of the context's stack by its Linux sysctl name (with or without `net.ipv4.`), or sets it when `value` is
 * given; what it governs follows at once.
 * @returns the value (0 after setting), or -1 with errno EINVAL (no context, or a value out of range), EPERM (context
 *   destroyed), ENOENT (no such option). `mtcp_last_error` tells more.
 * Source: sysctl(8), ip-sysctl.rst. Not in mTCP.
 */
export function mtcp_sysctl(mctx: MctxArgument, name: string, value?: number | string): number | string {
  if (!isUsable(mctx)) return -1;
  const { config } = mctx.stack;
  let errno = ENOENT;
  try {
    const current = config.get(String(name));
    if (value === undefined) return current;
    errno = EINVAL;
    config.set(name, value);
    return 0;
  } catch (error) {
    return failBecause(errno, error instanceof Error ? error.message : String(error));
  }
}
