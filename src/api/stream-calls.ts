// Reading and writing: mtcp_read, mtcp_recv, mtcp_write. A blocking socket turns the loop until there is something to return;
// a wrong buffer is an errno, never an exception.

import { EAGAIN, EFAULT, EINTR, EINVAL, ENOTCONN } from '../stack/errors.js';
import { MSG_PEEK } from './constants.js';
import type { Context } from './context.js';
import { fail } from './errno.js';
import type { MctxArgument } from './guard.js';
import { findStream } from './guard.js';
import { block, turn, wouldBlock } from './loop.js';

/**
 * Reads from a connection; the same as `mtcp_recv` without flags.
 * @returns bytes read, 0 at the end of the stream, or -1 with the errno of `mtcp_recv`.
 * Source: mtcp_read(3), read(3p).
 */
export function mtcp_read(
  mctx: MctxArgument,
  sockid: number,
  buf: Uint8Array,
  len: number = sizeOf(buf),
): number {
  return mtcp_recv(mctx, sockid, buf, len, 0);
}

/**
 * Reads from a connection what has arrived, up to `len` bytes, waiting for the first byte if need be.
 * @param buf where to write; `len` defaults to its whole length
 * @param flags 0, or MSG_PEEK to leave the bytes where they are
 * @returns bytes read, 0 at the end of the stream (or when `len` is 0), or -1 with errno
 *   EINVAL (no context, a bad `len`, an unknown flag), EPERM (context destroyed), EBADF (no such socket), ENOTSOCK (not a
 *   stream), EFAULT (`buf` is not bytes, or shorter than `len`), ENOTCONN (never connected),
 *   EAGAIN (non-blocking, and nothing is there yet), ECONNRESET (the peer has reset the connection), ETIMEDOUT (the peer does not
 *   answer any more), EHOSTUNREACH (nor does its neighbour), EINTR (the context was destroyed meanwhile).
 * Source: mtcp_recv(3), recv(3p). Unlike mTCP's, a reset is an error and not an end of stream.
 */
export function mtcp_recv(
  mctx: MctxArgument,
  sockid: number,
  buf: Uint8Array,
  len: number,
  flags: number,
): number {
  const socket = findStream(mctx, sockid);
  if (socket === undefined) return -1;
  if (!(buf instanceof Uint8Array)) return fail(EFAULT);
  if (!Number.isInteger(len) || len < 0) return fail(EINVAL);
  if (len > buf.length) return fail(EFAULT);
  if (flags !== 0 && flags !== MSG_PEEK) return fail(EINVAL);
  const { tcb } = socket;
  if (tcb === undefined) return fail(ENOTCONN);
  if (len === 0) return 0;
  const core = mctx as Context;
  const { tcp } = core.stack;
  for (;;) {
    const result = tcp.receive(tcb, buf, 0, len, flags !== 0);
    if (result >= 0) return result;
    if (result !== -EAGAIN) return fail(-result);
    if (socket.readShut) return 0;
    if (socket.nonblocking) {
      wouldBlock(core);
      return fail(EAGAIN);
    }
    if (!block(core, Number.POSITIVE_INFINITY)) return fail(EINTR);
  }
}

/**
 * Writes to a connection. A non-blocking socket takes as much as its send buffer has room for; a blocking one waits until all
 * is taken. What is taken leaves with the next turn of the loop; a blocking socket makes that turn itself.
 * @param buf what to send; `len` defaults to its whole length
 * @returns bytes taken, or -1 with errno
 *   EINVAL (no context, a bad `len`), EPERM (context destroyed), EBADF (no such socket), ENOTSOCK (not a stream),
 *   EFAULT (`buf` is not bytes, or shorter than `len`), ENOTCONN (never connected), EAGAIN (non-blocking, and no room, or not
 *   connected yet), ENOMEM (no memory), EPIPE (this side is closed, or the connection is gone; there is no SIGPIPE),
 *   ECONNRESET (the peer has reset the connection), ETIMEDOUT, EHOSTUNREACH, EINTR (as `mtcp_recv`). An error after some bytes were
 *   taken is told by the next call.
 * Source: mtcp_write(3), write(3p).
 */
export function mtcp_write(
  mctx: MctxArgument,
  sockid: number,
  buf: Uint8Array,
  len: number = sizeOf(buf),
): number {
  const socket = findStream(mctx, sockid);
  if (socket === undefined) return -1;
  if (!(buf instanceof Uint8Array)) return fail(EFAULT);
  if (!Number.isInteger(len) || len < 0) return fail(EINVAL);
  if (len > buf.length) return fail(EFAULT);
  const { tcb } = socket;
  if (tcb === undefined) return fail(ENOTCONN);
  const core = mctx as Context;
  const { tcp } = core.stack;
  let taken = 0;
  for (;;) {
    const result = tcp.send(tcb, buf, taken, len - taken);
    if (result >= 0) {
      taken += result;
    } else if (result !== -EAGAIN) {
      return taken > 0 ? taken : fail(-result);
    }
    if (socket.nonblocking) {
      if (result >= 0) return taken;
      wouldBlock(core);
      return fail(EAGAIN);
    }
    if (taken === len) {
      turn(core);
      return taken;
    }
    if (!block(core, Number.POSITIVE_INFINITY)) return fail(EINTR);
  }
}

/** The default length: that of the buffer, or 0 for something that the call will refuse. */
function sizeOf(buf: unknown): number {
  return buf instanceof Uint8Array ? buf.length : 0;
}
