// Making, naming and ending sockets: mtcp_socket, bind, listen, accept, close, abort and shutdown. What can go wrong is listed
// with each call; where mTCP's C source and its man page or POSIX differ, the documents win.

import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EINTR,
  EINVAL,
  ENFILE,
  ENOTCONN,
  ENOTSOCK,
  EPROTONOSUPPORT,
} from '../stack/errors.js';
import {
  AF_INET,
  IPPROTO_TCP,
  MTCP_SOCK_EPOLL,
  MTCP_SOCK_LISTENER,
  MTCP_SOCK_STREAM,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SOCK_STREAM,
} from './constants.js';
import type { Context } from './context.js';
import { fail } from './errno.js';
import type { MctxArgument } from './guard.js';
import { findSocket, findStream, isUsable } from './guard.js';
import { block, turn, wouldBlock } from './loop.js';
import { setNoDelay } from './option-calls.js';
import type { SockAddrArgument, SockLen } from './sockaddr.js';
import { checkSockAddrOut, readSockAddr, writeSockAddr } from './sockaddr.js';
import type { Socket } from './sockets.js';
import { CONNECTED } from './sockets.js';

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
 *   EADDRINUSE (another socket of this context is bound to it).
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
 *   EPERM (context destroyed), EBADF (no such socket), ENOTSOCK (not a stream), EADDRINUSE (port in use, or none free),
 *   ENOMEM (no memory).
 * Source: mtcp_listen(3), listen(3p).
 */
export function mtcp_listen(mctx: MctxArgument, sockid: number, backlog: number): 0 | -1 {
  const socket = findSocket(mctx, sockid);
  if (socket === undefined) return -1;
  if (socket.kind === MTCP_SOCK_EPOLL) return fail(ENOTSOCK);
  const core = mctx as Context;
  if (!Number.isInteger(backlog) || backlog < 1 || backlog > core.sockets.limit) return fail(EINVAL);
  if (socket.listener !== undefined) {
    socket.listener.backlog = backlog;
    return 0;
  }
  if (socket.tcb !== undefined) return fail(EINVAL);
  const local = core.local.copyEndpoint(socket.local);
  if (local.port === 0 && choosePort(core, socket) === 0) return fail(EADDRINUSE);
  const listener = core.stack.tcp.listen(local, backlog, socket.id);
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
  const isFree = (): boolean => sockets.findBound(local, socket) === undefined && !listeners.conflicts(local);
  return ports.choose(local, local, first, last, isFree);
}

/**
 * Takes an established connection from a listener's queue, waiting for one if need be. The new socket blocks, whatever the
 * listener does.
 * @param addr where to write the peer's address, or null
 * @returns the id of the new socket, or -1 with errno
 *   EINVAL (no context, not a listener, or a bad `addrlen`), EPERM (context destroyed), EBADF (no such socket),
 *   EFAULT (`addr` is neither null nor an address), EAGAIN (non-blocking, and none is there), ENFILE (all socket ids in use;
 *   the connection stays in the queue), EINTR (the context was destroyed meanwhile).
 * Source: mtcp_accept(3), accept(3p).
 */
export function mtcp_accept(
  mctx: MctxArgument,
  sockid: number,
  addr: SockAddrArgument | null = null,
  addrlen?: SockLen,
): number {
  const socket = findSocket(mctx, sockid);
  if (socket === undefined) return -1;
  const { listener } = socket;
  if (listener === undefined) return fail(EINVAL);
  const wrong = addr === null || addr === undefined ? 0 : checkSockAddrOut(addr, addrlen);
  if (wrong !== 0) return fail(wrong);
  const core = mctx as Context;
  const { sockets, stack } = core;
  // Looked at first, so that no connection is taken that cannot be given to anybody.
  if (sockets.used >= sockets.limit) return fail(ENFILE);
  let tcb = stack.tcp.accept(listener);
  while (tcb === undefined) {
    if (socket.nonblocking) {
      wouldBlock(core);
      return fail(EAGAIN);
    }
    if (!block(core, Number.POSITIVE_INFINITY)) return fail(EINTR);
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
  if (socket.nodelay) setNoDelay(core, accepted, true);
  if (addr !== null && addr !== undefined) writeSockAddr(addr, addrlen, tcb.remote);
  return accepted.id;
}

/**
 * Closes a socket of any kind; its id is free from now on. A connection sends what was written and then FIN, or RST when
 * received data is left unread (RFC 2525 2.17); a listener resets the connections that nobody has accepted.
 * @returns 0, or -1 with errno EINVAL (no context), EPERM (context destroyed), EBADF (no such socket).
 * Source: mtcp_close(3), close(3p). Unlike mTCP's, closing a socket that was never connected is no error.
 */
export function mtcp_close(mctx: MctxArgument, sockid: number): 0 | -1 {
  const socket = findSocket(mctx, sockid);
  if (socket === undefined) return -1;
  const core = mctx as Context;
  const { nonblocking, tcb, listener } = socket;
  release(core, socket);
  if (tcb !== undefined) {
    core.touch();
    core.stack.tcp.close(tcb);
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
    core.touch();
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

/** Frees the id of a socket and takes it out of all epoll sets; the connection or listener is the caller's then. */
function release(core: Context, socket: Socket): void {
  if (socket.epoll !== undefined) core.interests.removeSet(socket.epoll);
  core.interests.removeSocket(socket);
  core.sockets.release(socket);
}
