// Reading and writing with several buffers: mtcp_readv, mtcp_writev, mtcp_recvmsg, mtcp_sendmsg. A buffer is bytes, or C's
// `struct iovec` as an object; no names come with the messages of a stream, and control data only for TCP_INQ.

import { EAGAIN, EFAULT, EINVAL, EMSGSIZE } from '../stack/errors.js';
import {
  IOV_MAX,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_EOR,
  MSG_MORE,
  MSG_OOB,
  MSG_PEEK,
  MSG_WAITALL,
} from './constants.js';
import type { Context } from './context.js';
import { writeInq } from './control-data.js';
import { fail } from './errno.js';
import type { MctxArgument } from './guard.js';
import { findChannel, findStream } from './guard.js';
import { turn } from './loop.js';
import type { Socket } from './sockets.js';
import { checkReceiveFlags, checkSendFlags } from './stream-calls.js';
import { endRecord, keepError, receiveInto, sendFrom } from './transfer.js';

/** C's `struct iovec`. */
export interface Iovec {
  iov_base: Uint8Array;
  /** Default: the whole length. */
  iov_len?: number;
}

/** One buffer of several. */
export type IovecArgument = Uint8Array | Iovec;

/** C's `struct msghdr`. The name of a peer is that of the connection, and the only control data is that of TCP_INQ. */
export interface MsgHdr {
  msg_iov: readonly IovecArgument[];
  /** Default: the whole length of `msg_iov`. */
  msg_iovlen?: number;
  msg_name?: unknown;
  msg_namelen?: number;
  /** Bytes for the control data of TCP_INQ. */
  msg_control?: unknown;
  msg_controllen?: number;
  /** Set by `mtcp_recvmsg`. */
  msg_flags?: number;
}

/**
 * Reads into several buffers, one after the other, what has arrived.
 * @param iov the buffers: bytes, or `{ iov_base, iov_len }`
 * @param numIOV how many of them; default all
 * @returns bytes read, 0 at the end of the stream, or -1 with the errno of `mtcp_recv` but EOPNOTSUPP; EINVAL stands for more
 *   than IOV_MAX buffers, or more than there are, and EFAULT for one that is none; a pipe is ENOTSOCK.
 * Source: mTCP's mtcp_api.h, readv(3p).
 */
export function mtcp_readv(
  mctx: MctxArgument,
  sockid: number,
  iov: readonly IovecArgument[],
  numIOV: number = countOf(iov),
): number {
  const socket = findStream(mctx, sockid);
  if (socket === undefined) return -1;
  const wrong = checkVector(iov, numIOV);
  return wrong !== 0 ? fail(wrong) : receiveVector(mctx as Context, socket, iov, numIOV, 0);
}

/**
 * Writes several buffers, one after the other; they leave in as few segments as possible.
 * @param iov the buffers: bytes, or `{ iov_base, iov_len }`
 * @param numIOV how many of them; default all
 * @returns bytes taken, or -1 with the errno of `mtcp_send` but EOPNOTSUPP; EINVAL, EFAULT and ENOTSOCK stand for the same as in
 *   `mtcp_readv`.
 * Source: mTCP's mtcp_api.h, writev(3p).
 */
export function mtcp_writev(
  mctx: MctxArgument,
  sockid: number,
  iov: readonly IovecArgument[],
  numIOV: number = countOf(iov),
): number {
  const socket = findStream(mctx, sockid);
  if (socket === undefined) return -1;
  const wrong = checkVector(iov, numIOV);
  return wrong !== 0 ? fail(wrong) : sendVector(mctx as Context, socket, iov, numIOV, 0);
}

/**
 * Reads a message's worth of bytes: as `mtcp_readv`, with flags.
 * @param msg where to; `msg_flags` is set, and `msg_namelen` to 0 and `msg_controllen` to the bytes of control data where they are
 *   there. With TCP_INQ these are a `struct cmsghdr` and an int, 24 bytes in a Uint8Array; where they do not fit `msg_flags` is
 *   MSG_CTRUNC.
 * @param flags as `mtcp_recv`
 * @returns bytes read, 0 at the end of the stream, or -1 with the errno of `mtcp_recv`; EFAULT stands for no message or a
 *   buffer that is none, EMSGSIZE for more than IOV_MAX buffers or more than there are.
 * Source: recvmsg(3p), recvmsg(2). Not in mTCP.
 */
export function mtcp_recvmsg(mctx: MctxArgument, sockid: number, msg: MsgHdr, flags = 0): number {
  const socket = findChannel(mctx, sockid);
  if (socket === undefined) return -1;
  const wrong = checkMessage(msg) || checkReceiveFlags(flags);
  if (wrong !== 0) return fail(wrong);
  const count = msg.msg_iovlen ?? msg.msg_iov.length;
  const result = receiveVector(mctx as Context, socket, msg.msg_iov, count, flags);
  if (result < 0) return result;
  msg.msg_flags = 0;
  if (msg.msg_namelen !== undefined) msg.msg_namelen = 0;
  let used = 0;
  if (socket.tellsInq) {
    used = writeInq(socket, msg.msg_control, msg.msg_controllen ?? Number.POSITIVE_INFINITY);
    if (used === 0) msg.msg_flags = MSG_CTRUNC;
  }
  if (msg.msg_controllen !== undefined) msg.msg_controllen = used;
  return result;
}

