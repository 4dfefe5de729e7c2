// Making and naming sockets: mtcp_socket, bind and listen. What can go wrong is listed with each call; where mTCP's C source
// and its man page or POSIX differ, the documents win.

import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EINVAL,
  ENFILE,
  ENOTSOCK,
  EPROTONOSUPPORT,
} from '../stack/errors.js';
import { AF_INET, IPPROTO_TCP, MTCP_SOCK_LISTENER, MTCP_SOCK_STREAM, SOCK_STREAM } from './constants.js';
import type { Context } from './context.js';
import { fail } from './errno.js';
import type { MctxArgument } from './guard.js';
import { findSocket, isUsable } from './guard.js';
import type { SockAddrArgument, SockLen } from './sockaddr.js';
import { readSockAddr } from './sockaddr.js';
import type { Socket } from './sockets.js';

/**
 * Makes a TCP socket, which blocks until `mtcp_setsock_nonblock` says otherwise.
 * @param domain AF_INET
 * @param type SOCK_STREAM and nothing else (mTCP knows no SOCK_NONBLOCK)
 * @param protocol 0 or IPPROTO_TCP
 * @returns the lowest free socket id, or -1 with errno
 *   EINVAL (no context, or another type), EPERM (context destroyed), EAFNOSUPPORT (another domain),
 *   EPROTONOSUPPORT (another protocol), ENFILE (all socket ids in use).
 * Source: mtcp_socket(3), socket(3p).
 */
export function mtcp_socket(mctx: MctxArgument, domain: number, type: number, protocol = 0): number {
  if (!isUsable(mctx)) return -1;
  if (domain !== AF_INET) return fail(EAFNOSUPPORT);
  if (type !== SOCK_STREAM) return fail(EINVAL);
  if (protocol !== 0 && protocol !== IPPROTO_TCP) return fail(EPROTONOSUPPORT);
  const socket = mctx.sockets.take(MTCP_SOCK_STREAM);
  return socket === undefined ? fail(ENFILE) : socket.id;
}

/**
 * Gives a socket its local address. Port 0 leaves the choice to `mtcp_listen` or `mtcp_connect`.
 * @returns 0, or -1 with errno
 *   EINVAL (no context; `addr` null or malformed, family not AF_INET, `addrlen` wrong; already bound or connected),
 *   EPERM (context destroyed), EBADF (no such socket), ENOTSOCK (not a stream), EADDRNOTAVAIL (not an address of this host),
 *   EADDRINUSE (another socket of this context is bound to it, and not both have SO_REUSEPORT, or SO_REUSEADDR while the other
 *   one does not listen). Connections that remain on a port do not keep anybody from it.
 * Source: mtcp_bind(3), bind(3p).
 */
export function mtcp_bind(
  mctx: MctxArgument,
  sockid: number,
  addr: SockAddrArgument | null,
  addrlen?: SockLen,
): 0 | -1 {
  const socket = findSocket(mctx, sockid);
  if (socket === undefined) return -1;
  if (socket.kind !== MTCP_SOCK_STREAM) return fail(socket.kind === MTCP_SOCK_LISTENER ? EINVAL : ENOTSOCK);
  const core = mctx as Context;
  const { local, sockets } = core;
  if (readSockAddr(addr, addrlen, local) !== 0 || socket.bound || socket.tcb !== undefined)
    return fail(EINVAL);
  if (!local.isUnspecified && !core.isOwnAddress(local)) return fail(EADDRNOTAVAIL);
  if (local.port !== 0 && sockets.findBound(local, socket) !== undefined) return fail(EADDRINUSE);
  sockets.bind(socket, local);
  return 0;
}

/**
 * Makes a socket listen. On a socket that listens already it changes the backlog. A socket that is not bound gets a free
 * port.
 * @param backlog connections that may wait to be accepted
 * @returns 0, or -1 with errno
 *   EINVAL (no context; backlog below 1 or above the context's max_concurrency; the socket is connected or connecting),
 *   EPERM (context destroyed), EBADF (no such socket), ENOTSOCK (not a stream), EADDRINUSE (port in use, or none free).
 * Source: mtcp_listen(3), listen(3p).
 */
export function mtcp_listen(mctx: MctxArgument, sockid: number, backlog: number): 0 | -1 {
  const socket = findSocket(mctx, sockid);
  if (socket === undefined) return -1;
  if (socket.kind !== MTCP_SOCK_STREAM && socket.kind !== MTCP_SOCK_LISTENER) return fail(ENOTSOCK);
  const core = mctx as Context;
  if (!Number.isInteger(backlog) || backlog < 1 || backlog > core.sockets.limit) return fail(EINVAL);
  if (socket.listener !== undefined) {
    core.stack.tcp.setBacklog(socket.listener, backlog);
    return 0;
  }
  if (socket.tcb !== undefined) return fail(EINVAL);
  const local = core.local.copyEndpoint(socket.local);
  if (local.port === 0 && choosePort(core, socket) === 0) return fail(EADDRINUSE);
  const listener = core.stack.tcp.listen(local, backlog, socket.id, socket.tuning, socket.reusePort);
  if (typeof listener === 'number') return fail(-listener);
  core.sockets.bind(socket, listener.local);
  socket.kind = MTCP_SOCK_LISTENER;
  socket.listener = listener;
  return 0;
}

/** Finds a free port for `core.local`; 0 when there is none. */
function choosePort(core: Context, socket: Socket): number {
  const { local, sockets, stack } = core;
  const { listeners, ports } = stack.tcp.core;
  const [first, last] = stack.config.localPortRange;
  const isFree = (): boolean =>
    sockets.findBound(local, socket) === undefined && !listeners.conflicts(local, socket.reusePort);
  return ports.choose(local, local, first, last, isFree);
}
