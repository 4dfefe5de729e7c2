// What can be set on a socket and asked of it (mtcp_getsockopt, mtcp_setsockopt; the options are in src/api/option-table.ts), and
// the stack's own options by sysctl name. An unknown option is never ignored.

import { EFAULT, EINVAL, ENOENT, ENOPROTOOPT, ENOTSOCK } from '../stack/errors.js';
import { MTCP_SOCK_LISTENER, MTCP_SOCK_STREAM } from './constants.js';
import type { Context } from './context.js';
import { fail, failBecause } from './errno.js';
import type { MctxArgument } from './guard.js';
import { findSocket, isUsable } from './guard.js';
import { findOption } from './option-table.js';
import type { OptionValue } from './option-values.js';
import type { Socket } from './sockets.js';

/**
 * Reads a socket option. Of SOL_SOCKET there are SO_ERROR (the pending error, which is taken by reading it), SO_TYPE,
 * SO_ACCEPTCONN, SO_DOMAIN, SO_PROTOCOL and all that can be set; of SOL_TCP TCP_INFO, TCP_UTO_REMOTE and all that can be set.
 * @param optval receives the value: an object with `value` or a typed array; for SO_LINGER, the timeouts and TCP_INFO an object
 *   that gets the fields of C's structure
 * @param optlen C's length of the value; the length of what was written is stored in it when it is given
 * @returns 0, or -1 with errno EINVAL (no context, or a length too small), EPERM (context destroyed), EBADF (no such socket),
 *   ENOTSOCK (an epoll set or a pipe), ENOPROTOOPT (no such option), EFAULT (`optval` cannot hold the value).
 * Source: mtcp_getsockopt(3), getsockopt(3p), socket(7), tcp(7).
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
  if (!hasOptions(socket)) return fail(ENOTSOCK);
  const option = findOption(level, optname);
  if (option === undefined) return fail(ENOPROTOOPT);
  if (typeof optval !== 'object' || optval === null) return fail(EFAULT);
  if (optval instanceof Int32Array && optval.length === 0) return fail(EFAULT);
  const hasLength = typeof optlen === 'object' && optlen !== null;
  if (hasLength && !isLength(optlen.value, option.kind.least)) return fail(EINVAL);
  if (!option.kind.write(optval, option.get(mctx as Context, socket))) return fail(EFAULT);
  if (hasLength && option.kind.size > 0) optlen.value = Math.min(optlen.value, option.kind.size);
  return 0;
}

/**
 * Sets a socket option. What is set on a listener is passed on to the connections that it accepts later. Of SOL_SOCKET there are
 * SO_REUSEADDR, SO_REUSEPORT, SO_KEEPALIVE, SO_MAX_PACING_RATE, SO_LINGER, SO_RCVBUF, SO_SNDBUF, SO_RCVTIMEO and SO_SNDTIMEO; of SOL_TCP TCP_NODELAY,
 * TCP_CORK, TCP_MAXSEG, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT, TCP_LINGER2, TCP_DEFER_ACCEPT, TCP_QUICKACK,
 * TCP_CONGESTION, TCP_USER_TIMEOUT, TCP_INQ and TCP_NOTSENT_LOWAT, and, which Linux has not, TCP_UTO_ENABLED, TCP_UTO_ADV and
 * TCP_UTO_CHANGEABLE (RFC 5482). Units and bounds are Linux's.
 * @param optval the value: a number or text, or as in `mtcp_getsockopt`
 * @returns 0, or -1 with errno EINVAL (no context, a length too small, or a value out of the option's range), EPERM (context
 *   destroyed), EBADF (no such socket), ENOTSOCK (an epoll set or a pipe), ENOPROTOOPT (no such option, or one that cannot be
 *   set), EFAULT (`optval` holds no such value), EDOM (a timeout that is none), ENOENT (no such congestion control).
 * Source: mtcp_setsockopt(3), setsockopt(3p), socket(7), tcp(7). Unlike mTCP's it does not take unknown options in silence.
 */
export function mtcp_setsockopt(
  mctx: MctxArgument,
  sockid: number,
  level: number,
  optname: number,
  optval: OptionValue | number | string,
  optlen?: number,
): 0 | -1 {
  const socket = findSocket(mctx, sockid);
  if (socket === undefined) return -1;
  if (!hasOptions(socket)) return fail(ENOTSOCK);
  const option = findOption(level, optname);
  if (option?.set === undefined) return fail(ENOPROTOOPT);
  if (optlen !== undefined && !isLength(optlen, option.kind.least)) return fail(EINVAL);
  const value: unknown = option.kind.read(optval);
  if (value === undefined) return fail(EFAULT);
  if (typeof value === 'number' && !Number.isInteger(value)) return fail(EINVAL);
  const wrong = option.set(mctx as Context, socket, value);
  return wrong === 0 ? 0 : fail(wrong);
}

function hasOptions({ kind }: Socket): boolean {
  return kind === MTCP_SOCK_STREAM || kind === MTCP_SOCK_LISTENER;
}

/** Whether a length has room for a value. Comparing a symbol would throw, so the type comes first. */
function isLength(optlen: unknown, least: number): boolean {
  return typeof optlen === 'number' && optlen >= least;
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