/**
 * Writes a message's worth of bytes: as `mtcp_writev`, with flags. A name in it is ignored, as on Linux.
 * @param flags as `mtcp_send`
 * @returns bytes taken, or -1 with the errno of `mtcp_send`; EFAULT and EMSGSIZE also as `mtcp_recvmsg`, EINVAL for control
 *   data, of which there is none.
 * Source: sendmsg(3p), sendmsg(2). Not in mTCP.
 */
export function mtcp_sendmsg(mctx: MctxArgument, sockid: number, msg: MsgHdr, flags = 0): number {
  const socket = findChannel(mctx, sockid);
  if (socket === undefined) return -1;
  const wrong = checkMessage(msg) || checkSendFlags(flags);
  if (wrong !== 0) return fail(wrong);
  if ((msg.msg_controllen ?? 0) !== 0) return fail(EINVAL);
  return sendVector(mctx as Context, socket, msg.msg_iov, msg.msg_iovlen ?? msg.msg_iov.length, flags);
}

function receiveVector(
  core: Context,
  socket: Socket,
  iov: readonly IovecArgument[],
  count: number,
  flags: number,
): number {
  // Looking does not move on, so that only the first buffer can be filled.
  const last = (flags & MSG_PEEK) !== 0 ? Math.min(count, 1) : count;
  let total = 0;
  for (let i = 0; i < last; i++) {
    const length = lengthOf(iov[i]);
    if (length === 0) continue;
    // Only for the first byte is waited, unless all are wanted.
    const waits = total === 0 || (flags & MSG_WAITALL) !== 0;
    const result = receiveInto(core, socket, baseOf(iov[i]), 0, length, waits ? flags : flags | MSG_DONTWAIT);
    if (result < 0) {
      if (total === 0) return fail(-result);
      return result === -EAGAIN ? total : keepError(socket.tcb, total, result);
    }
    total += result;
    if (result < length || (socket.tcb !== undefined && core.stack.tcp.isAtMark(socket.tcb))) break;
  }
  return total;
}

function sendVector(
  core: Context,
  socket: Socket,
  iov: readonly IovecArgument[],
  count: number,
  flags: number,
): number {
  let total = 0;
  let isWhole = true;
  for (let i = 0; i < count; i++) {
    const length = lengthOf(iov[i]);
    // Of a message the last byte is urgent.
    const more = i < count - 1 ? (flags & ~MSG_OOB) | MSG_MORE : flags;
    const result = sendFrom(core, socket, baseOf(iov[i]), 0, length, more);
    if (result < 0) {
      if (total === 0) return fail(-result);
      if (result !== -EAGAIN) keepError(socket.tcb, total, result);
      isWhole = false;
      break;
    }
    total += result;
    if (result < length) {
      isWhole = false;
      break;
    }
  }
  if ((flags & MSG_EOR) !== 0 && total > 0 && isWhole) endRecord(core, socket);
  // What was taken has nothing behind it that would be waited for.
  if (socket.tcb !== undefined && (flags & MSG_MORE) === 0) {
    socket.tcb.more = false;
    socket.tcb.unpushed = false;
  }
  if (!socket.nonblocking) turn(core);
  return total;
}

function checkMessage(msg: unknown): number {
  if (typeof msg !== 'object' || msg === null) return EFAULT;
  const { msg_iov, msg_iovlen } = msg as MsgHdr;
  if (!Array.isArray(msg_iov)) return EFAULT;
  const wrong = checkVector(msg_iov, msg_iovlen ?? msg_iov.length);
  return wrong === EINVAL ? EMSGSIZE : wrong;
}

/** 0, EFAULT (no buffers, or one that is none) or EINVAL (too many, or more than there are). */
function checkVector(iov: unknown, count: unknown): number {
  if (!Array.isArray(iov)) return EFAULT;
  if (!Number.isInteger(count)) return EINVAL;
  if ((count as number) < 0 || (count as number) > IOV_MAX || (count as number) > iov.length) return EINVAL;
  for (let i = 0; i < (count as number); i++) {
    const base: unknown = baseOf(iov[i]);
    if (!(base instanceof Uint8Array)) return EFAULT;
    const length: unknown = lengthOf(iov[i]);
    if (!Number.isInteger(length) || (length as number) < 0) return EINVAL;
    if ((length as number) > base.length) return EFAULT;
  }
  return 0;
}

function countOf(iov: unknown): number {
  return Array.isArray(iov) ? iov.length : 0;
}

function baseOf(buffer: IovecArgument): Uint8Array {
  if (buffer instanceof Uint8Array) return buffer;
  // What is no buffer at all is found out by its type.
  return ((buffer as Iovec | undefined | null)?.iov_base ?? undefined) as Uint8Array;
}

function lengthOf(buffer: IovecArgument): number {
  return buffer instanceof Uint8Array ? buffer.length : (buffer.iov_len ?? buffer.iov_base.length);
}
