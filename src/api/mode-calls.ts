// Whether a socket blocks, and how much can be read from it: mtcp_setsock_nonblock, mtcp_fcntl, mtcp_socket_ioctl.

import { EBADF, EFAULT, EINVAL } from '../stack/errors.js';
import {
  F_GETFL,
  F_SETFL,
  FIONBIO,
  FIONREAD,
  MTCP_SOCK_EPOLL,
  O_NONBLOCK,
  O_RDWR,
  SIOCATMARK,
} from './constants.js';
import type { Context } from './context.js';
import { fail } from './errno.js';
import type { MctxArgument } from './guard.js';
import { findSocket } from './guard.js';

/**
 * Makes a socket non-blocking. `mtcp_socket_ioctl` with FIONBIO and `mtcp_fcntl` also make it block again.
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
 * Tells or sets the flags of a socket.
 * @param cmd F_GETFL, or F_SETFL, which takes O_NONBLOCK and ignores what else there may be in `arg`
 * @returns O_RDWR and perhaps O_NONBLOCK of F_GETFL, 0 of F_SETFL, or -1 with errno EINVAL (no context; another command; no
 *   number for F_SETFL), EPERM (context destroyed), EBADF (no such socket).
 * Source: fcntl(3p), fcntl(2). Not in mTCP.
 */
export function mtcp_fcntl(mctx: MctxArgument, sockid: number, cmd: number, arg = 0): number {
  const socket = findSocket(mctx, sockid);
  if (socket === undefined) return -1;
  if (cmd === F_GETFL) return O_RDWR | (socket.nonblocking ? O_NONBLOCK : 0);
  if (cmd !== F_SETFL || typeof arg !== 'number') return fail(EINVAL);
  socket.nonblocking = (arg & O_NONBLOCK) !== 0;
  return 0;
}

/**
 * Asks or tells a socket something: FIONREAD stores how many bytes can be read (0 when it is not connected; those in front
 * of an urgent byte), SIOCATMARK whether an urgent byte is what would be read next, 1 or 0, FIONBIO makes it
 * non-blocking, or blocking again when the value is 0.
 * @param request FIONREAD, SIOCATMARK or FIONBIO
 * @param argp the value: an object with `value`, or an int in a typed array
 * @returns 0, or -1 with errno EINVAL (no context; another request; FIONREAD or SIOCATMARK of a listener), EPERM (context destroyed), EBADF
 *   (no such socket, or an epoll set), EFAULT (`argp` is null, or holds no number for FIONBIO).
 * Source: mTCP's mtcp_api.h, ioctl_tty(2). Unlike mTCP's, FIONBIO works both ways.
 */
export function mtcp_socket_ioctl(
  mctx: MctxArgument,
  sockid: number,
  request: number,
  argp: { value: number } | Int32Array,
): 0 | -1 {
  const socket = findSocket(mctx, sockid);
  if (socket === undefined) return -1;
  if (socket.kind === MTCP_SOCK_EPOLL) return fail(EBADF);
  if (typeof argp !== 'object' || argp === null) return fail(EFAULT);
  const isArray = argp instanceof Int32Array;
  if (isArray && argp.length === 0) return fail(EFAULT);
  if (request === FIONBIO) {
    const value: unknown = isArray ? argp[0] : argp.value;
    if (typeof value !== 'number') return fail(EFAULT);
    socket.nonblocking = value !== 0;
    return 0;
  }
  if ((request !== FIONREAD && request !== SIOCATMARK) || socket.listener !== undefined) return fail(EINVAL);
  const { tcb, pipe } = socket;
  const { tcp } = (mctx as Context).stack;
  let count = 0;
  if (tcb === undefined) count = request === FIONREAD ? (pipe?.length ?? 0) : 0;
  else count = request === FIONREAD ? tcp.available(tcb) : Number(tcp.isAtMark(tcb));
  if (isArray) argp[0] = count;
  else argp.value = count;
  return 0;
}
