// Reading and writing with one buffer: mtcp_read, mtcp_recv, mtcp_write, mtcp_send. A blocking socket turns the loop until there
// is something to return; a wrong buffer is an errno, never an exception.

import { EFAULT, EINVAL } from '../stack/errors.js';
import {
  MSG_CMSG_CLOEXEC,
  MSG_DONTWAIT,
  MSG_EOR,
  MSG_MORE,
  MSG_NOSIGNAL,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  MSG_WAITALL,
} from './constants.js';
import type { Context } from './context.js';
import { fail } from './errno.js';
import type { MctxArgument } from './guard.js';
import { failArgument, findChannel } from './guard.js';
import { turn } from './loop.js';
import { endRecord, receiveInto, sendFrom } from './transfer.js';

const RECEIVE_FLAGS =
  MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL | MSG_CMSG_CLOEXEC;
const SEND_FLAGS = MSG_OOB | MSG_DONTWAIT | MSG_EOR | MSG_NOSIGNAL | MSG_MORE;

/** Checks the flags of a call that receives: 0 or EINVAL (an unknown one). */
export function checkReceiveFlags(flags: unknown): number {
  return checkFlags(flags, RECEIVE_FLAGS);
}

/** Checks the flags of a call that sends: 0 or EINVAL (an unknown one). */
export function checkSendFlags(flags: unknown): number {
  return checkFlags(flags, SEND_FLAGS);
}

function checkFlags(flags: unknown, known: number): number {
  if (typeof flags !== 'number' || (flags | 0) !== flags) return EINVAL;
  return (flags & ~known) === 0 ? 0 : EINVAL;
}

/**
 * Reads from a connection or pipe; the same as `mtcp_recv` without flags.
 * @returns bytes read, 0 at the end of the stream, or -1 with the errno of `mtcp_recv` but EOPNOTSUPP.
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
 * Reads from a connection or pipe what has arrived, up to `len` bytes, waiting for the first byte if need be.
 * @param buf where to write; `len` defaults to its whole length
 * @param flags MSG_PEEK leaves the bytes where they are, MSG_DONTWAIT does not wait, MSG_WAITALL waits until `len` bytes are
 *   there (or the stream ends), MSG_TRUNC throws the bytes away and counts them, MSG_OOB reads the urgent byte and never waits;
 *   MSG_NOSIGNAL has no meaning
 * @returns bytes read, 0 at the end of the stream (or when `len` is 0), or -1 with errno
 *   EINVAL (no context, a bad `len`, an unknown flag), EPERM (context destroyed), EBADF (no such socket), ENOTSOCK (neither a
 *   stream nor a pipe), EFAULT (`buf` is not bytes, or shorter than `len`), EOPNOTSUPP (MSG_OOB on a pipe),
 *   ENOTCONN (never connected), EINVAL also for MSG_OOB when there is no urgent byte, or SO_OOBINLINE leaves it in the stream,
 *   EAGAIN (non-blocking, or SO_RCVTIMEO is over, and nothing is there yet), ECONNRESET (the peer has reset the connection),
 *   ETIMEDOUT (the peer does not answer any more), EHOSTUNREACH (nor does its neighbour), EINTR (the context was destroyed
 *   meanwhile).
 * Source: mtcp_recv(3), recv(3p), recv(2). Unlike mTCP's, a reset is an error and not an end of stream.
 */
export function mtcp_recv(
  mctx: MctxArgument,
  sockid: number,
  buf: Uint8Array,
  len: number,
  flags = 0,
): number {
  const socket = findChannel(mctx, sockid);
  if (socket === undefined) return -1;
  const wrong = checkBuffer(buf, len) || checkReceiveFlags(flags);
  if (wrong !== 0) return failArgument(wrong, buf);
  const result = receiveInto(mctx as Context, socket, buf, 0, len, flags);
  return result < 0 ? fail(-result) : result;
}

/**
 * Writes to a connection or pipe; the same as `mtcp_send` without flags.
 * @param buf what to send; `len` defaults to its whole length
 * @returns bytes taken, or -1 with the errno of `mtcp_send` but EOPNOTSUPP.
 * Source: mtcp_write(3), write(3p).
 */
export function mtcp_write(
  mctx: MctxArgument,
  sockid: number,
  buf: Uint8Array,
  len: number = sizeOf(buf),
): number {
  return mtcp_send(mctx, sockid, buf, len, 0);
}

/**
 * Writes to a connection or pipe. A non-blocking socket takes as much as its send buffer has room for; a blocking one waits
 * until all is taken. What is taken leaves with the next turn of the loop; a blocking socket makes that turn itself.
 * @param buf what to send
 * @param flags MSG_MORE holds what does not fill a segment back for more, MSG_EOR keeps what is written later out of the last
 *   segment (once all of `len` is taken), MSG_OOB makes the last byte urgent, MSG_DONTWAIT does not wait; MSG_NOSIGNAL is as always
 * @returns bytes taken, or -1 with errno
 *   EINVAL (no context, a bad `len`, an unknown flag), EPERM (context destroyed), EBADF (no such socket), ENOTSOCK (neither a
 *   stream nor a pipe), EFAULT (`buf` is not bytes, or shorter than `len`), EOPNOTSUPP (MSG_OOB on a pipe),
 *   ENOTCONN (never connected), EAGAIN (non-blocking, or SO_SNDTIMEO is over, and no room, or not connected yet), ENOMEM (no
 *   memory), EPIPE (this side is closed, or the connection is gone; there is no SIGPIPE), ECONNRESET (the peer has reset the
 *   connection), ETIMEDOUT, EHOSTUNREACH, EINTR (as `mtcp_recv`). An error after some bytes were taken is told by the next call.
 * Source: send(3p), send(2). Not in mTCP.
 */
export function mtcp_send(
  mctx: MctxArgument,
  sockid: number,
  buf: Uint8Array,
  len: number,
  flags = 0,
): number {
  const socket = findChannel(mctx, sockid);
  if (socket === undefined) return -1;
  const wrong = checkBuffer(buf, len) || checkSendFlags(flags);
  if (wrong !== 0) return failArgument(wrong, buf);
  const core = mctx as Context;
  const result = sendFrom(core, socket, buf, 0, len, flags);
  if (result < 0) return fail(-result);
  if ((flags & MSG_EOR) !== 0 && len > 0 && result === len) endRecord(core, socket);
  if (!socket.nonblocking) turn(core);
  return result;
}

/** Checks a buffer and how much of it is meant: 0, EFAULT or EINVAL. */
export function checkBuffer(buf: unknown, len: unknown): number {
  if (!(buf instanceof Uint8Array)) return EFAULT;
  if (!Number.isInteger(len) || (len as number) < 0) return EINVAL;
  return (len as number) > buf.length ? EFAULT : 0;
}

/** The default length: that of the buffer, or 0 for something that the call will refuse. */
function sizeOf(buf: unknown): number {
  return buf instanceof Uint8Array ? buf.length : 0;
}
