// What every call checks first: the context, then the socket id, in the order of mTCP's man pages. A call ends with
// `return fail(...)` of src/api/errno.ts when a check here has set errno.

import { EBADF, EFAULT, EINVAL, ENOTSOCK, EPERM } from '../stack/errors.js';
import { MTCP_SOCK_PIPE, MTCP_SOCK_STREAM } from './constants.js';
import { Context } from './context.js';
import { fail, failBecause } from './errno.js';
import type { Socket } from './sockets.js';

/** A context, `mctx_t`. */
export type Mctx = Context;

/** What calls accept there, so that a failed `mtcp_create_context` needs no check before its result is used. */
export type MctxArgument = Context | null | undefined;

/** Tells whether a context can be used; otherwise errno is EINVAL (not a context) or EPERM (destroyed). */
export function isUsable(mctx: MctxArgument): mctx is Context {
  if (!(mctx instanceof Context)) {
    fail(EINVAL);
    return false;
  }
  if (mctx.destroyed) {
    fail(EPERM);
    return false;
  }
  return true;
}

/** Finds a socket of any kind; undefined with errno EINVAL, EPERM or EBADF. */
export function findSocket(mctx: MctxArgument, sockid: number): Socket | undefined {
  if (!isUsable(mctx)) return undefined;
  const socket = mctx.sockets.get(sockid);
  if (socket === undefined) fail(EBADF);
  return socket;
}

/** Finds a stream; undefined with errno as `findSocket`, or ENOTSOCK for a listener or an epoll set. */
export function findStream(mctx: MctxArgument, sockid: number): Socket | undefined {
  const socket = findSocket(mctx, sockid);
  if (socket === undefined || socket.kind === MTCP_SOCK_STREAM) return socket;
  fail(ENOTSOCK);
  return undefined;
}

/** Finds a stream or the end of a pipe, which can be read and written as well; undefined as `findStream`. */
export function findChannel(mctx: MctxArgument, sockid: number): Socket | undefined {
  const socket = findSocket(mctx, sockid);
  if (socket === undefined || socket.kind === MTCP_SOCK_STREAM || socket.kind === MTCP_SOCK_PIPE)
    return socket;
  fail(ENOTSOCK);
  return undefined;
}

/** Refuses an argument of a call that takes a buffer; of a buffer that is none, which no C program could pass, it says what it should be. */
export function failArgument(number: number, buf: unknown): -1 {
  if (number !== EFAULT || buf instanceof Uint8Array) return fail(number);
  const hint = typeof buf === 'string' ? ': Buffer.from(text) makes one' : '';
  return failBecause(EFAULT, `the buffer must be a Uint8Array, not ${kindOf(buf)}${hint}`);
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === 'object' ? 'another object' : `a ${typeof value}`;
}
