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
  SOL_TCP,
  TCP_NODELAY,
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
 * Reads a socket option: of SOL_SOCKET SO_ERROR (the pending error, which is taken by reading it), SO_TYPE, SO_ACCEPTCONN,
 * SO_DOMAIN and SO_PROTOCOL, of SOL_TCP TCP_NODELAY.
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
  const option = findOption(level, optname);
  if (option === undefined) return fail(ENOPROTOOPT);
  if (typeof optval !== 'object' || optval === null) return fail(EFAULT);
  if (optval instanceof Int32Array && optval.length === 0) return fail(EFAULT);
  const hasLength = typeof optlen === 'object' && optlen !== null;
  if (hasLength && !isLength(optlen.value)) return fail(EINVAL);
  const value = option.get(mctx as Context, socket);
  if (optval instanceof Int32Array) optval[0] = value;
  else optval.value = value;
  if (hasLength) optlen.value = 4;
  return 0;
}

/**
 * Sets a socket option. There is TCP_NODELAY of SOL_TCP; set on a listener, it is passed on to accepted sockets.
 * @param optval the value
 * @returns 0, or -1 with errno EINVAL (no context, or a length below 4), EPERM (context destroyed), EBADF (no such socket),
 *   ENOTSOCK (an epoll set), ENOPROTOOPT (no such option, or one that cannot be set), EFAULT (`optval` holds no number).
 * Source: mtcp_setsockopt(3), setsockopt(3p). Unlike mTCP's it does not take unknown options in silence.
 */
export function mtcp_setsockopt(
  mctx: MctxArgument,
  sockid: number,
  level: number,
  optname: number,
  optval: OptionValue | number,
  optlen?: number,
): 0 | -1 {
  const socket = findSocket(mctx, sockid);
  if (socket === undefined) return -1;
  if (socket.kind === MTCP_SOCK_EPOLL) return fail(ENOTSOCK);
  const option = findOption(level, optname);
  if (option?.set === undefined) return fail(ENOPROTOOPT);
  if (optlen !== undefined && !isLength(optlen)) return fail(EINVAL);
  const value = typeof optval === 'object' && optval !== null ? optionNumber(optval) : optval;
  if (typeof value !== 'number') return fail(EFAULT);
  option.set(mctx as Context, socket, value);
  return 0;
}

/** Whether a length has room for an int. Comparing a symbol would throw, so the type comes first. */
function isLength(optlen: unknown): boolean {
  return typeof optlen === 'number' && optlen >= 4;
}

function optionNumber(optval: OptionValue): unknown {
  return optval instanceof Int32Array ? optval[0] : optval.value;
}

interface SocketOption {
  readonly level: number;
  readonly name: number;
  get(core: Context, socket: Socket): number;
  set?(core: Context, socket: Socket, value: number): void;
}

const OPTIONS: readonly SocketOption[] = [
  {
    level: SOL_SOCKET,
    name: SO_ERROR,
    get: (core, { tcb }) => (tcb === undefined ? 0 : core.stack.tcp.takeError(tcb)),
  },
  { level: SOL_SOCKET, name: SO_TYPE, get: () => SOCK_STREAM },
  { level: SOL_SOCKET, name: SO_ACCEPTCONN, get: (_, { listener }) => (listener === undefined ? 0 : 1) },
  { level: SOL_SOCKET, name: SO_DOMAIN, get: () => AF_INET },
  { level: SOL_SOCKET, name: SO_PROTOCOL, get: () => IPPROTO_TCP },
  {
    level: SOL_TCP,
    name: TCP_NODELAY,
    get: (_, { nodelay }) => (nodelay ? 1 : 0),
    set: (core, socket, value) => setNoDelay(core, socket, value !== 0),
  },
];

function findOption(level: number, name: number): SocketOption | undefined {
  return OPTIONS.find((option) => option.level === level && option.name === name);
}

/** Turns Nagle's algorithm off or on for a socket, and for its connection if it has one. */
export function setNoDelay(core: Context, socket: Socket, nodelay: boolean): void {
  socket.nodelay = nodelay;
  if (socket.tcb !== undefined) core.stack.tcp.setNoDelay(socket.tcb, nodelay);
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
