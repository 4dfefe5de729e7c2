// What a socket receives, on its way from the stack to the streams of Node: bytes are copied once, into a buffer that is the program's.
// Small ones share its memory.

import type { Mctx } from '../api/index.js';
import { MTCP_EPOLLERR, MTCP_EPOLLHUP, MTCP_EPOLLIN, MTCP_EPOLLRDHUP } from '../api/index.js';
import { receiveInto } from '../api/transfer.js';
import { EBADF } from '../stack/errors.js';

/** Most bytes that are read at once. */
const CHUNK = 65_536;
/** Bytes of memory that chunks share. One that a program keeps keeps all of them. */
const SLAB = 16_384;
/** A chunk of more bytes has memory of its own. */
const SMALL = 4096;
/** Chunks begin at a whole word: so they are copied fastest. */
const WORD = 8;
const READABLE = MTCP_EPOLLIN | MTCP_EPOLLRDHUP | MTCP_EPOLLERR | MTCP_EPOLLHUP;

let slab = Buffer.allocUnsafeSlow(SLAB);
let used = 0;

/** Reads what has arrived, up to 64 KiB: a chunk, or what there is instead: 0 at the end of the stream, a negated errno. */
export function readChunk(mctx: Mctx, sockid: number): Buffer | number {
  const socket = mctx.sockets.get(sockid);
  if (socket === undefined) return -EBADF;
  const { tcb } = socket;
  const available = tcb === undefined ? 0 : mctx.stack.tcp.available(tcb);
  // Where there is nothing, the call says why; a byte may be behind one that was urgent.
  const length = Math.max(1, Math.min(available, CHUNK));
  if (length > SMALL) {
    const chunk = Buffer.allocUnsafeSlow(length);
    const count = receiveInto(mctx, socket, chunk, 0, length, 0);
    if (count <= 0) return count;
    return count === length ? chunk : chunk.subarray(0, count);
  }
  if (used + length > SLAB) {
    slab = Buffer.allocUnsafeSlow(SLAB);
    used = 0;
  }
  const start = used;
  const count = receiveInto(mctx, socket, slab, start, length, 0);
  if (count <= 0) return count;
  used = (start + count + WORD - 1) & -WORD;
  return slab.subarray(start, start + count);
}

/** Tells whether there is anything to read: bytes, the end of the stream or an error. If not, that will be an event. */
export function isReadable(mctx: Mctx, sockid: number): boolean {
  const socket = mctx.sockets.get(sockid);
  return socket !== undefined && (mctx.interests.readiness(socket) & READABLE) !== 0;
}
