// mtcp_pipe: something in an epoll set that the program makes ready itself. The bytes are in src/api/pipe.ts.

import { EFAULT, ENFILE } from '../stack/errors.js';
import { MTCP_SOCK_PIPE } from './constants.js';
import { fail } from './errno.js';
import type { MctxArgument } from './guard.js';
import { isUsable } from './guard.js';
import { Pipe } from './pipe.js';

/**
 * Makes a pipe inside the context, to be read, written, waited for with epoll and closed like a connection. By custom the first
 * id is read and the second written; both can do both, as in mTCP. It holds 10,240 bytes. Both ends block until
 * `mtcp_setsock_nonblock` says otherwise; a blocking read waits for what the program itself writes meanwhile, in a callback.
 * @param pipeid an array that receives the two ids
 * @returns 0, or -1 with errno EINVAL (no context), EPERM (context destroyed), EFAULT (`pipeid` cannot hold two ids), ENFILE
 *   (fewer than two socket ids are free).
 * Source: mTCP's mtcp_api.h, pipe(3p).
 */
export function mtcp_pipe(mctx: MctxArgument, pipeid: number[] | Int32Array): 0 | -1 {
  if (!isUsable(mctx)) return -1;
  const isPlace = Array.isArray(pipeid) || (pipeid instanceof Int32Array && pipeid.length >= 2);
  if (!isPlace) return fail(EFAULT);
  const { sockets } = mctx;
  if (sockets.limit - sockets.used < 2) return fail(ENFILE);
  const ends = [sockets.take(MTCP_SOCK_PIPE)!, sockets.take(MTCP_SOCK_PIPE)!];
  const pipe = new Pipe([...ends]);
  for (let i = 0; i < 2; i++) {
    ends[i].pipe = pipe;
    pipeid[i] = ends[i].id;
  }
  return 0;
}
