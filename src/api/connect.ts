// mtcp_connect: the active open, with every error of its man page in the man page's order and those of POSIX behind them
// (reference: mtcp_connect(3), connect(3p), RFC 9293 3.10.1).

import {
  EAFNOSUPPORT,
  EALREADY,
  ECONNABORTED,
  EFAULT,
  EINPROGRESS,
  EINTR,
  EISCONN,
} from '../stack/errors.js';
import { CLOSED, ESTABLISHED, SYN_RCVD, SYN_SENT } from '../stack/tcp/state.js';
import type { Tcb } from '../stack/tcp/tcb.js';
import { Endpoint } from '../stack/wire/address.js';
import type { Context } from './context.js';
import { fail } from './errno.js';
import type { MctxArgument } from './guard.js';
import { findStream } from './guard.js';
import { block, limitOf, turn } from './loop.js';
import { openFrom } from './rss-calls.js';
import type { SockAddrArgument, SockLen } from './sockaddr.js';
import { readSockAddr } from './sockaddr.js';
import type { Socket } from './sockets.js';
import { CONNECTED, CONNECTING, UNCONNECTED } from './sockets.js';

/**
 * Connects a socket to a peer. A blocking socket waits for the outcome; a non-blocking one answers EINPROGRESS, tells the
 * outcome as EPOLLOUT or EPOLLERR, and keeps the error for SO_ERROR. A socket whose connect has failed can be connected
 * again; after a non-blocking failure the first new attempt tells the error, as on Linux.
 * @param addr the peer, as an object or as the bytes of a `struct sockaddr_in`
 * @param addrlen length of the bytes; may be left out
 * @returns 0, or -1 with errno, checked in this order:
 *   EINVAL (no context), EPERM (context destroyed),
 *   EBADF (no such socket), ENOTSOCK (a listener or an epoll set), EFAULT (`addr` is null or no address),
 *   EAFNOSUPPORT (`addrlen` is wrong, or the family is not AF_INET), EALREADY (an attempt is under way),
 *   EISCONN (connected, now or once), ECONNABORTED (an earlier attempt failed and SO_ERROR has been read; now it can be
 *   tried again), EINVAL (malformed address, port 0, a group address; or a bound tuple whose replies would arrive on
 *   another core),
 *   ENETUNREACH (no route), EADDRNOTAVAIL (no local port left), EADDRINUSE (the tuple is in use), ENOMEM (no memory or too
 *   many connections), EINPROGRESS (non-blocking, or SO_SNDTIMEO is over: the attempt goes on), and what the network says:
 *   EINTR (the context was destroyed meanwhile), ETIMEDOUT (no answer to any SYN), ECONNREFUSED (RST), EHOSTUNREACH and
 *   ENETUNREACH (ARP or ICMP).
 * Source: mtcp_connect(3), connect(3p).
 */
export function mtcp_connect(
  mctx: MctxArgument,
  sockid: number,
  addr: SockAddrArgument | null,
  addrlen?: SockLen,
): 0 | -1 {
  const socket = findStream(mctx, sockid);
  if (socket === undefined) return -1;
  const core = mctx as Context;
  const wrong = readSockAddr(addr, addrlen, core.remote);
  if (wrong === EFAULT || wrong === EAFNOSUPPORT) return fail(wrong);
  if (socket.tcb !== undefined) return failAttached(core, socket, socket.tcb);
  if (wrong !== 0) return fail(wrong);

  if (socket.fastOpenTo !== undefined) return fail(EISCONN);
  core.touch();
  const { fastOpenConnect } = socket.tuning;
  if (fastOpenConnect && core.stack.tcp.maySendOnSyn(core.remote, socket.tuning)) {
    // The SYN waits for the first write.
    socket.fastOpenTo = new Endpoint().copyEndpoint(core.remote);
    return 0;
  }
  const tcb = openFrom(core, socket);
  if (typeof tcb === 'number') return fail(-tcb);
  if (fastOpenConnect || socket.asksForCookie) core.stack.tcp.askForCookie(tcb);
  socket.asksForCookie = false;
  socket.tcb = tcb;
  socket.phase = CONNECTING;
  if (socket.nonblocking) return fail(EINPROGRESS);

  const untilUs = limitOf(core, socket.sendTimeoutUs);
  while (tcb.state === SYN_SENT || tcb.state === SYN_RCVD) {
    if (core.clock() >= untilUs) return fail(EINPROGRESS);
    if (!block(core, untilUs)) return fail(EINTR);
  }
  if (progress(socket, tcb) !== CONNECTED) return fail(detach(core, socket, tcb));
  // The last ACK of the handshake leaves now: nobody may come back soon to turn the loop.
  turn(core);
  return 0;
}

/**
 * Finds out how far a socket's connection has come, and remembers it: UNCONNECTED stands for an attempt that has failed.
 */
export function progress(socket: Socket, tcb: Tcb): number {
  if (socket.phase !== CONNECTING) return socket.phase;
  // A connection that was reset right after it had been established is one that was connected: its SYN is acknowledged.
  if (tcb.state >= ESTABLISHED || tcb.snd.una !== tcb.snd.iss) socket.phase = CONNECTED;
  return socket.phase === CONNECTING && tcb.state === CLOSED ? UNCONNECTED : socket.phase;
}

/** The answer to a second connect: EISCONN, EALREADY, or once what the first attempt has failed with. */
export function failAttached(core: Context, socket: Socket, tcb: Tcb): -1 {
  const phase = progress(socket, tcb);
  if (phase === CONNECTED) return fail(EISCONN);
  if (phase === CONNECTING) return fail(EALREADY);
  return fail(detach(core, socket, tcb));
}

/** Lets a failed attempt go, so that the socket can be connected again, and returns its error. */
function detach(core: Context, socket: Socket, tcb: Tcb): number {
  const error = core.stack.tcp.takeError(tcb);
  socket.tcb = undefined;
  socket.phase = UNCONNECTED;
  core.stack.tcp.close(tcb);
  return error !== 0 ? error : ECONNABORTED;
}
