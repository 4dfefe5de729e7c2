// mtcp_poll: the state of a handful of sockets without an epoll set (poll(2)).

import { EFAULT, EINTR, EINVAL } from '../stack/errors.js';
import { POLLERR, POLLHUP, POLLNVAL } from './constants.js';
import type { Context } from './context.js';
import { fail } from './errno.js';
import type { MctxArgument } from './guard.js';
import { isUsable } from './guard.js';
import { idle, turn } from './loop.js';

/** C's `struct pollfd`. */
export interface PollFd {
  /** A socket's id; a negative one is passed over. */
  fd: number;
  events: number;
  /** What has come about. */
  revents?: number;
}

/**
 * Waits until one of several sockets, epoll sets or pipes is ready, turning the loop meanwhile. POLLERR, POLLHUP and POLLNVAL
 * (no such socket) are told whether asked for or not.
 * @param fds the sockets; `revents` of each is set
 * @param nfds how many of them; default all
 * @param timeout in milliseconds: -1 waits without limit, 0 only looks
 * @returns how many have something in `revents`, 0 when time ran out, or -1 with errno EINVAL (no context; `nfds` is no whole
 *   number up to the length of `fds`; timeout is no number), EPERM (context destroyed), EFAULT (`fds` is no array of them),
 *   EINTR (the context was destroyed meanwhile, or is to end: see `startCores`).
 * Source: poll(3p), poll(2). Not in mTCP.
 */
export function mtcp_poll(
  mctx: MctxArgument,
  fds: PollFd[],
  nfds: number = Array.isArray(fds) ? fds.length : 0,
  timeout = -1,
): number {
  if (!isUsable(mctx)) return -1;
  if (!Array.isArray(fds)) return fail(EFAULT);
  if (!Number.isInteger(nfds) || nfds < 0 || nfds > fds.length) return fail(EINVAL);
  if (typeof timeout !== 'number' || Number.isNaN(timeout)) return fail(EINVAL);
  for (let i = 0; i < nfds; i++) if (typeof fds[i] !== 'object' || fds[i] === null) return fail(EFAULT);
  let busy = turn(mctx);
  let count = look(mctx, fds, nfds);
  const untilUs = timeout < 0 ? Number.POSITIVE_INFINITY : mctx.stack.now + timeout * 1000;
  while (count === 0 && mctx.stack.now < untilUs) {
    if (!busy) idle(mctx, untilUs);
    if (mctx.isInterrupted) return fail(EINTR);
    busy = turn(mctx);
    count = look(mctx, fds, nfds);
  }
  return count;
}

function look(core: Context, fds: readonly PollFd[], nfds: number): number {
  let count = 0;
  for (let i = 0; i < nfds; i++) {
    const entry = fds[i];
    entry.revents = 0;
    if (typeof entry.fd === 'number' && entry.fd < 0) continue;
    const socket = core.sockets.get(entry.fd);
    const wanted = (typeof entry.events === 'number' ? entry.events : 0) | POLLERR | POLLHUP;
    entry.revents = socket === undefined ? POLLNVAL : core.interests.readiness(socket) & wanted;
    if (entry.revents !== 0) count++;
  }
  return count;
}
