// Fast Open (RFC 7413) at the API's edge: data that goes with the SYN, by MSG_FASTOPEN or by the first write after a connect that left
// the SYN to it (TCP_FASTOPEN_CONNECT).

import { EINPROGRESS, EOPNOTSUPP } from '../stack/errors.js';
import { failAttached, mtcp_connect } from './connect.js';
import { MSG_DONTWAIT, MSG_FASTOPEN } from './constants.js';
import type { Context } from './context.js';
import { errno, fail } from './errno.js';
import { openFast } from './fast-open.js';
import type { MctxArgument } from './guard.js';
import { findStream } from './guard.js';
import { turn } from './loop.js';
import type { SockAddrArgument, SockLen } from './sockaddr.js';
import { readSockAddr } from './sockaddr.js';
import { checkBuffer, mtcp_send } from './stream-calls.js';

/**
 * Writes to a connection, or opens one with data on its SYN (MSG_FASTOPEN, RFC 7413). Without a cookie of the server the SYN asks for
 * one and the data is sent after the handshake: a blocking socket waits for it, a non-blocking one has to send again.
 * @param buf what to send
 * @param flags those of `mtcp_send`, and MSG_FASTOPEN
 * @param addr the peer, for MSG_FASTOPEN; the address of a connection is otherwise not looked at
 * @returns bytes taken, or -1 with the errno of `mtcp_send` and, with MSG_FASTOPEN, of `mtcp_connect`; EISCONN (connected already),
 *   EINPROGRESS (no cookie: connecting without data), EOPNOTSUPP (net.ipv4.tcp_fastopen does not have the bit of clients).
 * Source: sendto(2), tcp(7), RFC 7413. Not in mTCP.
 */
export function mtcp_sendto(
  mctx: MctxArgument,
  sockid: number,
  buf: Uint8Array,
  len: number,
  flags = 0,
  addr: SockAddrArgument | null = null,
  addrlen?: SockLen,
): number {
  if (typeof flags !== 'number' || (flags & MSG_FASTOPEN) === 0)
    return mtcp_send(mctx, sockid, buf, len, flags);
  const socket = findStream(mctx, sockid);
  if (socket === undefined) return -1;
  const core = mctx as Context;
  const wrong = checkBuffer(buf, len) || readSockAddr(addr, addrlen, core.remote);
  if (wrong !== 0) return fail(wrong);
  if (socket.tcb !== undefined) return failAttached(core, socket, socket.tcb);
  if (!core.stack.tcp.mayFastOpen) return fail(EOPNOTSUPP);
  if (core.stack.tcp.maySendOnSyn(core.remote, socket.tuning)) {
    const taken = openFast(core, socket, buf, 0, len);
    if (taken < 0) return fail(-taken);
    if (!socket.nonblocking) turn(core);
    return taken;
  }
  socket.asksForCookie = true;
  const rest = flags & ~MSG_FASTOPEN;
  if ((rest & MSG_DONTWAIT) !== 0 && !socket.nonblocking) {
    socket.nonblocking = true;
    mtcp_connect(mctx, sockid, addr, addrlen);
    socket.nonblocking = false;
    return fail(errno);
  }
  return mtcp_connect(mctx, sockid, addr, addrlen) < 0
    ? fail(errno || EINPROGRESS)
    : mtcp_send(mctx, sockid, buf, len, rest);
}
